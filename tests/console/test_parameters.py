"""Parameters of instances, and templates of them."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.console.conftest import Visitor, alerts
from tests.installation import Installation, until

Made = dict[str, Any]
SLOW = "operationProfiling.slowOpThresholdMs"


def row(page: str, name: str) -> str:
    """The table's row about a parameter."""
    return next(part for part in page.split("<tr>") if f">{name}</th>" in part)


def wanted(page: str, name: str) -> str:
    found = re.search(f'name="value:{re.escape(name)}" value="([^"]*)"', page)
    assert found is not None
    return found.group(1)


def ended(visitor: Visitor, answer: httpx.Response) -> None:
    """The job's page says that it went well."""
    path = answer.url.path.removeprefix("/console")
    assert path.startswith("/jobs/")
    until("the job", lambda: '<p><span class="status good">Completed' in visitor.get(path).text)


def test_values_are_shown_and_changed(visitor: Visitor, shared_replica: Made) -> None:
    place = f"/instances/{shared_replica['id']}/parameters"
    page = visitor.get(place).text
    before = wanted(page, SLOW)
    assert f"<td>{before}</td>" in row(page, SLOW)
    answer = visitor.send(place, entity=shared_replica["id"], **{f"value:{SLOW}": "soon"})
    assert answer.status_code == 400
    assert SLOW in alerts(answer)[0]
    assert wanted(answer.text, SLOW) == "soon"
    for value in ("321", before):
        fields = {f"value:{SLOW}": value}
        ended(visitor, visitor.send(place, entity=shared_replica["id"], **fields))
        assert f"<td>{value}</td>" in row(visitor.get(place).text, SLOW)
    assert "<td>321</td><td>" in visitor.get(place).text.split("seven days")[1]
    same = visitor.send(place, entity=shared_replica["id"], **{f"value:{SLOW}": before})
    assert same.url.path.endswith("/parameters")  # nothing differs: no job


def test_parts_of_a_cluster_have_their_own(visitor: Visitor, shared_cluster: Made) -> None:
    place = f"/instances/{shared_cluster['id']}/parameters"
    page = visitor.get(place).text
    parts = re.findall(r'<option value="([^"]+)"', page.split("</form>")[1])
    groups = [group for group in shared_cluster["groups"] if group["type"] != "mongos"]
    routers = [group for group in shared_cluster["groups"] if group["type"] == "mongos"]
    nodes = [node["id"] for group in routers for node in group["nodes"]]
    assert sorted(parts) == sorted(nodes + [group["id"] for group in groups])
    for part in parts:
        assert 'scope="row"' in visitor.get(place, entity=part).text
    assert alerts(visitor.get(place, entity="nothing"))


@pytest.fixture
def templates(installation: Installation) -> Iterator[str]:
    """A beginning of names; templates that have it are gone afterwards."""
    prefix = f"by-console-{uuid.uuid4().hex[:6]}"
    yield prefix
    listed = installation.call("GET", "/configurations").json()["configurations"]
    for one in listed:
        if one["name"].startswith(prefix):
            installation.call("DELETE", f"/configurations/{one['id']}")


def test_templates_are_made_changed_compared_and_applied(
    visitor: Visitor, shared_replica: Made, templates: str
) -> None:
    entity = shared_replica["id"]
    form = visitor.get("/configurations/new", entity_id=entity).text
    assert f'value="{entity}"' in form
    answer = visitor.send("/configurations", name="no/name", entity_id=entity)
    assert answer.status_code == 400
    assert "name" in alerts(answer)[0]
    made = visitor.send("/configurations", name=templates, description="d", entity_id=entity)
    place = made.url.path.removeprefix("/console")
    before = wanted(made.text, SLOW)
    copy = visitor.send(f"{place}/copy", name=f"{templates}-copy")
    other = copy.url.path.removeprefix("/console")
    answer = visitor.send(other, name=f"{templates}-2", **{f"value:{SLOW}": "345"})
    assert f"<h1>{templates}-2</h1>" in answer.text
    assert wanted(answer.text, SLOW) == "345"
    assert "<td>345</td>" in answer.text.split("seven days")[1]
    ids = {"source": place.rsplit("/", 1)[1], "target": other.rsplit("/", 1)[1]}
    difference = row(visitor.get("/configurations", **ids).text, SLOW)
    assert f"<td>{before}</td><td>345</td>" in difference
    assert "do not differ" in visitor.get("/configurations", **ids | {"target": ids["source"]}).text
    try:
        ended(visitor, visitor.send(f"{other}/apply", entity=entity))
        assert "<td>345</td>" in row(visitor.get(f"/instances/{entity}/parameters").text, SLOW)
        refused = visitor.send(f"{other}/delete")
        assert "is applied to" in alerts(refused)[0]
    finally:
        ended(visitor, visitor.send(f"{place}/apply", entity=entity))
    assert "applied in the last" in visitor.get(other).text.lower()
    answer = visitor.send(f"{other}/delete")
    assert answer.url.path == "/console/configurations"
    assert f"{templates}-2" not in answer.text
    system = next(one for one in answer.text.split("<tr>") if "the system&#39;s" in one)
    link = re.findall(r'href="/console([^"]+)"', system)[0]
    assert "<button>Copy" not in visitor.get(link).text
