"""Data of instances, as their database users see it."""

import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from shardhouse.console import explorer
from shardhouse.console.database_login import SECONDS, DatabaseLogin
from shardhouse.console.explorer import ExplorerError, Place, Question
from shardhouse.iam.throttle import FREE_FAILURES
from tests import requests, slow_operations
from tests.console.conftest import Visitor, alerts
from tests.console.test_snippets import programs, run
from tests.installation import Installation, addresses, uri

Made = dict[str, Any]
DATABASE, COLLECTION = "explored", "orders"
WHERE = {"database": DATABASE, "collection": COLLECTION}
PASSWORD: str = requests.single()["password"]


@pytest.fixture(params=["shared_replica", "shared_cluster"])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """An instance with documents of many types; sharded where that can be."""
    instance: Made = request.getfixturevalue(request.param)
    with MongoClient(uri(instance), w="majority") as client:
        client.drop_database(DATABASE)
        orders = client[DATABASE][COLLECTION]
        if instance["mode"] == "Sharding":
            client.admin.command("shardCollection", orders.full_name, key={"_id": "hashed"})
        orders.create_index("price")
        orders.insert_many(
            {"_id": n, "price": n * 1.5, "who": ObjectId(), "at": datetime(2026, 1, 1, tzinfo=UTC)}
            for n in range(50)
        )
        orders.insert_one({"_id": "<script>", "price": -1})
        yield instance
        client.drop_database(DATABASE)


def place(made: Made) -> str:
    return f"/instances/{made['id']}/data"


def log_in(visitor: Visitor, made: Made, password: str = PASSWORD, user: str = "rwuser") -> Any:
    return visitor.send(f"{place(made)}/login", user=user, password=password, database="admin")


def documents(page: str) -> list[str]:
    found = page.split("<h3>Documents</h3>")[1].split("<h3>", maxsplit=1)[0]
    return re.findall(r"<pre[^>]*>([^<]*)</pre>", found)


def test_data_is_browsed_and_asked(visitor: Visitor, made: Made) -> None:
    page = log_in(visitor, made).text
    assert f">{DATABASE}</a>" in page
    assert PASSWORD not in page
    assert f">{COLLECTION}</a>" in visitor.get(place(made), database=DATABASE).text
    page = visitor.get(place(made), **WHERE).text
    assert "<td>price_1</td>" in page
    sizes = page.split("<h3>Size</h3>")[1].split("<h3>")[0]
    if made["mode"] == "Sharding":
        assert "Sharded by <code>{&#34;_id&#34;: &#34;hashed&#34;}</code>" in sizes
        shards = [one["name"] for one in made["groups"] if one["type"] == "shard"]
        counts = re.findall(r'row">([^<]+)</th><td class="number">(\d+)</td>', sizes)
        assert sum(int(count) for _, count in counts) == 51
        assert len(counts) == len(shards)
        assert all(int(one) > 0 for one in re.findall(r'number">(\d+)</td></tr>', sizes))
    else:
        assert '<td class="number">51</td>' in sizes
    answer = visitor.send(
        place(made), **WHERE, filter='{"price": {"$gte": 60}}', sort='{"price": -1}', limit="3"
    )
    first, *others = documents(answer.text)
    assert len(others) == 2
    assert "&#34;price&#34;: 73.5" in first
    assert "&#34;$oid&#34;" in first
    assert "&#34;$date&#34;: &#34;2026-01-01T00:00:00Z&#34;" in first
    pipeline = (
        '[{"$match": {"_id": {"$type": "int"}}}, {"$group": {"_id": null, "n": {"$sum": 1}}}]'
    )
    answer = visitor.send(place(made), **WHERE, pipeline=pipeline)
    assert "&#34;n&#34;: 50" in documents(answer.text)[0]
    answer = visitor.send(place(made), **WHERE, filter='{"price": 3}', explain="1")
    assert "IXSCAN" in answer.text
    answer = visitor.send(place(made), **WHERE, filter='{"_id": "<script>"}')
    assert '"&lt;script&gt;"' in answer.text.replace("&#34;", '"')
    assert len(documents(visitor.send(place(made), **WHERE, limit="100").text)) == 51


def test_what_is_wrong_is_the_server_s_own_word(visitor: Visitor, made: Made) -> None:
    answer = log_in(visitor, made, password="Wrong#2026")
    assert answer.status_code == 401
    assert "uthentication failed" in alerts(answer)[0]
    assert "Wrong#2026" not in answer.text
    log_in(visitor, made)
    for fields, words in (
        ({"filter": "{"}, "filter: a document in Extended JSON is expected"),
        ({"pipeline": "{}"}, "pipeline: a list of stages is expected"),
        ({"filter": '{"$nothing": 1}'}, "$nothing"),
        ({"pipeline": '[{"$out": "stolen"}]'}, "$out"),
        ({"filter": '{"_id": {"$oid": "x"}}'}, "filter"),
        ({"pipeline": '[{"$changeStream": {"x": 1}}]'}, "x"),
        ({"filter": '{"at": {"$date": 1e400}}'}, "filter"),
    ):
        answer = visitor.send(place(made), **WHERE, **fields)
        assert answer.status_code == 400, answer.text
        assert words in alerts(answer)[0]
    assert len(documents(visitor.send(place(made), **WHERE, filter=" ").text)) == 20
    assert "stolen" not in visitor.get(place(made), database=DATABASE).text
    assert visitor.send(place(made), database="a b", collection="c").status_code == 400


def test_a_user_sees_what_it_may(
    installation: Installation, visitor: Visitor, shared_replica: Made
) -> None:
    path = f"/instances/{shared_replica['id']}/db-user"
    who = {"user_name": "explorer", "db_name": "admin"}
    body = {**who, "user_pwd": "Zx7-mountain_Lake", "roles": []}
    installation.call("POST", path, json=body)
    try:
        page = log_in(visitor, shared_replica, "Zx7-mountain_Lake", "explorer").text
        assert "The user may see none." in page
        answer = visitor.send(place(shared_replica), **WHERE)
        assert answer.status_code == 400
        assert "not authorized" in alerts(answer)[0]
    finally:
        assert installation.call("DELETE", path, json=who).status_code == 200


def test_an_ordinary_user_meets_no_errors(
    installation: Installation, visitor: Visitor, made: Made
) -> None:
    path = f"/instances/{made['id']}/db-user"
    who = {"user_name": "writer", "db_name": "admin"}
    roles = [{"role_db_name": DATABASE, "role_name": "readWrite"}]
    body = {**who, "user_pwd": "Zx7-mountain_Lake", "roles": roles}
    installation.call("POST", path, json=body)
    try:
        log_in(visitor, made, "Zx7-mountain_Lake", "writer")
        page = visitor.get(place(made), **WHERE)
        assert alerts(page) == []
        assert "<td>price_1</td>" in page.text
        hidden = "The user may not see the chunks." in page.text
        assert hidden == (made["mode"] == "Sharding")
    finally:
        assert installation.call("DELETE", path, json=who).status_code == 200


def test_guesses_of_a_password_are_slowed_down(visitor: Visitor, shared_replica: Made) -> None:
    user = f"nobody-{uuid.uuid4().hex}"
    statuses = [
        log_in(visitor, shared_replica, "Wrong#2026", user).status_code
        for _ in range(FREE_FAILURES)
    ]
    assert set(statuses) == {401}
    answer = log_in(visitor, shared_replica, "Wrong#2026", user)
    assert answer.status_code == 429
    assert "failed logins" in alerts(answer)[0]
    assert log_in(visitor, shared_replica, "Wrong#2026", "").status_code == 400
    assert "As rwuser" in log_in(visitor, shared_replica).text


def test_a_login_is_of_one_instance_and_session(
    installation: Installation, visitor: Visitor, shared_replica: Made, shared_cluster: Made
) -> None:
    fields = {
        "csrf": visitor.csrf,
        "user": "rwuser",
        "password": PASSWORD,
        "database": "admin",
    }
    sent = visitor.http.post(
        f"/console{place(shared_replica)}/login", data=fields, follow_redirects=False
    )
    cookie = sent.headers["Set-Cookie"]
    wanted = {f"Path=/console{place(shared_replica)}", "HttpOnly", "SameSite=strict"}
    assert wanted | {f"Max-Age={SECONDS}"} <= set(cookie.split("; "))
    assert PASSWORD not in cookie
    assert "As rwuser of admin" in visitor.get(place(shared_replica)).text
    assert "As rwuser" not in visitor.get(place(shared_cluster)).text
    sealed = re.match(r"([^=]+)=([^;]+)", cookie.replace('"', ""))
    assert sealed is not None
    name, value = sealed.groups()
    visitor.http.cookies.set(name, value, path=f"/console{place(shared_cluster)}")
    assert "As rwuser" not in visitor.get(place(shared_cluster)).text
    visitor.http.cookies.delete(name, path=f"/console{place(shared_cluster)}")
    kept = visitor.http.cookies.get(name)
    assert kept is not None
    admin = installation.admin
    visitor.log_in(admin["user_name"], admin["password"])  # a new session
    assert visitor.http.cookies.get(name) == kept
    assert "As rwuser" not in visitor.get(place(shared_replica)).text
    log_in(visitor, shared_replica)
    assert "As rwuser" in visitor.get(place(shared_replica)).text
    page = visitor.send(f"{place(shared_replica)}/logout").text
    assert "Log in at the databases" in page
    assert "As rwuser" not in page


def login(password: str = PASSWORD) -> DatabaseLogin:
    return DatabaseLogin("rwuser", password, "admin")


def test_what_takes_too_long_or_is_too_much_ends(
    monkeypatch: pytest.MonkeyPatch, shared_replica: Made
) -> None:
    where = Place(addresses(shared_replica), shared_replica["replica_set"], None)
    with slow_operations.collection(uri(shared_replica), "orders", sharded=False):
        monkeypatch.setattr(explorer, "MOST_CHARACTERS", 100)
        with explorer.connected(where, login()) as data:
            found = data.run(Question("shop", "orders", limit=100))
        assert found.cut
        assert 0 < len(found.documents) < 10
        monkeypatch.setattr(explorer, "LONGEST", 1.0)
        slow = Question("shop", "orders", filter='{"$where": "sleep(500) || true"}')
        with (
            pytest.raises(ExplorerError, match=r"time limit|timed out"),
            explorer.connected(where, login()) as data,
        ):
            data.run(slow)
    monkeypatch.undo()
    with MongoClient(uri(shared_replica), w="majority") as client:
        client.drop_database(DATABASE)
        client[DATABASE].large.insert_many([{"_id": 1}, {"_id": 2, "x": "y" * 1_000_000}])
        try:
            with explorer.connected(where, login()) as data:
                found = data.run(Question(DATABASE, "large", sort='{"_id": 1}'))
                assert (found.cut, len(found.documents)) == (True, 1)
                found = data.run(Question(DATABASE, "large", projection='{"_id": 1}'))
                assert (found.cut, len(found.documents)) == (False, 2)
        finally:
            client.drop_database(DATABASE)
    nowhere = Place(["127.0.0.1:1"], "", None)
    monkeypatch.setattr(explorer, "SELECTION_MS", 200)
    with pytest.raises(ExplorerError, match=r"refused"), explorer.connected(nowhere, login()):
        pass


@pytest.mark.soak
def test_with_tls_the_api_s_certificates_are_trusted(
    installation: Installation, visitor: Visitor, tmp_path: Path
) -> None:
    made = installation.make(requests.single(name="explored-tls", ssl_option="1"))
    try:
        assert "As rwuser of admin" in log_in(visitor, made).text
        answer = visitor.send(place(made), **WHERE)
        assert answer.status_code == 200
        assert all("explored.orders" in one for one in alerts(answer))  # there is none
        (tmp_path / "ca.pem").write_text(visitor.get(f"/instances/{made['id']}/ca.pem").text)
        program = programs(visitor, made)["Python"]
        assert "'ok': 1.0" in run(sys.executable, "-c", program, cwd=tmp_path)
    finally:
        installation.delete(made["id"])
