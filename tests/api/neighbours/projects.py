"""A project of its own, with calls to the services beside DDS."""

import itertools
from typing import Any

import httpx

from tests.installation import Installation

NUMBERS = itertools.count(1)


class Project:
    """A new project and its administrator's token. `call` answers in JSON, `refuse` in the error's
    body; both check the status."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.iam = installation.iam
        self.name = f"{installation.admin['region']}_neighbours{next(NUMBERS)}"
        headers = {"X-Auth-Token": installation.token()}
        body = {"project": {"name": self.name}}
        made = httpx.post(f"{self.iam}/v3/projects", json=body, headers=headers)
        assert made.status_code == 201, made.text
        self.id: str = made.json()["project"]["id"]
        admin = installation.admin
        self.token = installation.issue(admin["user_name"], admin["password"], self.id)

    def send(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: Any
    ) -> httpx.Response:
        """A request; `{p}` in the path is the project's id."""
        return httpx.request(
            method,
            self.iam + path.replace("{p}", self.id),
            headers={"X-Auth-Token": token or self.token},
            params=query or None,
            json=body,
            timeout=30,
        )

    def call(
        self, method: str, path: str, body: Any = None, *, status: int = 200, **query: Any
    ) -> Any:
        answer = self.send(method, path, body, **query)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def refuse(self, status: int, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return self.call(method, path, body, status=status, **query)

    # Short ways

    def vpc(self, cidr: str = "10.0.0.0/16", name: str = "test") -> str:
        """The id of a new VPC."""
        body = {"vpc": {"name": name, "cidr": cidr}}
        return self.call("POST", "/v1/{p}/vpcs", body)["vpc"]["id"]

    def subnet(self, vpc_id: str, cidr: str = "10.0.1.0/24") -> dict[str, Any]:
        """A new subnet."""
        wish = {"name": "test", "cidr": cidr, "gateway_ip": cidr.replace(".0/", ".1/")[:-3]}
        return self.call("POST", "/v1/{p}/subnets", {"subnet": wish | {"vpc_id": vpc_id}})["subnet"]

    def public_ip(self, **wish: Any) -> dict[str, Any]:
        """A new public IP with a bandwidth of its own."""
        body = {
            "publicip": {"type": "5_bgp"} | wish,
            "bandwidth": {"name": "own", "size": 10, "share_type": "PER"},
        }
        return self.call("POST", "/v1/{p}/publicips", body)["publicip"]

    def port(self, network_id: str, **wish: Any) -> dict[str, Any]:
        """A new port."""
        body = {"port": {"network_id": network_id} | wish}
        return self.call("POST", "/v2.0/ports", body, status=201)["port"]
