"""Database users and roles."""

from typing import Any

from pymongo import MongoClient

from tests.console.conftest import Visitor, alerts
from tests.installation import until, uri

Made = dict[str, Any]
PASSWORD, OTHER = "Zx7-mountain_Lake", "Qw8-river_Stone"


def client_of(made: Made, password: str) -> MongoClient[Any]:
    return MongoClient(
        uri(made, password, "console-clerk").replace("authSource=admin", "authSource=till")
    )


def test_a_user_is_made_changed_and_deleted(visitor: Visitor, shared_replica: Made) -> None:
    place = f"/instances/{shared_replica['id']}/users"
    who = {"user_name": "console-clerk", "db_name": "till"}
    form = visitor.get(f"{place}/user").text
    assert form.count('name="role"') == 3
    more = visitor.send(f"{place}/user", more="1", **who, role=["read", "", ""])
    assert more.text.count('name="role"') == 6
    assert 'value="read" list' in more.text
    answer = visitor.send(f"{place}/user", **who, user_pwd="weak", role=["readWrite"])
    assert answer.status_code == 400
    assert "user_pwd" in alerts(answer)[0]
    assert 'value="readWrite"' in answer.text
    answer = visitor.send(
        f"{place}/user",
        **who,
        user_pwd=PASSWORD,
        role=["readWrite", "", "read"],
        role_database=["", "", "elsewhere"],
    )
    assert answer.url.path.endswith("/users")
    row = next(part for part in answer.text.split("<tr>") if "console-clerk" in part)
    assert 'readWrite <span class="soft">of</span> till' in row
    assert 'read <span class="soft">of</span> elsewhere' in row
    assert PASSWORD not in answer.text
    try:
        with client_of(shared_replica, PASSWORD) as client:
            assert client["till"]["things"].find_one() is None
        form = visitor.get(f"{place}/password", **who).text
        assert 'value="console-clerk"' in form
        answer = visitor.send(f"{place}/password", **who, user_pwd=OTHER)
        assert answer.url.path.endswith("/users")
        with client_of(shared_replica, OTHER) as client:
            assert client["till"]["things"].find_one() is None
    finally:
        answer = visitor.send(f"{place}/delete-user", **who)
    assert "console-clerk" not in answer.text
    answer = visitor.send(f"{place}/delete-user", user_name="rwuser", db_name="admin")
    assert answer.status_code == 400
    assert visitor.get(f"{place}/nothing").status_code == 404


def test_a_role_is_made_and_deleted(visitor: Visitor, shared_cluster: Made) -> None:
    place = f"/instances/{shared_cluster['id']}/users"
    who = {"role_name": "console-buyer", "db_name": "till"}
    answer = visitor.send(f"{place}/role", **who, role=["read"], role_database=["till"])
    row = next(part for part in answer.text.split("<tr>") if "console-buyer" in part)
    assert 'read <span class="soft">of</span> till' in row
    answer = visitor.send(f"{place}/delete-role", **who)
    assert answer.url.path.endswith("/users")
    until("it to be gone", lambda: "console-buyer" not in visitor.get(place).text)
