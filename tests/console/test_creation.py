"""The form of a new instance, and the request that it stands for."""

import html
import json
import re
import uuid
from typing import Any

import httpx

from tests.console.conftest import Visitor
from tests.installation import Installation


def request_of(answer: httpx.Response) -> tuple[str, dict[str, Any]]:
    """The call of curl that a page shows, and its body."""
    shown = re.search(r'<pre id="request"[^>]*>(.*?)</pre>', answer.text, re.DOTALL)
    assert shown is not None
    text = html.unescape(shown.group(1))
    return text, json.loads(text[text.index("{") : text.rindex("}") + 1])


def test_the_form_shows_the_request_without_the_password(
    installation: Installation, visitor: Visitor
) -> None:
    zones = re.findall(r'<option value="([^"]+-0[0-9][^"]*)"', visitor.get("/instances/new").text)
    assert len(zones) == 4  # three, and all together
    typed = {"name": "orders", "password": "Secret#2026", "zone": zones[-1], "count": "1"}
    answer = visitor.send("/instances/new", mode="replicaset", members="5", **typed)
    assert "Secret#2026" not in answer.text
    text, body = request_of(answer)
    assert f"{installation.dds}/v3/{installation.project_id}/instances" in text
    assert body["availability_zone"] == zones[-1]
    assert (body["name"], body["mode"], body["password"]) == ("orders", "ReplicaSet", "****")
    assert body["flavor"][0]["num"] == 5
    assert 'id="request"' not in visitor.send("/instances/new", size="big", count="1").text


def test_parameter_templates_of_the_version_are_offered(
    installation: Installation, visitor: Visitor
) -> None:
    name = f"for-console-{uuid.uuid4().hex[:6]}"
    wish = {"name": name, "datastore": {"node_type": "replica", "version": "4.4"}}
    made = installation.call("POST", "/configurations", json=wish).json()["configuration"]
    field = "configuration-replica"
    typed = {"mode": "replicaset", "count": "1", field: made["id"]}
    answer = visitor.send("/instances/new", version="4.4", **typed)
    assert f'<option value="{made["id"]}" selected>{name}</option>' in answer.text
    _, body = request_of(answer)
    chosen = [{"type": "replica", "configuration_id": made["id"]}]
    assert body["configurations"] == chosen
    assert made["id"] not in visitor.get("/instances/new", mode="sharding").text
    assert name not in visitor.get("/instances/new", mode="replicaset", version="6.0").text
    installation.call("DELETE", f"/configurations/{made['id']}")
