"""Programs that connect to an instance: as they are copied, they run."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from shardhouse.client import uris
from shardhouse.console import snippets
from tests import npm, requests
from tests.console.conftest import Visitor

Made = dict[str, Any]
_PROGRAM = re.compile(r"<summary>([^<]+)</summary>.*?<pre[^>]*>(.*?)</pre>", re.DOTALL)


def programs(visitor: Visitor, made: Made) -> dict[str, str]:
    """What the page of an instance offers, with the password put in."""
    page = visitor.get(f"/instances/{made['id']}/connect").text
    password = quote(requests.single()["password"], safe="")
    return {
        name: html.unescape(text).replace("****", password) for name, text in _PROGRAM.findall(page)
    }


def run(*command: str | Path, cwd: Path) -> str:
    """What a program says. It succeeds."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_programs_connect(visitor: Visitor, shared_replica: Made, tmp_path: Path) -> None:
    copied = programs(visitor, shared_replica)
    assert list(copied) == ["mongosh", "Python", "Node.js", "Go", "Rust", "Java", "C#"]
    assert "'ok': 1.0" in run(sys.executable, "-c", copied["Python"], cwd=tmp_path)
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    modules = npm.installed("mongosh", npm.MONGOSH)  # which has the driver for Node.js in it
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "ping.mjs").write_text(copied["Node.js"])
    assert "ok: 1" in run(node, "ping.mjs", cwd=tmp_path)
    shell = f"{modules}/.bin/{copied['mongosh']} --quiet --eval 'db.adminCommand({{ping: 1}})'"
    assert "ok: 1" in run("sh", "-c", shell, cwd=tmp_path)


def test_a_node_with_a_public_ip_has_a_string_of_its_own() -> None:
    bound = {"name": "node_1", "public_ip": "127.200.0.7"}
    groups = [
        {"type": "mongos", "nodes": [bound, {"name": "node_2", "public_ip": ""}]},
        {"type": "shard", "nodes": [{"name": "node_3", "public_ip": ""}]},
    ]
    made = {"mode": "Sharding", "db_user_name": "rwuser", "port": "8635", "groups": groups}
    ((words, text),) = uris.public_addresses(made)
    assert words == "node_1, at its public IP"
    assert text.startswith("mongodb://rwuser:****@127.200.0.7:8635/?")
    assert "directConnection=true" in text


@pytest.mark.parametrize("authority", ["", "ca.pem"])
def test_each_driver_gets_what_it_knows_of_tls(authority: str) -> None:
    uri = "mongodb://rwuser:****@127.0.0.1:8635/?authSource=admin"
    texts = {one.name: one.text for one in snippets.of(uri, authority)}
    for name, text in texts.items():
        assert (f"{uri}&tls=true" in text) == bool(authority)
        assert not re.search(r"\bURI\b|\bFILE\b", text)
        assert ("tlsCAFile" in text) == (bool(authority) and name not in ("Java", "C#"))
        assert (authority in text) if authority else ("tls" not in text.lower())
