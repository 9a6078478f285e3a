"""Random requests: every published route with odd paths, queries, headers and bodies, and bytes
that are hardly HTTP. The same seed gives the same requests."""

import copy
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi.routing import APIRoute

from shardhouse.api.iam import catalog, credentials, projects, roles, tokens, users, versions
from shardhouse.api.neighbours import app as neighbours
from shardhouse.contract.table import CALLS
from tests import requests

PASSWORD = "Fuzz-5ecret-Passw0rd"
"""Sent wherever a password may be: nothing may ever tell it again."""
ROUTES = [("dds", str(call.method), call.path) for call in CALLS] + [
    ("iam", method, route.path)
    for modules in (
        (catalog, credentials, projects, roles, tokens, users, versions),
        neighbours.RESOURCES,
    )
    for module in modules
    for route in module.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
LOGIN = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {
                "user": {"name": "fuzz", "password": PASSWORD, "domain": {"name": "shardhouse"}}
            },
        },
        "scope": {"project": {"name": "local"}},
    }
}
#: Bodies that the rows of the contract accept.
EXAMPLES = [(call, dict(call.example)) for call in CALLS if call.example]
OBJECTS: list[Any] = [
    LOGIN,
    {"auth": {"identity": {"methods": ["token"], "token": {"id": "x", "duration_seconds": 900}}}},
    {"user": {"name": "fuzz", "password": PASSWORD, "original_password": PASSWORD}},
    {"project": {"name": "local_fuzz", "description": "", "enabled": True}},
    {"credential": {"user_id": "fuzz", "description": "", "status": "active"}},
    {"vpc": {"name": "fuzz", "cidr": "10.0.0.0/16", "routes": [], "description": ""}},
    {
        "publicip": {"type": "5_bgp", "alias": "fuzz", "port_id": ""},
        "bandwidth": {"name": "fuzz", "size": 5, "share_type": "PER", "publicip_info": []},
    },
    {"network": {"name": "fuzz"}, "router": {"routes": [{"destination": "a", "nexthop": "b"}]}},
    {"security_group": {"name": "fuzz"}, "tag": {"key": "a"}, "action": "create", "tags": []},
    {"name": "fuzz", "description": "", "log_group_name": "fuzz", "ttl_in_days": 7},
    requests.single(password=PASSWORD),
    requests.replica_set(password=PASSWORD),
    requests.cluster(password=PASSWORD),
    *({call.wrapper: example} if call.wrapper else example for call, example in EXAMPLES),
]
NAMES = ("offset", "limit", "marker", "id", "name", "mode", "tags", "page", "per_page", "nocatalog")
STRANGE: list[Any] = [
    *(None, True, False, 0, -1, 1, 1.5, 1e308, 2**31, 2**63, 10**40),
    *("", " ", "0", "-1", "*", "*a", "%", "%00", "\0", "\n", "\r\nX: y", "'", '"', "../../etc"),
    *("\ud800", "\u202e", "\U0001f600" * 40, "a" * 300, "a" * 20_000, "[]", "{}", "null"),
    *([], {}, [[]], [None], {"a": {}}, {"": ""}, [1, "a", None], {"key": "a", "value": "b"}),
]


@dataclass(frozen=True)
class Request:
    """One request to one of the ports; `whole` says that an answer must come."""

    port: str
    method: str
    data: bytes
    whole: bool


class Grammar:
    """Requests of one seed."""

    def __init__(self, seed: int, project_id: str, token: str) -> None:
        self._random = random.Random(seed)
        self._project_id = project_id
        self._token = token

    def request(self) -> Request:
        """The next one."""
        chance = self._random.random()
        port, method, path = self._random.choice(ROUTES)
        if chance < 0.05:
            method = self._random.choice(("HEAD", "PUT", "OPTIONS", "TRACE", "DELETE"))
        data = self._whole(method, self._filled(path, method))
        if chance < 0.8:
            return Request(port, method, data, whole=True)
        return Request(port, method, self._damaged(data), whole=False)

    def _whole(self, method: str, path: str) -> bytes:
        body = self._body() if method not in ("GET", "HEAD") or self._one_in(10) else b""
        headers = [("Host", "fuzz"), ("Content-Type", "application/json"), *self._credentials()]
        headers += [(f"X-Fuzz-{n}", self._header()) for n in range(self._random.choice((0, 3)))]
        if self._one_in(8):
            headers.append(("X-Subject-Token", self._header()))
        if body and self._one_in(4):
            headers.append(("Transfer-Encoding", "chunked"))
            cut = self._random.randrange(len(body))
            chunks = [part for part in (body[:cut], body[cut:]) if part]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in chunks) + b"0\r\n\r\n"
        elif body or method == "POST":
            headers.append(("Content-Length", str(len(body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1", "replace") + body

    def _filled(self, path: str, method: str) -> str:
        """Real ids where nothing can be lost by it: the account that fuzzes stays."""

        def value(match: re.Match[str]) -> str:
            is_scope = "/{project_id}/" in path and not path.startswith("/v3/projects/")
            if match[1] == "project_id" and is_scope and not self._one_in(8):
                return self._project_id
            return quote(str(self._strange()).encode("utf-8", "replace")[:2000], safe="/")

        filled = re.sub(r"\{(\w+)\}", value, path)
        if self._one_in(10):
            filled += self._random.choice(("/", "//", "/..", "/%2e%2e", "/x", "%00"))
        if self._one_in(3):
            pairs = [(self._random.choice(NAMES), self._strange()) for _ in range(3)]
            filled += "?" + "&".join(
                f"{name}={quote(str(value).encode('utf-8', 'replace')[:500])}"
                for name, value in pairs
            )
        return filled

    def _credentials(self) -> list[tuple[str, str]]:
        chance = self._random.random()
        if chance < 0.6:
            return [("X-Auth-Token", self._token)]
        if chance < 0.7:
            return [("X-Auth-Token", self._header())]
        if chance < 0.9:
            fields = f"Access={self._header()}, SignedHeaders=host;x-sdk-date, Signature={'0' * 64}"
            date = self._random.choice(("20260131T235959Z", "", self._header()))
            return [("Authorization", f"SDK-HMAC-SHA256 {fields}"), ("X-Sdk-Date", date)]
        return []

    def _header(self) -> str:
        text = str(self._strange()).encode("latin-1", "replace")[:3000].decode("latin-1")
        return re.sub(r"[\r\n\0]", "", text)

    def _body(self) -> bytes:
        if self._one_in(10):
            return self._random.choice(
                (b"{", b"[]", b"null", b'{"a":NaN}', b"\xff", b"[" * 50_000, b'{"a":1e999}', b"\0")
            )
        content = json.loads(json.dumps(self._random.choice(OBJECTS)))
        for _ in range(self._random.choice((0, 1, 1, 2, 4))):
            self._change(content)
        return json.dumps(content).encode()

    def _change(self, content: Any) -> None:
        """One field, anywhere, becomes something else, or goes."""
        while True:
            keys: Any = list(content) if isinstance(content, Mapping) else range(len(content))
            if not keys:
                return
            key = self._random.choice(keys)
            inner = content[key]
            if isinstance(inner, (dict, list)) and inner and not self._one_in(4):
                content = inner
                continue
            if self._one_in(5):
                del content[key]
            else:
                content[key] = copy.deepcopy(self._strange())  # it may be changed as well
            return

    def _damaged(self, data: bytes) -> bytes:
        changed = bytearray(data)
        match self._random.randrange(5):
            case 0:
                del changed[self._random.randrange(len(changed)) :]
            case 1:
                for _ in range(8):
                    changed[self._random.randrange(len(changed))] = self._random.randrange(256)
            case 2:
                changed = bytearray(self._random.randbytes(300))
            case 3:
                spare = b"X: " + b"a" * self._random.choice((60_000, 70_000, 400_000)) + b"\r\n"
                changed = bytearray(data.replace(b"\r\n", b"\r\n" + spare, 1))
            case _:
                twice = b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
                changed = bytearray(data.replace(b"\r\n", twice, 1))
        return bytes(changed)

    def _strange(self) -> Any:
        return copy.deepcopy(self._random.choice(STRANGE))  # it may be changed where it lands

    def _one_in(self, number: int) -> bool:
        return self._random.randrange(number) == 0
