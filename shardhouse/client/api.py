"""The HTTP APIs as one user in one project sees them: one token, errors as ClientError."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

import httpx

from shardhouse.client.credentials import Credentials
from shardhouse.client.errors import ClientError, RefusalError, UnreachableError
from shardhouse.client.trust import trust

if TYPE_CHECKING:
    from shardhouse.contract.call import Call

PAGE = 100
TIMEOUT = 60.0
_REVOKE_SECONDS = 2.0
_UPLOAD = httpx.Timeout(TIMEOUT, read=600.0)
"""The answer to an upload comes when all of it is stored."""
_LOOPBACK = ("127.", "localhost", "::1")


class Client:
    """IAM and DDS, as one user in one project. As a context manager it ends its own login."""

    def __init__(
        self,
        known: Credentials,
        transport: httpx.BaseTransport | None = None,
        login: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """`login` is one of the same user that was made before: then no password is needed. An
        answer may take `timeout` seconds."""
        self.credentials = known
        self._given_login = login
        host = urlsplit(known.auth_url).hostname or ""
        self._http = httpx.Client(
            timeout=timeout,
            transport=transport,
            verify=trust(known.tls_authority),
            # No proxy leads to this machine's own loopback addresses.
            trust_env=not host.startswith(_LOOPBACK),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._given_login is None and "login" in self.__dict__:
            self._http.timeout = _REVOKE_SECONDS
            with suppress(ClientError):  # it ends by itself, later
                self.revoke(self._token)
        self._http.close()

    @property
    def project_id(self) -> str:
        """The project that commands act on."""
        return str(self.login["token"]["project"]["id"])

    @property
    def user_id(self) -> str:
        """The user that commands act as."""
        return str(self.login["token"]["user"]["id"])

    @property
    def domain_id(self) -> str:
        """The user's domain."""
        return str(self.login["token"]["user"]["domain"]["id"])

    @property
    def region(self) -> str:
        """The wanted region, else the first one that offers DDS."""
        return self.credentials.region or str(self._dds_entry["region"])

    @property
    def dds_url(self) -> str:
        """The DDS API's address with version and project, from the catalog."""
        return str(self._dds_entry["url"]).rstrip("/")

    @property
    def _dds_root(self) -> str:
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.dds_url))

    def dds(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One DDS call; `path` follows the project. Raises RefusalError, UnreachableError."""
        return self._json(self._send(method, f"{self.dds_url}/{path}", body, params, self._token))

    def call(
        self,
        call: "Call",
        path: Mapping[str, str],
        body: Mapping[str, Any],
        params: Mapping[str, str],
    ) -> dict[str, Any]:
        """One call of the contract; `path` has the variable parts but the project. Raises
        RefusalError, UnreachableError."""
        url = self.url_of(call, path)
        return self._json(self._send(call.method, url, body or None, params or None, self._token))

    def url_of(self, call: "Call", path: Mapping[str, str]) -> str:
        """Where a call of the contract is made, without its query."""
        parts = {name: segment(value) for name, value in path.items()}
        return self._dds_root + call.path.format(project_id=self.project_id, **parts)

    def console_link(self, to: str = "") -> str:
        """A link that logs a browser in to the console as this user, once and soon, and shows the
        page `to`. Raises RefusalError, UnreachableError."""
        body = {"project_id": self.project_id}
        answer = self._json(
            self._send("POST", f"{self._dds_root}/console/codes", body, None, self._token)
        )
        query = {"code": answer["code"]} | ({"to": to} if to else {})
        return f"{self._dds_root}/console/enter?{urlencode(query)}"

    def iam(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One IAM call; `path` starts with its version, what others gave in it is a `segment`.
        Raises RefusalError, UnreachableError."""
        url = f"{self.credentials.auth_url}/{path}"
        return self._json(self._send(method, url, body, params, self._token))

    def instances(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All instances of the project that match."""
        return self._all("instances", "instances", filters)

    def backups(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All backups of the project that match, newest first."""
        return self._all("backups", "backups", filters)

    def events(self) -> Iterator[dict[str, Any]]:
        """All events of the project, newest first."""
        return self._all("events", "events", {})

    def configurations(self) -> Iterator[dict[str, Any]]:
        """All parameter templates: the system's, then the project's."""
        return self._all("configurations", "configurations", {})

    def recycled(self) -> Iterator[dict[str, Any]]:
        """The instances in the project's recycle bin, the last that was deleted first."""
        return self._all("recycle-instances", "instances", {})

    def users(self, instance_id: str) -> Iterator[dict[str, Any]]:
        """All database users of an instance."""
        return self._all(f"instances/{segment(instance_id)}/db-user/detail", "users", {})

    def roles(self, instance_id: str) -> Iterator[dict[str, Any]]:
        """All database roles of an instance that are not built in."""
        return self._all(f"instances/{segment(instance_id)}/db-roles", "roles", {})

    def alarms(self) -> Iterator[dict[str, Any]]:
        """All alarm rules of the project, newest first."""
        params = {"limit": str(PAGE)}
        while True:
            found = self.iam("GET", f"V1.0/{self.project_id}/alarms", params=params)
            yield from found["metric_alarms"]
            if found["meta_data"]["count"] < PAGE:
                return
            params["start"] = found["meta_data"]["marker"]

    def restore_times(self, instance_id: str) -> list[tuple[int, int]]:
        """The ranges of moments, in milliseconds, to which an instance can be restored."""
        found = self.dds("GET", f"instances/{instance_id}/restore-time")["restore_time"]
        return [(one["start_time"], one["end_time"]) for one in found]

    @contextmanager
    def download(self, url: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """What a link names: its length, and its bytes in pieces. Raises RefusalError,
        UnreachableError, also while the pieces are read."""
        try:
            identity = {"Accept-Encoding": "identity"}  # the length is that of the content
            with self._http.stream("GET", url, headers=identity) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise _refusal(answer)
                length = answer.headers.get("Content-Length")
                if length is None:
                    raise ClientError(f"{url} does not say how long it is: is a proxy in between?")
                yield int(length), answer.iter_bytes()
        except httpx.HTTPError as error:
            raise UnreachableError(f"The download ended early: {error}.") from None

    def upload(self, url: str, size: int, chunks: Iterable[bytes]) -> dict[str, Any]:
        """Send `size` bytes to where a link leads. Raises RefusalError, UnreachableError."""
        try:
            headers = {"Content-Length": str(size)}
            answer = self._http.put(url, content=chunks, headers=headers, timeout=_UPLOAD)
        except httpx.HTTPError as error:
            raise UnreachableError(f"The upload ended early: {error}.") from None
        if answer.status_code >= 400:
            raise _refusal(answer)
        return self._json(answer)

    def _all(self, path: str, what: str, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        offset = 0
        while True:
            params = {**filters, "offset": str(offset), "limit": str(PAGE)}
            found = self.dds("GET", path, params=params)
            items = found[what]
            # Users and roles of databases come as a text that is JSON.
            yield from json.loads(items) if isinstance(items, str) else items
            offset += PAGE
            if offset >= found["total_count"]:
                return

    @cached_property
    def login(self) -> Mapping[str, Any]:
        """The token's text, and its content as `token`: made when it is first needed."""
        if self._given_login is not None:
            return self._given_login
        known = self.credentials
        user = {
            "name": known.user,
            "password": known.password,
            "domain": {"name": known.user_domain},
        }
        project = (
            {"id": known.project_id}
            if known.project_id
            else {"name": known.project_name, "domain": {"name": known.project_domain}}
        )
        identity = {"methods": ["password"], "password": {"user": user}}
        try:
            return self.issue({"identity": identity, "scope": {"project": project}})
        except RefusalError as error:
            error.message += (
                f"\nThis was the login of user {known.user} (domain {known.user_domain}) at "
                f"{known.auth_url}, with the credentials of {known.source}."
            )
            raise

    def issue(self, auth: Mapping[str, Any]) -> dict[str, Any]:
        """A new token, as `login` has them, for what Keystone's `auth` object says. Raises
        RefusalError, UnreachableError."""
        url = f"{self.credentials.auth_url}/v3/auth/tokens"
        answer = self._send("POST", url, {"auth": auth}, None, None)
        return {**self._json(answer), "text": answer.headers["X-Subject-Token"]}

    def projects_of(self, token: str) -> list[dict[str, Any]]:
        """The projects that the holder of a token may use. Raises RefusalError."""
        url = f"{self.credentials.auth_url}/v3/auth/projects"
        found: list[dict[str, Any]] = self._json(self._send("GET", url, None, None, token))[
            "projects"
        ]
        return found

    def revoke(self, token: str) -> None:
        """End a token, as who holds it. Raises RefusalError, UnreachableError."""
        url = f"{self.credentials.auth_url}/v3/auth/tokens"
        self._send("DELETE", url, None, None, token, {"X-Subject-Token": token})

    @property
    def _token(self) -> str:
        return str(self.login["text"])

    @cached_property
    def _dds_entry(self) -> dict[str, Any]:
        wanted = self.credentials.region
        found: list[dict[str, Any]] = [
            endpoint
            for service in self.login["token"].get("catalog", [])
            if service["type"] == "ddsv3"
            for endpoint in service["endpoints"]
            if endpoint["interface"] == "public" and wanted in (None, endpoint["region"])
        ]
        if not found:
            raise ClientError(
                f"The catalog of {self.credentials.auth_url} has no DDS (type ddsv3) in region "
                f"{wanted}. Check OS_REGION_NAME."
            )
        return found[0]

    def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str] | None,
        token: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        headers = {**(headers or {}), **({"X-Auth-Token": token} if token else {})}
        try:
            answer = self._http.request(method, url, json=body, params=params, headers=headers)
        except httpx.InvalidURL as error:
            raise ClientError(f"{url} is not the address of an API: {error}.") from None
        except httpx.HTTPError as error:
            raise UnreachableError(self._unreachable(url, error)) from None
        if answer.status_code >= 400:
            raise _refusal(answer)
        return answer

    def _unreachable(self, url: str, error: httpx.HTTPError) -> str:
        address = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                f"The certificate of {address} is not trusted: {error}. Name the authority that "
                "signed it in the setting tls_authority (or OS_CACERT); a certificate must name "
                "the host too."
            )
        problem = f"Nobody answers at {address}: {error or type(error).__name__}."
        data_dir = self.credentials.data_dir
        if data_dir is None:
            return f"{problem} Check OS_AUTH_URL; is `shardhouse serve` running there?"
        return (
            f"{problem} Is `shardhouse serve` running? Start it with "
            f"`shardhouse up --data-dir {data_dir}`."
        )

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        if not answer.content:
            return {}
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ClientError(
                f"{answer.url} answered HTTP {answer.status_code} with something that is not a "
                "JSON object. Is this the address of a Shardhouse API?"
            )
        return content


def segment(value: str) -> str:
    """A value as one part of a path; dots alone would mean another path."""
    return quote(value, safe="") if value.strip(".") else "%2E" * len(value)


def _refusal(answer: httpx.Response) -> RefusalError:
    """All shapes of errors that are asked for: DDS's own flat one, Keystone's nested one, and Cloud
    Eye's."""
    try:
        content = answer.json()
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    nested = content.get("error")
    if isinstance(nested, dict):
        return RefusalError(
            answer.status_code, str(nested.get("title", "")), str(nested.get("message", ""))
        )
    message = content.get("message")
    if isinstance(message, dict):
        return RefusalError(
            answer.status_code, str(message.get("code", "")), str(message.get("details", ""))
        )
    message = content.get("error_msg") or answer.reason_phrase
    return RefusalError(answer.status_code, str(content.get("error_code", "")), str(message))
