"""The dependency that guards DDS: token or signature first, then project, then role."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from sqlalchemy import event

from shardhouse.api.iam.app import create_iam_app
from tests.iam.world import OTHER, PASSWORD, Site

JSON = {"Content-Type": "application/json"}


class Signed(httpx.Auth):
    """Signs with the official SDK's signer."""

    requires_request_body = True

    def __init__(self, ak: str, sk: str, at: datetime | None = None, **extra: str) -> None:
        self.credentials = BasicCredentials(ak, sk)
        self.at = at
        self.extra = {name.replace("_", "-"): value for name, value in extra.items()}

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        headers = {"Content-Type": "application/json", **self.extra}
        if self.at:
            headers["X-Sdk-Date"] = self.at.strftime("%Y%m%dT%H%M%SZ")
        signed = SdkRequest(
            method=request.method,
            host=request.headers["Host"],
            resource_path=request.url.path,
            query_params=list(request.url.params.multi_items()),
            header_params=headers,
            body=request.content,
        )
        Signer(self.credentials).sign(signed)
        request.headers.update(signed.header_params)
        yield request


def instances(site: Site, project_id: str = "") -> str:
    return f"{site.dds_url}/v3/{project_id or site.world.admin['project_id']}/instances"


def admin_key(site: Site) -> tuple[str, str]:
    return site.world.admin["access_key"], site.world.admin["secret_key"]


def refused(answer: httpx.Response, status: int, code: str, text: str = "") -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error_code"] == code
    assert text in body["error_msg"]
    if code.startswith("APIGW"):
        assert sorted(body) == ["error_code", "error_msg", "request_id"]
        assert "Incorrect IAM authentication information: " in body["error_msg"]


def test_by_token_and_by_signature(site: Site) -> None:
    token = {"X-Auth-Token": site.token()}
    by_token = site.http.get(instances(site), headers=token)
    by_key = site.http.get(instances(site), params={"name": "ä *+"}, auth=Signed(*admin_key(site)))
    expected = {"user": "admin", "project": site.world.admin["project_id"]}
    assert by_token.json() == expected | {"how": "token"}
    assert by_key.json() == expected | {"how": "access_key"}
    both = site.http.get(instances(site), headers=token, auth=Signed(*admin_key(site)))
    assert both.json()["how"] == "token"
    body = {"name": "x", "nested": [1, {"ä": None}]}
    for answer in (
        site.http.post(instances(site), headers=token, json=body),
        site.http.post(instances(site), auth=Signed(*admin_key(site)), json=body),
    ):
        assert answer.json() == {"body": body}
    empty = site.http.post(instances(site), auth=Signed(*admin_key(site)))
    assert empty.json() == {"body": {}}


def test_wrong_credentials_are_401_before_the_body_is_parsed(site: Site) -> None:
    def post(**headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return site.http.post(instances(site), content=b"{not json", headers=given)

    refused(post(), 401, "APIGW.0301", "x-auth-token not found")
    refused(post(X_Auth_Token="x"), 401, "APIGW.0301", "decrypt token fail")
    refused(post(Authorization="Basic eDp5"), 401, "APIGW.0301", "'Basic'")
    for algorithm in ("V11-HMAC-SHA256", "SDK-HMAC-SM3", "SDK-ECDSA-P256-SHA256", "SDK-SM2-SM3"):
        value = f"{algorithm} Access=x, SignedHeaders=host;x-sdk-date, Signature={'0' * 64}"
        refused(post(Authorization=value), 401, "APIGW.0301", algorithm)
    refused(post(X_Auth_Token=site.token()), 400, "DBS.200001", "body: it is not valid JSON")


def test_signature_refusals(site: Site) -> None:
    ak, sk = site.key(site.user("signer", "DDS FullAccess"))
    unknown = site.http.get(instances(site), auth=Signed("NOBODY", sk))
    refused(unknown, 401, "APIGW.0301", "Get secretKey failed,ak:NOBODY,err:ak not exist")
    wrong = site.http.get(instances(site), auth=Signed(ak, sk + "x"))
    refused(wrong, 401, "APIGW.0301", "verify aksk signature fail")
    old = site.http.get(instances(site), auth=Signed(ak, sk, datetime(2020, 1, 1, tzinfo=UTC)))
    refused(old, 401, "APIGW.0301", "15 minutes")
    swapped = httpx.Request("POST", instances(site), json={"name": "mine"})
    next(Signed(ak, sk).sync_auth_flow(swapped))
    with httpx.Client() as client:
        assert client.send(swapped).status_code == 200
        forged = httpx.Request(
            "POST", instances(site), json={"name": "hers"}, headers=swapped.headers
        )
        refused(client.send(forged), 401, "APIGW.0301", "verify aksk signature fail")
    with site.client() as admin:
        path = f"/v3.0/OS-CREDENTIAL/credentials/{ak}"
        admin.put(path, json={"credential": {"status": "inactive"}})
    inactive = site.http.get(instances(site), auth=Signed(ak, sk))
    refused(inactive, 401, "APIGW.0301", "inactive")


def test_wrong_signatures_lock_nobody_out_and_write_nothing(site: Site) -> None:
    ak, sk = site.key(site.user("attackedkey", "DDS FullAccess"))
    written: list[str] = []

    def watch(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("SELECT", "BEGIN DEFERRED")):
            written.append(statement)

    engine = site.world.database.engine
    event.listen(engine, "before_cursor_execute", watch)
    try:
        for _ in range(12):
            wrong = site.http.get(instances(site), auth=Signed(ak, "wrong"))
            refused(wrong, 401, "APIGW.0301", "verify aksk signature fail")
        assert site.http.get(instances(site), auth=Signed(ak, sk)).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", watch)
    assert not written


@pytest.mark.parametrize("by", ["token", "key", "temporary"])
def test_projects(site: Site, by: str) -> None:
    def get(project_id: str) -> httpx.Response:
        return site.http.get(instances(site, project_id), **credentials(site, by))

    assert get(site.world.admin["project_id"]).status_code == 200
    literal = site.http.get(instances(site, "%7Bproject_id%7D"), **credentials(site, by))
    refused(literal, 400, "DBS.280408", "{project_id} is not a project id")
    boss = site.token("boss", PASSWORD, domain=OTHER.domain_name)
    with site.client(boss) as client:
        foreign = client.get("/v3/projects").json()["projects"][0]["id"]
    for project_id in (foreign, "0" * 32):
        code = "DBS.280032" if by == "key" else "DBS.200604"
        refused(get(project_id), 403, code, project_id)


def credentials(site: Site, by: str) -> dict[str, Any]:
    """How a request of the administrator authenticates, as arguments of httpx."""
    if by == "key":
        return {"auth": Signed(*admin_key(site))}
    if by == "token":
        return {"headers": {"X-Auth-Token": site.token()}}
    return {"auth": temporary(site, site.token())}


def temporary(site: Site, token: str) -> Signed:
    body = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}
    with site.client(token) as client:
        made = client.post("/v3.0/OS-CREDENTIAL/securitytokens", json=body).json()["credential"]
    return Signed(made["access"], made["secret"], X_Security_Token=made["securitytoken"])


def test_a_domain_token_has_no_project(site: Site) -> None:
    headers = {"X-Auth-Token": site.token(scope={})}
    refused(site.http.get(instances(site), headers=headers), 403, "DBS.200604", "no project")


ROLES = [
    ((), (403, 403, 403), "DBS.280032"),
    (("DDS ReadOnlyAccess",), (200, 403, 200), "DBS.280063"),
    (("readonly",), (200, 403, 200), "DBS.280063"),
    (("DDS FullAccess",), (200, 200, 200), ""),
    (("DDS ReadOnlyAccess", "te_admin"), (200, 200, 200), ""),
]


@pytest.mark.parametrize(("roles", "statuses", "code"), ROLES)
def test_roles(site: Site, roles: tuple[str, ...], statuses: tuple[int, ...], code: str) -> None:
    name = "r" + "-".join(roles).replace(" ", ".").lower()[:25] + ".user"
    ak, sk = site.key(site.user(name, *roles))
    ways: list[dict[str, Any]] = [{"auth": Signed(ak, sk)}]
    if roles:
        ways.append({"headers": {"X-Auth-Token": site.token(name, PASSWORD)}})
    else:
        site.token(name, PASSWORD, status=403)
    for way in ways:
        calls = [("GET", ""), ("POST", ""), ("POST", "/query")]
        answers = [site.http.request(m, instances(site) + p, **way) for m, p in calls]
        assert tuple(answer.status_code for answer in answers) == statuses
        for answer in answers:
            if answer.status_code == 403:
                refused(answer, 403, code)
        if code == "DBS.280063":
            assert "dds:instance:create" in answers[1].json()["error_msg"]


def test_a_lost_role_counts_at_once(site: Site) -> None:
    user_id = site.user("loser", "DDS FullAccess")
    auth = Signed(*site.key(user_id))
    headers = {"X-Auth-Token": site.token("loser", PASSWORD)}
    by_temporary = temporary(site, headers["X-Auth-Token"])
    for way in ({"auth": auth}, {"headers": headers}, {"auth": by_temporary}):
        assert site.http.get(instances(site), **way).status_code == 200
    project = site.world.admin["project_id"]
    with site.client() as admin:
        grants = f"/v3/projects/{project}/users/{user_id}/roles"
        role = admin.get(grants).json()["roles"][0]["id"]
        assert admin.delete(f"{grants}/{role}").status_code == 204
    refused(site.http.get(instances(site), auth=auth), 403, "DBS.280032")
    refused(site.http.get(instances(site), auth=by_temporary), 403, "DBS.280032")
    refused(site.http.get(instances(site), headers=headers), 401, "APIGW.0301")


def test_a_security_token_belongs_to_its_key_and_dies_with_the_password(site: Site) -> None:
    user_id = site.user("temp.holder", "DDS FullAccess")
    token = site.token("temp.holder", PASSWORD)
    auth = temporary(site, token)
    assert site.http.get(instances(site), auth=auth).json()["how"] == "temporary_key"
    ak, sk = site.key(user_id)
    mixed = Signed(ak, sk, **auth.extra)
    refused(site.http.get(instances(site), auth=mixed), 401, "APIGW.0301", "another access key")
    alone = Signed(auth.credentials.ak, auth.credentials.sk)
    refused(site.http.get(instances(site), auth=alone), 401, "APIGW.0301", "ak not exist")
    again = {"auth": {"identity": {"methods": ["token"]}}}
    path = "/v3.0/OS-CREDENTIAL/securitytokens"
    assert site.http.post(site.iam_url + path, json=again, auth=auth).status_code == 403
    with site.client() as admin:
        body = {"user": {"password": "Chang3d-by-admin"}}
        assert admin.patch(f"/v3/users/{user_id}", json=body).status_code == 200
    refused(site.http.get(instances(site), auth=auth), 401, "APIGW.0301", "changed the password")


def test_what_was_issued_before_a_user_was_disabled_stays_dead(site: Site) -> None:
    user_id = site.user("disabled.holder", "DDS FullAccess")
    ak, sk = site.key(user_id)
    token = site.token("disabled.holder", PASSWORD)
    auth = temporary(site, token)
    with site.client() as admin:
        for enabled in (False, True):
            body = {"user": {"enabled": enabled}}
            assert admin.patch(f"/v3/users/{user_id}", json=body).status_code == 200
            refused(site.http.get(instances(site), auth=auth), 401, "APIGW.0301")
            headers = {"X-Auth-Token": token}
            refused(site.http.get(instances(site), headers=headers), 401, "APIGW.0301")
    # The permanent key is lasting on purpose: it ends when it is deleted.
    assert site.http.get(instances(site), auth=Signed(ak, sk)).status_code == 200
    fresh = temporary(site, site.token("disabled.holder", PASSWORD))
    assert site.http.get(instances(site), auth=fresh).status_code == 200


def test_a_temporary_key_changes_nothing_in_iam(site: Site) -> None:
    """Whatever route of IAM changes something; the administrator's temporary key may read."""
    auth = temporary(site, site.token())
    routes = {
        (method.upper(), path)
        for path, methods in create_iam_app(site.world.iam, site.world.settings)
        .openapi()["paths"]
        .items()
        for method in methods
        if method not in ("get", "head")
    }
    assert ("POST", "/v3.0/OS-CREDENTIAL/credentials") in routes
    routes.remove(("POST", "/v3/auth/tokens"))  # it takes no signature at all
    assert len(routes) >= 15
    for method, path in routes:
        url = site.iam_url + re.sub(r"\{\w+\}", "x", path)
        answer = site.http.request(method, url, json={}, auth=auth)
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"
        assert "A temporary access key can only read in IAM" in answer.json()["error"]["message"]
    assert site.http.get(f"{site.iam_url}/v3/users", auth=auth).status_code == 200


def test_a_temporary_key_stays_in_its_tokens_project(site: Site) -> None:
    with site.client() as admin:
        made = admin.post("/v3/projects", json={"project": {"name": "eu-de_next"}}).json()
    next_door = instances(site, made["project"]["id"])
    assert site.http.get(next_door, auth=Signed(*admin_key(site))).status_code == 200
    bound, free = temporary(site, site.token()), temporary(site, site.token(scope={}))
    assert site.http.get(instances(site), auth=bound).status_code == 200
    refused(site.http.get(next_door, auth=bound), 403, "DBS.200604")
    assert site.http.get(next_door, auth=free).status_code == 200


def test_a_disabled_project_is_no_project(site: Site) -> None:
    with site.client() as admin:
        project = admin.post("/v3/projects", json={"project": {"name": "eu-de_off"}}).json()
        project_id = project["project"]["id"]
        token = site.token(scope={"project": {"id": project_id}})
        way = {"headers": {"X-Auth-Token": token}}
        assert site.http.get(instances(site, project_id), **way).status_code == 200
        off = {"project": {"enabled": False}}
        assert admin.patch(f"/v3/projects/{project_id}", json=off).status_code == 200
        refused(site.http.get(instances(site, project_id), **way), 401, "APIGW.0301")
        signed = site.http.get(instances(site, project_id), auth=Signed(*admin_key(site)))
        refused(signed, 403, "DBS.280032")


def test_a_body_over_a_megabyte_is_413(site: Site) -> None:
    answer = site.http.post(instances(site), content=b" " * (2**20 + 1))
    assert answer.status_code == 413
    assert answer.json()["error_code"] == "APIGW.0201"
