"""Users, roles and keys, as a browser without JavaScript sees them."""

import re
import uuid
from collections.abc import Iterator

import httpx
import pytest

from shardhouse.iam.roles import DDS_READ_ONLY
from tests.console.conftest import Visitor, alerts
from tests.installation import Installation

PASSWORD = "Reader#2026-long"
KEYS = "/v3.0/OS-CREDENTIAL/credentials"


def iam(installation: Installation, method: str, path: str) -> httpx.Response:
    headers = {"X-Auth-Token": installation.token()}
    return httpx.request(method, installation.iam + path, headers=headers, timeout=30)


@pytest.fixture
def reader(installation: Installation, visitor: Visitor) -> Iterator[dict[str, str]]:
    """A user, made on the page, who may read the first project."""
    name = f"reader-{uuid.uuid4().hex[:8]}"
    visitor.send("/access/users", user_name=name, user_password=PASSWORD)
    (found,) = iam(installation, "GET", f"/v3/users?name={name}").json()["users"]
    answer = visitor.send(
        "/access/roles",
        role_user=found["id"],
        role_name=DDS_READ_ONLY.id,
        role_target=f"projects/{installation.project_id}",
    )
    assert "The role is assigned." in answer.text
    yield {"id": found["id"], "name": name}
    iam(installation, "DELETE", f"/v3/users/{found['id']}")


def test_an_administrator_sees_users_and_their_roles(
    installation: Installation, visitor: Visitor, reader: dict[str, str]
) -> None:
    page = visitor.get("/access").text
    assert alerts(visitor.get("/access")) == []
    assert f"<td>{reader['name']}</td>" in page
    assert f'aria-label="Take away {DDS_READ_ONLY.display_name} from {reader["name"]}"' in page
    answer = visitor.send("/access/users", user_name=reader["name"], user_password="short")
    assert answer.status_code == 400
    assert "password" in alerts(answer)[0]
    assert PASSWORD not in answer.text
    role = {"role_user": reader["id"], "role_name": DDS_READ_ONLY.id}
    target = {"role_target": f"projects/{installation.project_id}"}
    assert "The role is taken away." in visitor.send("/access/roles/revoke", **role, **target).text
    answer = visitor.send("/access/roles/revoke", **role, **target)
    assert (answer.status_code, len(alerts(answer))) == (404, 1)
    answer = visitor.send(f"/access/users/{reader['id']}/delete")
    assert f"<td>{reader['name']}</td>" not in answer.text


def test_a_key_shows_its_secret_once(
    installation: Installation, visitor: Visitor, reader: dict[str, str]
) -> None:
    answer = visitor.send("/access/keys", key_user=reader["id"], key_description="for a script")
    access, secret = (
        re.search(rf'<pre id="{part}"[^>]*>([^<]+)</pre>', answer.text).group(1)  # type: ignore[union-attr]
        for part in ("access", "secret")
    )
    page = visitor.get("/access", user_id=reader["id"]).text
    assert access in page
    assert secret not in page
    assert access not in visitor.get("/access").text  # those are his own
    visitor.send(f"/access/keys/{access}/switch", status="inactive")
    found = iam(installation, "GET", f"{KEYS}/{access}").json()["credential"]
    assert found["status"] == "inactive"
    assert "The key is deleted." in visitor.send(f"/access/keys/{access}/delete").text
    assert iam(installation, "GET", f"{KEYS}/{access}").status_code == 404


def test_what_somebody_may_not_do_is_refused_where_it_stands(
    reader: dict[str, str], visitor: Visitor
) -> None:
    visitor.send("/logout")
    visitor.log_in(reader["name"], PASSWORD)
    answer = visitor.get("/access")
    assert answer.status_code == 200
    (problem,) = alerts(answer)  # of the users, and of nothing else
    assert "HTTP 403" in problem
    assert DDS_READ_ONLY.display_name in answer.text
    answer = visitor.send("/access/users", user_name="another", user_password=PASSWORD)
    assert answer.status_code == 403
    answer = visitor.get("/settings/doctor")
    assert answer.status_code == 403
    assert "dds:service:check" in alerts(answer)[0]
    answer = visitor.send("/access/keys", key_user=reader["id"])
    assert "Keep the secret now" in answer.text


def test_a_new_password_ends_the_login(reader: dict[str, str], visitor: Visitor) -> None:
    visitor.send("/logout")
    visitor.log_in(reader["name"], PASSWORD)
    new = f"{PASSWORD}2"
    answer = visitor.send("/access/password", original_password="wrong", new_password=new)
    assert alerts(answer), answer.url
    assert "Change your password" in answer.text
    answer = visitor.send("/access/password", original_password=PASSWORD, new_password=new)
    assert answer.url.path == "/console/login"
    assert visitor.log_in(reader["name"], new).url.path == "/console/instances"


def test_a_project_is_made_and_used(installation: Installation, visitor: Visitor) -> None:
    name = f"{installation.admin['project_name']}_{uuid.uuid4().hex[:6]}"
    page = visitor.send("/access/projects", project_name=name).text
    (project_id,) = re.findall(
        rf'name="project" value="([0-9a-f]+)">\s*<button aria-label="Use it {name}"', page
    )
    answer = visitor.send("/project", project=project_id)
    log_in_again = re.search(r'name="csrf" value="([^"]+)"', answer.text)
    assert log_in_again is not None
    visitor.csrf = log_in_again.group(1)
    assert f'<a href="/console/access">{name}</a>' in answer.text
    iam(installation, "DELETE", f"/v3/projects/{project_id}")
