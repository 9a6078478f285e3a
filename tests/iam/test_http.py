"""The wire contract: success codes, strict JSON types, error shapes, links, tenancy."""

import json
import re
from typing import Any

import pytest

from tests.iam.world import OTHER, PASSWORD, Site

TEXT, FLAG, NUMBER = str, bool, int
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ID = re.compile(r"[0-9a-f]{32}")
URL = re.compile(r"http://127\.0\.0\.1:\d+/.*")
LINKS = {"self": URL}
LIST_LINKS = {"self": URL, "previous": None, "next": None}

PROJECT = {
    "id": ID,
    "name": TEXT,
    "domain_id": ID,
    "parent_id": ID,
    "description": TEXT,
    "enabled": FLAG,
    "is_domain": FLAG,
    "links": LINKS,
}
USER = {
    "id": ID,
    "name": TEXT,
    "domain_id": ID,
    "description": TEXT,
    "enabled": FLAG,
    "password_expires_at": None,
    "pwd_status": FLAG,
    "pwd_strength": re.compile("low|mid|high"),
    "last_project_id": TEXT,
    "links": LINKS,
}
DOMAIN = {"id": ID, "name": TEXT, "description": TEXT, "enabled": FLAG, "links": LINKS}
CREDENTIAL = {
    "access": TEXT,
    "user_id": ID,
    "status": re.compile("active|inactive"),
    "description": TEXT,
    "create_time": MOMENT,
}
ROLE = {
    "id": ID,
    "name": TEXT,
    "display_name": TEXT,
    "description": TEXT,
    "domain_id": None,
    "links": LINKS,
}
ENTRY_ENDPOINT = {
    "id": ID,
    "interface": re.compile("public"),
    "region": re.compile("eu-de"),
    "region_id": re.compile("eu-de"),
    "url": URL,
}
ENTRY = {"id": ID, "name": TEXT, "type": TEXT, "endpoints": [ENTRY_ENDPOINT]}
NAMED = {"id": ID, "name": TEXT}
TOKEN = {
    "methods": [TEXT],
    "issued_at": MOMENT,
    "expires_at": MOMENT,
    "user": {"id": ID, "name": TEXT, "domain": NAMED, "password_expires_at": None},
    "roles": [NAMED],
}
PROJECT_TOKEN = TOKEN | {"project": {"id": ID, "name": TEXT, "domain": NAMED}}
VERSION = {
    "id": re.compile(r"v3\.\d+"),
    "status": re.compile("stable"),
    "updated": re.compile(".*Z"),
    "media-types": [{"base": TEXT, "type": TEXT}],
    "links": [{"rel": re.compile("self"), "href": re.compile(r"http://127\.0\.0\.1:\d+/v3/")}],
}
REGION = {
    "id": TEXT,
    "type": TEXT,
    "description": TEXT,
    "parent_region_id": None,
    "locales": {"en-us": TEXT, "zh-cn": TEXT},
    "links": LINKS,
}
SERVICE = {
    "id": ID,
    "name": TEXT,
    "type": TEXT,
    "description": TEXT,
    "enabled": FLAG,
    "links": LINKS,
}
ENDPOINT = ENTRY_ENDPOINT | {"service_id": ID, "enabled": FLAG, "links": LINKS}
ASSIGNMENT = {
    "role": {"id": ID},
    "user": {"id": ID},
    "scope": dict,
    "links": {"assignment": URL},
}
CREDENTIALS = "/v3.0/OS-CREDENTIAL/credentials"
COMPLIANCE = {"password_regex": TEXT, "password_regex_description": TEXT}


def check(value: Any, shape: Any, where: str = "body") -> None:
    """Exact keys and exact JSON types; a list must have at least one item of its shape."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        assert sorted(value) == sorted(shape), where
        for key, part in shape.items():
            check(value[key], part, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        assert value, f"{where} is empty"
        for item in value:
            check(item, shape[0], f"{where}[]")
    elif isinstance(shape, re.Pattern):
        assert isinstance(value, str), where
        assert shape.fullmatch(value), f"{where}: {value}"
    elif shape is None:
        assert value is None, where
    else:
        assert type(value) is shape, f"{where}: {value!r}"


READS = [
    ("/v3/auth/catalog", 200, {"catalog": [ENTRY], "links": LINKS}),
    ("/v3/auth/projects", 200, {"projects": [PROJECT], "links": LIST_LINKS}),
    ("/v3/auth/domains", 200, {"domains": [DOMAIN], "links": LIST_LINKS}),
    ("/v3/projects", 200, {"projects": [PROJECT], "links": LIST_LINKS}),
    ("/v3/projects?name=eu-de", 200, {"projects": [PROJECT], "links": LIST_LINKS}),
    ("/v3/projects/{project}", 200, {"project": PROJECT}),
    ("/v3/users", 200, {"users": [USER], "links": LIST_LINKS}),
    ("/v3/users?name=admin", 200, {"users": [USER], "links": LIST_LINKS}),
    ("/v3/users/{user}", 200, {"user": USER}),
    ("/v3/users/{user}/projects", 200, {"projects": [PROJECT], "links": LIST_LINKS}),
    (CREDENTIALS, 200, {"credentials": [CREDENTIAL], "links": LIST_LINKS}),
    (CREDENTIALS + "?user_id={user}", 200, {"credentials": [CREDENTIAL], "links": LIST_LINKS}),
    (CREDENTIALS + "/{key}", 200, {"credential": CREDENTIAL}),
    ("/v3/roles", 200, {"roles": [ROLE], "links": LIST_LINKS}),
    ("/v3/role_assignments", 200, {"role_assignments": [ASSIGNMENT], "links": LIST_LINKS}),
    ("/v3/domains/{domain}/users/{user}/roles", 200, {"roles": [ROLE], "links": LIST_LINKS}),
    ("/v3/regions", 200, {"regions": [REGION], "links": LIST_LINKS}),
    ("/v3/regions/eu-de", 200, {"region": REGION}),
    ("/v3/services", 200, {"services": [SERVICE], "links": LIST_LINKS}),
    ("/v3/endpoints", 200, {"endpoints": [ENDPOINT], "links": LIST_LINKS}),
    (
        "/v3/domains/{domain}/config/security_compliance",
        200,
        {"config": {"security_compliance": COMPLIANCE}},
    ),
    (
        "/v5/caller-identity",
        200,
        {"account_id": ID, "principal_id": ID, "principal_urn": TEXT},
    ),
    ("/", 300, {"versions": {"values": [VERSION]}}),
    ("/v3", 200, {"version": VERSION}),
    ("/v3/", 200, {"version": VERSION}),
]
OPEN = ("/", "/v3", "/v3/")


def ids(site: Site) -> dict[str, str]:
    with site.client() as admin:
        who = admin.get("/v5/caller-identity").json()
    known = site.world.admin
    return {
        "project": known["project_id"],
        "key": known["access_key"],
        "user": who["principal_id"],
        "domain": who["account_id"],
    }


@pytest.mark.parametrize(("path", "status", "shape"), READS, ids=[path for path, _, _ in READS])
def test_reads(site: Site, path: str, status: int, shape: Any) -> None:
    with site.client() as admin:
        answer = admin.get(path.format(**ids(site)))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    check(answer.json(), shape)


@pytest.mark.parametrize("path", [path for path, _, _ in READS if path not in OPEN])
def test_every_read_needs_credentials(site: Site, path: str) -> None:
    answer = site.http.get(site.iam_url + path.format(**ids(site)))
    assert answer.status_code == 401
    check(answer.json(), {"error": {"code": NUMBER, "message": TEXT, "title": TEXT}})
    assert answer.json()["error"]["title"] == "Unauthorized"


def test_token_lifecycle(site: Site) -> None:
    admin = site.world.admin
    token = site.token()
    with site.client(token) as client:
        subject = {"X-Subject-Token": token}
        shown = client.get("/v3/auth/tokens", headers=subject)
        assert shown.status_code == 200
        assert shown.headers["X-Subject-Token"] == token
        check(shown.json(), {"token": PROJECT_TOKEN | {"catalog": [ENTRY]}})
        entries = {e["type"]: e["endpoints"][0]["url"] for e in shown.json()["token"]["catalog"]}
        dds = f"{site.dds_url}/v3/{admin['project_id']}"
        assert entries == {
            "ddsv3": dds,
            "dds": dds,
            "identity": f"{site.iam_url}/v3",
            "network": f"{site.iam_url}/network",
            "vpc": f"{site.iam_url}/v1/{admin['project_id']}",
            "compute": f"{site.iam_url}/v2.1/{admin['project_id']}",
            "eps": f"{site.iam_url}/v1.0",
            "lts": f"{site.iam_url}/v2/{admin['project_id']}",
            "ltsv2": f"{site.iam_url}/v2/{admin['project_id']}",
            "ces": f"{site.iam_url}/V1.0/{admin['project_id']}",
            "cesv1": f"{site.iam_url}/V1.0/{admin['project_id']}",
        }
        short = client.get("/v3/auth/tokens?nocatalog=1", headers=subject).json()
        check(short, {"token": PROJECT_TOKEN})
        assert client.get("/v3/auth/tokens", headers=subject | {"nocatalog": "1"}).json() == short
        head = client.head("/v3/auth/tokens", headers=subject)
        assert (head.status_code, head.content) == (200, b"")
        assert client.get("/v3/auth/tokens").status_code == 400
        unknown = client.get("/v3/auth/tokens", headers={"X-Subject-Token": "unknown"})
        assert unknown.status_code == 404
        assert client.delete("/v3/auth/tokens", headers=subject).status_code == 204
        assert client.get("/v3/auth/tokens", headers=subject).status_code == 401


def test_domain_scope_and_both_scopes(site: Site) -> None:
    admin = site.world.admin
    user = {
        "name": admin["user_name"],
        "password": admin["password"],
        "domain": {"name": admin["domain_name"]},
    }
    identity = {"methods": ["password"], "password": {"user": user}}

    def issue(scope: Any, query: str = "?nocatalog=x") -> Any:
        auth = {"identity": identity} | ({"scope": scope} if scope else {})
        answer = site.http.post(f"{site.iam_url}/v3/auth/tokens{query}", json={"auth": auth})
        assert answer.status_code == 201
        return answer.json()

    for scope in (None, {"domain": {"name": admin["domain_name"]}}):
        check(issue(scope), {"token": TOKEN | {"domain": NAMED}})
    both = {
        "project": {"name": admin["project_name"]},
        "domain": {"name": admin["domain_name"]},
    }
    check(issue(both), {"token": PROJECT_TOKEN})
    catalog = issue(None, "")["token"]["catalog"]
    assert [entry["type"] for entry in catalog] == ["identity", "eps"]


def password_body(**changes: Any) -> dict[str, Any]:
    user = {"name": "u", "password": "p", "domain": {"name": "d"}} | changes
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}


def methods_body(methods: Any) -> dict[str, Any]:
    return {"auth": {"identity": {"methods": methods}}}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 60_000, "JSON"),
        ({}, "auth: "),
        ({"auth": 1}, "auth: "),
        (methods_body("password"), "auth.identity.methods"),
        (methods_body([1]), "auth.identity.methods"),
        (methods_body([]), "auth.identity.methods"),
        (methods_body(["password", "totp"]), "auth.identity.methods"),
        (methods_body(["assume_role"]), "auth.identity.methods"),
        (password_body(password=5), "auth.identity.password.user.password"),
        (password_body(name=None), "auth.identity.password.user.name"),
        (password_body(name=["x"]), "auth.identity.password.user.name"),
        (password_body(domain={}), "auth.identity.password.user.domain.name"),
        (password_body(name="\ud800"), "body"),
        ({"auth": methods_body(["token"])["auth"] | {"scope": []}}, "auth.scope"),
    ],
)
def test_bad_token_requests_are_400(site: Site, body: Any, named: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = site.http.post(f"{site.iam_url}/v3/auth/tokens", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400
    assert named in answer.json()["error"]["message"]


def test_large_bodies_are_413(site: Site) -> None:
    def chunks() -> Any:
        for _ in range(13):
            yield b" " * 2**20

    for content in (b" " * (12 * 2**20 + 1), chunks()):
        answer = site.http.post(f"{site.iam_url}/v3/auth/tokens", content=content)
        assert answer.status_code == 413


def test_unknown_paths_and_methods(site: Site) -> None:
    for method, path, status in [("GET", "/v3/nothing", 404), ("PUT", "/v3/users", 405)]:
        answer = site.http.request(method, site.iam_url + path)
        assert answer.status_code == status
        check(answer.json(), {"error": {"code": NUMBER, "message": TEXT, "title": TEXT}})


def test_user_administration(site: Site) -> None:
    with site.client() as admin:
        body = {"user": {"name": "lifecycle", "password": PASSWORD, "description": "d"}}
        made = admin.post("/v3/users", json=body)
        assert made.status_code == 201
        check(made.json(), {"user": USER})
        assert PASSWORD not in made.text
        user_id = made.json()["user"]["id"]
        assert admin.post("/v3/users", json=body).status_code == 409
        changed = admin.patch(f"/v3/users/{user_id}", json={"user": {"description": "e"}})
        assert changed.status_code == 200
        assert changed.json()["user"] == made.json()["user"] | {"description": "e"}
        with site.client(site.token("lifecycle", PASSWORD, scope={})) as himself:
            assert himself.get(f"/v3/users/{user_id}").status_code == 200
            assert himself.get("/v3/users").status_code == 403
            assert himself.post("/v3/users", json=body).status_code == 403
            path = f"/v3/users/{user_id}/password"
            wrong = {"user": {"original_password": "wrong", "password": "N3w-password"}}
            assert himself.post(path, json=wrong).status_code == 401
            weak = {"user": {"original_password": PASSWORD, "password": "weak"}}
            assert himself.post(path, json=weak).status_code == 400
            right = {"user": {"original_password": PASSWORD, "password": "N3w-password"}}
            assert himself.post(path, json=right).status_code == 204
            assert himself.get(f"/v3/users/{user_id}").status_code == 401
        site.token("lifecycle", PASSWORD, scope={}, status=401)
        site.token("lifecycle", "N3w-password", scope={})
        assert admin.delete(f"/v3/users/{user_id}").status_code == 204
        assert admin.get(f"/v3/users/{user_id}").status_code == 404
        extended = admin.post("/v3.0/OS-USER/users", json={"user": {"name": "a b"}})
        assert extended.status_code == 201
        for field, kind in {"status": int, "is_domain_owner": bool, "pwd_status": bool}.items():
            assert type(extended.json()["user"][field]) is kind
        own = ids(site)["user"]
        assert admin.delete(f"/v3/users/{own}").status_code == 403
        disable = {"user": {"enabled": False}}
        assert admin.patch(f"/v3/users/{own}", json=disable).status_code == 403


@pytest.mark.parametrize(
    ("path", "user"),
    [
        ("/v3/users", {"name": "four"}),
        ("/v3/users", {"name": "1leading"}),
        ("/v3/users", {"name": "with space"}),
        ("/v3/users", {"name": "x" * 33}),
        ("/v3/users", {"name": 5}),
        ("/v3/users", {}),
        ("/v3/users", {"name": "valid.name", "password": "weak"}),
        ("/v3/users", {"name": "valid.name", "password": "valid.name"}),
        ("/v3/users", {"name": "valid.name", "enabled": "true"}),
        ("/v3/users", {"name": "valid.name", "description": "x" * 256}),
        ("/v3.0/OS-USER/users", {"name": ""}),
        ("/v3.0/OS-USER/users", {"name": "x" * 65}),
        ("/v3.0/OS-USER/users", {"name": "semi;colon"}),
    ],
)
def test_bad_users_are_400(site: Site, path: str, user: Any) -> None:
    with site.client() as admin:
        answer = admin.post(path, json={"user": user})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_project_administration(site: Site) -> None:
    with site.client() as admin:
        body = {"project": {"name": "eu-de_lifecycle", "description": "d"}}
        made = admin.post("/v3/projects", json=body)
        assert made.status_code == 201
        check(made.json(), {"project": PROJECT})
        project_id = made.json()["project"]["id"]
        assert made.json()["project"]["parent_id"] == made.json()["project"]["domain_id"]
        assert admin.post("/v3/projects", json=body).status_code == 409
        path = f"/v3/projects/{project_id}"
        changed = admin.patch(path, json={"project": {"description": "e"}})
        assert changed.status_code == 200
        assert changed.json()["project"]["description"] == "e"
        site.world.busy_projects.add(project_id)
        assert admin.delete(path).status_code == 409
        site.world.busy_projects.clear()
        assert admin.delete(path).status_code == 204
        assert admin.get(path).status_code == 404
        for bad in ({"name": "a b"}, {"name": ""}, {"name": 1}, {}):
            assert admin.post("/v3/projects", json={"project": bad}).status_code == 400
        unknown = {"project": {"name": "child", "parent_id": "0" * 32}}
        assert admin.post("/v3/projects", json=unknown).status_code == 404


def test_paging_and_filters(site: Site) -> None:
    with site.client() as admin:
        for number in range(3):
            body = {"project": {"name": f"eu-de_page{number}"}}
            assert admin.post("/v3/projects", json=body).status_code == 201
        whole = admin.get("/v3/projects").json()["projects"]
        seen, url = [], "/v3/projects?page=1&per_page=2"
        while url:
            page = admin.get(url).json()
            assert len(page["projects"]) <= 2
            seen += page["projects"]
            url = page["links"]["next"]
        assert seen == whole
        assert page["links"]["previous"]
        assert len(admin.get("/v3/projects?per_page=1").json()["projects"]) == len(whole)
        named = admin.get("/v3/projects?name=eu-de_page1").json()["projects"]
        assert [item["name"] for item in named] == ["eu-de_page1"]
        for query in ("domain_id=x", "parent_id=x", "is_domain=true"):
            assert admin.get(f"/v3/projects?{query}").json()["projects"] == []
        for query in ("page=0&per_page=1", "page=1&per_page=5001", "page=x&per_page=1"):
            assert admin.get(f"/v3/projects?{query}").status_code == 400
        enabled = admin.get("/v3/projects?enabled=true").json()["projects"]
        assert enabled == [item for item in whole if item["enabled"]]
        assert admin.get("/v3/projects?enabled=perhaps").status_code == 400


def test_access_keys(site: Site) -> None:
    user_id = site.user("keys.user")
    other_id = site.user("keys.other")
    with site.client(site.token("keys.user", PASSWORD, scope={})) as himself:
        made = himself.post(CREDENTIALS, json={"credential": {"user_id": user_id}})
        assert made.status_code == 201
        check(made.json(), {"credential": CREDENTIAL | {"secret": TEXT}})
        access, secret = (made.json()["credential"][key] for key in ("access", "secret"))
        assert himself.post(CREDENTIALS, json={"credential": {}}).status_code == 201
        third = himself.post(CREDENTIALS, json={"credential": {"user_id": user_id}})
        assert third.status_code == 400
        assert "akSkNumExceed" in third.json()["error"]["message"]
        listed = himself.get(CREDENTIALS)
        assert len(listed.json()["credentials"]) == 2
        assert secret not in listed.text
        path = f"{CREDENTIALS}/{access}"
        for status in ("inactive", "active"):
            changed = himself.put(path, json={"credential": {"status": status}})
            assert changed.status_code == 200
            assert changed.json()["credential"]["status"] == status
        assert himself.put(path, json={"credential": {"status": "on"}}).status_code == 400
        assert himself.delete(path).status_code == 204
        assert himself.get(path).status_code == 404
        foreign = {"credential": {"user_id": other_id}}
        assert himself.post(CREDENTIALS, json=foreign).status_code == 403
        assert himself.get(f"{CREDENTIALS}?user_id={other_id}").status_code == 403
        admins = f"{CREDENTIALS}/{site.world.admin['access_key']}"
        assert himself.delete(admins).status_code == 403
    with site.client() as admin:
        assert admin.post(CREDENTIALS, json=foreign).status_code == 201


def test_security_tokens(site: Site) -> None:
    path = "/v3.0/OS-CREDENTIAL/securitytokens"
    token = site.token()

    def body(**token_part: Any) -> dict[str, Any]:
        return {"auth": {"identity": {"methods": ["token"], "token": token_part}}}

    shape = {"access": TEXT, "secret": TEXT, "securitytoken": TEXT, "expires_at": MOMENT}
    by_header = site.http.post(
        site.iam_url + path, json=body(duration_seconds=3600), headers={"X-Auth-Token": token}
    )
    by_body = site.http.post(site.iam_url + path, json=body(id=token))
    for answer in (by_header, by_body):
        assert answer.status_code == 201, answer.text
        check(answer.json(), {"credential": shape})
    with site.client(token) as client:
        for seconds in (899, 86401, True, "900"):
            assert client.post(path, json=body(duration_seconds=seconds)).status_code == 400
        agency = {"auth": {"identity": {"methods": ["assume_role"]}}}
        assert client.post(path, json=agency).status_code == 400
    assert site.http.post(site.iam_url + path, json=body(id="unknown")).status_code == 401


def test_role_administration(site: Site) -> None:
    user_id, project = site.user("roles.user"), site.world.admin["project_id"]
    with site.client() as admin:
        roles = {role["name"]: role["id"] for role in admin.get("/v3/roles").json()["roles"]}
        assert {"te_admin", "secu_admin", "DDS FullAccess", "DDS ReadOnlyAccess"} <= set(roles)
        grants = f"/v3/projects/{project}/users/{user_id}/roles"
        grant = f"{grants}/{roles['DDS FullAccess']}"
        assert admin.head(grant).status_code == 404
        for _ in range(2):
            assert admin.put(grant).status_code == 204
        assert admin.head(grant).status_code == 204
        assert admin.get(grant).status_code == 204
        assert [role["name"] for role in admin.get(grants).json()["roles"]] == ["DDS FullAccess"]
        query = {"user.id": user_id, "scope.project.id": project}
        found = admin.get("/v3/role_assignments", params=query).json()["role_assignments"]
        assert [item["role"]["id"] for item in found] == [roles["DDS FullAccess"]]
        assert found[0]["links"]["assignment"].endswith(grant)
        with site.client(site.token("roles.user", PASSWORD)) as himself:
            assert himself.put(grant).status_code == 403
            assert himself.get(grants).status_code == 200
            own = himself.get("/v3/role_assignments").json()["role_assignments"]
            assert {item["user"]["id"] for item in own} == {user_id}
        assert admin.delete(grant).status_code == 204
        assert admin.delete(grant).status_code == 404
        assert admin.put(f"{grants}/{'0' * 32}").status_code == 404
        assert admin.put(f"{grants}/{roles['secu_admin']}").status_code == 400
        domain = ids(site)["domain"]
        whole = f"/v3/domains/{domain}/users/{user_id}/roles/{roles['readonly']}"
        assert admin.put(whole).status_code == 204
        site.token("roles.user", PASSWORD)
        mine = f"/v3/domains/{domain}/users/{ids(site)['user']}/roles/{roles['secu_admin']}"
        assert admin.delete(mine).status_code == 403
        assert admin.put(f"/v3/groups/{domain}/users/{user_id}/roles/x").status_code in (400, 404)


TENANCY = [
    ("GET", "/v3/projects/{project}", None),
    ("PATCH", "/v3/projects/{project}", {"project": {"description": "mine"}}),
    ("DELETE", "/v3/projects/{project}", None),
    ("GET", "/v3/users/{user}", None),
    ("PATCH", "/v3/users/{user}", {"user": {"password": "Tak3n-over"}}),
    ("DELETE", "/v3/users/{user}", None),
    ("GET", "/v3/users/{user}/projects", None),
    ("GET", CREDENTIALS + "?user_id={user}", None),
    ("POST", CREDENTIALS, {"credential": {"user_id": "{user}"}}),
    ("GET", CREDENTIALS + "/{key}", None),
    ("PUT", CREDENTIALS + "/{key}", {"credential": {"status": "inactive"}}),
    ("DELETE", CREDENTIALS + "/{key}", None),
    ("GET", "/v3/projects/{project}/users/{user}/roles", None),
    ("PUT", "/v3/projects/{project}/users/{own}/roles/{role}", None),
    ("PUT", "/v3/domains/{domain}/users/{own}/roles/{role}", None),
    ("PUT", "/v3/domains/{own_domain}/users/{user}/roles/{role}", None),
    ("GET", "/v3/domains/{domain}/config/security_compliance", None),
    ("POST", "/v3/projects", {"project": {"name": "child", "parent_id": "{project}"}}),
]


@pytest.mark.parametrize(("method", "path", "body"), TENANCY)
def test_another_domains_administrator_finds_nothing(
    site: Site, method: str, path: str, body: Any
) -> None:
    token = site.token("boss", PASSWORD, domain=OTHER.domain_name)
    with site.client(token) as boss:
        who = boss.get("/v5/caller-identity").json()
        names = ids(site) | {
            "own": who["principal_id"],
            "own_domain": who["account_id"],
            "role": boss.get("/v3/roles?name=te_admin").json()["roles"][0]["id"],
        }
        if body:
            outer, inner = next(iter(body.items()))
            body = {outer: {key: value.format(**names) for key, value in inner.items()}}
        answer = boss.request(method, path.format(**names), json=body)
        assert answer.status_code == 404, answer.text
        subject = {"X-Subject-Token": site.token()}
        assert boss.get("/v3/auth/tokens", headers=subject).status_code == 404
        assert boss.delete("/v3/auth/tokens", headers=subject).status_code == 404
        assert len(boss.get("/v3/users").json()["users"]) == 1
        for foreign in ({"name": "x.user"}, {"name": "x.project"}):
            kind = foreign["name"][2:]
            wish = {kind: foreign | {"domain_id": names["domain"]}}
            assert boss.post(f"/v3/{kind}s", json=wish).status_code == 403


def test_another_users_token_needs_the_administrator(site: Site) -> None:
    site.user("curious")
    token = site.token("curious", PASSWORD, scope={})
    with site.client(token) as curious:
        subject = {"X-Subject-Token": site.token()}
        assert curious.get("/v3/auth/tokens", headers=subject).status_code == 403
        assert curious.delete("/v3/auth/tokens", headers=subject).status_code == 403
    with site.client() as admin:
        subject = {"X-Subject-Token": token}
        assert admin.get("/v3/auth/tokens", headers=subject).status_code == 200
        assert admin.delete("/v3/auth/tokens", headers=subject).status_code == 204


def test_endpoints_follow_the_name_the_client_used(site: Site) -> None:
    port = site.iam_url.rsplit(":", 1)[1]
    answer = site.http.get(f"{site.iam_url}/v3", headers={"Host": f"shard.example:{port}"})
    href = answer.json()["version"]["links"][0]["href"]
    assert href == f"http://shard.example:{port}/v3/"
    with site.client() as admin:
        catalog = admin.get("/v3/auth/catalog", headers={"Host": f"shard.example:{port}"}).json()
    urls = {e["type"]: e["endpoints"][0]["url"] for e in catalog["catalog"]}
    dds_port = site.dds_url.rsplit(":", 1)[1]
    assert urls["identity"] == f"http://shard.example:{port}/v3"
    assert urls["ddsv3"].startswith(f"http://shard.example:{dds_port}/v3/")
