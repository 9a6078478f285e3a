"""`shardhouse open`."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from shardhouse.cli.commands import app
from tests.cli.conftest import NAME
from tests.cli.program import Program


def test_the_address_shows_an_instance(program: Program, instance: dict[str, Any]) -> None:
    address = program.json("open", "--instance", NAME)["url"]
    sent = httpx.URL(address)
    entered = httpx.post(sent.copy_with(query=None), data=dict(sent.params))
    assert entered.headers["Location"] == f"/console/instances/{instance['id']}"
    assert program.ok("open", "--print").startswith(address.partition("code=")[0])


@pytest.mark.parametrize(("display", "opens"), [(":0", True), (":0", False), ("", True)])
def test_without_a_browser_the_address_is_printed(
    fake_apis: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    display: str,
    opens: bool,
) -> None:
    opened: list[str] = []

    def browser(address: str) -> bool:
        opened.append(address)
        return opens

    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(os.environ, "DISPLAY", display)
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", browser)
    fake_apis(lambda request: httpx.Response(200, json={"code": request.url.path[1:4]}))
    done = CliRunner().invoke(app, ["open"])
    address = "http://dds.test/console/enter?code=con"
    assert done.exit_code == 0
    page = tmp_path / "shardhouse" / "open.html"
    assert opened == ([page.as_uri()] if display else [])  # arguments are seen by everybody
    if display:
        assert f'content="0; url={address}"' in page.read_text()
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert (address in done.stdout) == (not (display and opens))
