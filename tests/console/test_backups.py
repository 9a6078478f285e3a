"""Backups, restores and the recycle bin, as a browser without JavaScript sees them."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests import requests
from tests.backing_up import POLICY, backed_up, backups, reach
from tests.console.conftest import Visitor, alerts
from tests.installation import Installation, until, uri

Made = dict[str, Any]


def some_name() -> str:
    return f"by-console-{uuid.uuid4().hex[:6]}"


def job_of(installation: Installation, answer: httpx.Response) -> Made:
    """The job whose page was answered."""
    found = re.fullmatch(r"/console/jobs/([^/]+)", answer.url.path)
    assert found, alerts(answer)
    return installation.job(found.group(1))


def job_done(installation: Installation, answer: httpx.Response) -> Made:
    """The same, when it has ended well."""
    job = installation.wait_job(job_of(installation, answer)["id"])
    assert job["status"] == "Completed", job
    return job


@pytest.fixture(scope="module")
def backed(installation: Installation) -> Iterator[Made]:
    """A single node with a policy and a document, at a moment that can be restored."""
    made = backed_up(installation, requests.single(name=some_name(), backup_strategy=POLICY))
    with MongoClient[Made](uri(made)) as client:
        client.shop.goods.insert_one({"_id": 1})
        client.shop.orders.insert_one({"_id": 1})
    now = (int(datetime.now(UTC).timestamp()) + 1) * 1000
    reach(installation, made["id"], now)
    yield {**made, "at": f"{datetime.fromtimestamp(now / 1000, UTC):%Y-%m-%dT%H:%M:%S}"}
    installation.call("DELETE", f"/instances/{made['id']}")


def test_a_backup_is_made_found_verified_and_deleted(
    installation: Installation, visitor: Visitor, backed: Made
) -> None:
    page = visitor.get("/backups/new", instance_id=backed["id"]).text
    assert f'<option value="{backed["id"]}" selected>' in page
    answer = visitor.send("/backups/new", instance_id=backed["id"], name="x")
    assert answer.status_code == 400
    assert "name" in alerts(answer)[0]
    name = some_name()
    answer = visitor.send("/backups/new", instance_id=backed["id"], name=name, description="why")
    job_done(installation, answer)
    page = visitor.get("/backups", backup_name=name, backup_type="Manual").text
    assert page.count(f">{name}</a>") == 1
    assert name not in visitor.get("/backups", backup_type="Auto").text
    assert name in visitor.get(f"/instances/{backed['id']}/backups").text
    (place,) = re.findall(rf'href="/console(/backups/[^"]+)">{name}', page)
    page = visitor.get(place).text
    (link,) = re.findall(r'href="([^"]+/v3/backup-files/[^"]+)"', page)
    with httpx.stream("GET", link.replace("&amp;", "&")) as file:
        assert file.status_code == 200
    job_done(installation, visitor.send(f"{place}/verify"))
    job_done(installation, visitor.send(f"{place}/delete"))
    assert visitor.get(place).status_code == 404
    for _ in range(2):  # names of backups are unique
        answer = visitor.send("/instances/together", action="back up", instance=[backed["id"]])
        assert "Asked for 1 of 1 instances." in answer.text, alerts(answer)
        until("it to be made", lambda: all_complete(installation, backed, "by-hand"), 120)


def all_complete(installation: Installation, instance: Made, name: str) -> bool:
    found = backups(installation, instance_id=instance["id"], backup_name=name)
    return bool(found) and all(one["status"] == "COMPLETED" for one in found)


def test_an_instance_shows_to_which_times_it_can_be_restored(
    visitor: Visitor, backed: Made
) -> None:
    page = visitor.get(f"/instances/{backed['id']}/backups").text
    (bar,) = re.findall(r"<rect .*?<title>(.*?)</title>", page)
    begin, end = (datetime.fromisoformat(one) for one in bar.split(" to "))
    assert begin < datetime.fromisoformat(backed["at"]) <= end
    (newest,) = re.findall(r'type="datetime-local" step="1" value="([^"]+)"', page)
    assert datetime.fromisoformat(newest) == end


def test_the_policy_is_a_form(installation: Installation, visitor: Visitor, backed: Made) -> None:
    place = f"/instances/{backed['id']}"
    page = visitor.get(f"{place}/backups").text
    assert f'value="{POLICY["start_time"]}"' in page
    assert "between full backups is captured now" in page
    wanted = {"start_time": POLICY["start_time"], "enable_incremental_backup": ""}
    answer = visitor.send(f"{place}/changes/SetBackupPolicy", keep_days="800", **wanted)
    assert answer.status_code == 400
    assert "keep_days" in alerts(answer)[0]
    answer = visitor.send(
        f"{place}/changes/SetBackupPolicy", keep_days="8", period="1,2,3,4,5,6,7", **wanted
    )
    assert answer.status_code == 200, alerts(answer)
    policy = installation.call("GET", f"{place}/backups/policy").json()["backup_policy"]
    assert (policy["keep_days"], policy["enable_incremental_backup"]) == (8, True)


def test_collections_of_a_moment_come_back(
    installation: Installation, visitor: Visitor, backed: Made
) -> None:
    point = {"instance_id": backed["id"], "at": backed["at"]}
    page = visitor.get("/restore", **point).text
    assert "/console/restore/collections?" in page
    assert 'name="whole" value="shop"' in visitor.get("/restore/collections", **point).text
    page = visitor.get("/restore/collections", database="shop", **point).text
    assert re.findall(r'name="collection" value="([^"]+)"', page) == ["goods", "orders"]
    answer = visitor.send("/restore/collections", database="shop", **point)
    assert answer.status_code == 400
    assert alerts(answer)
    new = f"goods_{uuid.uuid4().hex[:6]}"
    chosen = {"collection": ["goods"], "new_name:goods": new, "new_name:orders": "ignored"}
    answer = visitor.send("/restore/collections", database="shop", **point, **chosen)
    job_done(installation, answer)
    with MongoClient[Made](uri(backed)) as client:
        assert client.shop[new].count_documents({}) == 1
        assert "ignored" not in client.shop.list_collection_names()


def test_a_moment_is_restored_to_a_new_instance_and_in_place(
    installation: Installation, visitor: Visitor, backed: Made
) -> None:
    point = {"instance_id": backed["id"], "at": backed["at"]}
    answer = visitor.send("/restore/new", name="1", **point)
    assert answer.status_code == 400
    assert "name" in alerts(answer)[0]
    name = some_name()
    made = visitor.send("/restore/new", name=name, password="Secret#2026", **point)
    with MongoClient[Made](uri(backed)) as client:
        client.shop.late.insert_one({"_id": 1})
        job_done(installation, visitor.send("/restore/in-place", **point))
        names = client.shop.list_collection_names()
        assert "goods" in names
        assert "late" not in names
    new_id = job_of(installation, made)["instance"]["id"]
    found = installation.instance(new_id)
    assert found is not None
    assert (found["name"], found["mode"]) == (name, "Single")
    installation.call("DELETE", f"/instances/{new_id}")


def test_what_cannot_be_restored_is_said(visitor: Visitor, backed: Made) -> None:
    answer = visitor.get("/restore", instance_id=backed["id"], at="yesterday")
    assert answer.status_code == 400
    assert "a time such as" in alerts(answer)[0]
    assert visitor.get("/restore").url.path == "/console/backups"
    assert visitor.get("/restore", backup_id=uuid.uuid4().hex + "br02").status_code == 404
    answer = visitor.send("/restore/in-place", instance_id=backed["id"], at="2020-01-01T00:00:00")
    assert answer.status_code == 400
    assert alerts(answer)


def test_a_deleted_instance_is_in_the_recycle_bin(
    installation: Installation, visitor: Visitor, backed: Made
) -> None:
    # What was restored in place is backed up again, and not deleted meanwhile.
    path = f"/instances/{backed['id']}"
    until("its deletion", lambda: installation.call("DELETE", path).status_code == 202, 60)
    place = until(
        "the recycle bin to have it",
        lambda: re.search(
            rf'href="/console(/restore[^"]+)" aria-label="Restore {backed["name"]} to',
            visitor.get("/recycle-bin").text,
        ),
    )
    page = visitor.get(place.group(1)).text
    assert "To a new instance" in page
    assert "In place" not in page
