"""The doctor in requests: it changes nothing, and is made once at a time."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shardhouse.api.dds import service_checks
from shardhouse.doctor import builds, checks
from shardhouse.doctor.check import Check
from shardhouse.engines.store import EngineStore
from shardhouse.errors import GatewayError
from shardhouse.settings import Settings


def test_no_build_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineStore, "add_installed", lambda *_: pytest.fail("builds are added"))
    settings = Settings(data_dir=tmp_path, engine_dir=tmp_path / "engines", engines=[])
    (found,) = builds.engines(settings, unpack=False)
    assert (found.verdict, found.found) == ("fail", "no build is installed")


def test_one_look_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    request: Any = SimpleNamespace(service=SimpleNamespace(settings=Settings()))
    refused: list[GatewayError] = []

    def everything(_: Settings, *, unpack: bool) -> Iterator[Check]:
        assert not unpack
        with pytest.raises(GatewayError) as caught:
            service_checks.check(request)
        refused.append(caught.value)
        yield Check("Python", "ok", "new enough")

    monkeypatch.setattr(checks, "everything", everything)
    for _ in range(2):
        assert [one.name for one in service_checks.check(request).checks] == ["Python"]
    assert [error.status for error in refused] == [429, 429]
