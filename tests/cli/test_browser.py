"""`shardhouse open`."""

import os
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from shardhouse.cli.commands import app
from tests.cli.conftest import NAME
from tests.cli.program import Program


def test_the_address_shows_an_instance(program: Program, instance: dict[str, Any]) -> None:
    address = program.json("open", "--instance", NAME)["url"]
    opened = httpx.get(address, headers={"Sec-Fetch-Site": "none"}, follow_redirects=False)
    assert opened.headers["Location"] == f"/console/instances/{instance['id']}"
    assert program.ok("open", "--print").startswith(address.partition("code=")[0])


@pytest.mark.parametrize(("display", "opens"), [(":0", True), (":0", False), ("", True)])
def test_without_a_browser_the_address_is_printed(
    fake_apis: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, display: str, opens: bool
) -> None:
    opened: list[str] = []

    def browser(address: str) -> bool:
        opened.append(address)
        return opens

    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(os.environ, "DISPLAY", display)
    monkeypatch.setattr("webbrowser.open", browser)
    fake_apis(lambda request: httpx.Response(200, json={"code": request.url.path[1:4]}))
    done = CliRunner().invoke(app, ["open"])
    address = "http://dds.test/console/enter?code=con"
    assert done.exit_code == 0
    assert opened == ([address] if display else [])
    assert (address in done.stdout) == (not (display and opens))
