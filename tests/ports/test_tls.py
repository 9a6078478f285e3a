"""Both ports with a certificate: for our own commands, for clients, and for strangers."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from shardhouse.cli.installation import Installation
from shardhouse.errors import SettingsError
from shardhouse.mongo.certificates import Authority, issue_ca, issue_node
from shardhouse.ports import limits
from shardhouse.settings import load
from shardhouse.tls import server_context
from tests.cli.program import Program, running
from tests.installation import until
from tests.ports.conftest import Start
from tests.ports.raw import Raw, request


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, and `server.pem` with key and certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    authority = issue_ca("test")
    (folder / "ca.pem").write_bytes(authority.certificate)
    _server_file(folder, authority, "127.0.0.1")
    return folder


def _server_file(folder: Path, authority: Authority, address: str) -> Path:
    path = folder / "server.pem"
    path.write_bytes(issue_node(authority, [address], "server"))
    return path


@pytest.fixture(scope="module")
def secure(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A service with TLS, started by the program."""
    folder = tmp_path_factory.mktemp("secure") / "data"
    folder.mkdir()
    (folder / "shardhouse.toml").write_text(
        f'tls_certificate = "{files}/server.pem"\n'
        f'tls_key = "{files}/server.pem"\n'
        f'tls_authority = "{files}/ca.pem"\n'
    )
    with running(folder) as started:
        yield started


def test_our_own_commands_use_it(secure: Program) -> None:
    known = secure.json("status")
    assert known["dds_endpoint"].startswith("https://127.0.0.1:")
    assert known["instances"] == {}
    assert secure.json("instance", "list") == []
    exports = secure.json("env")
    assert exports["OS_AUTH_URL"].startswith("https://")
    # And without the data directory, as any other machine does.
    listed = secure.ok("instance", "list", "--json", **exports, SHARDHOUSE_DATA_DIR="")
    assert json.loads(listed) == []


def test_an_authority_that_did_not_sign_it_is_told(secure: Program, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(issue_ca("other").certificate)
    exports = secure.json("env") | {"OS_CACERT": str(other), "SHARDHOUSE_DATA_DIR": ""}
    told = secure.refused("instance", "list", **exports)
    assert "is not trusted" in told
    assert "OS_CACERT" in told


@pytest.mark.parametrize("client", ["sdk", "openstack", "curl"])
def test_clients_that_take_their_words_from_the_environment(secure: Program, client: str) -> None:
    programs = {
        "sdk": """
import os
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkdds.v3 import DdsClient, ListInstancesRequest
region = Region("local", os.environ["HUAWEICLOUD_SDK_REGION_DDS_LOCAL"])
print(DdsClient.new_builder().with_region(region).build().list_instances(ListInstancesRequest()))
""",
        "openstack": "import openstack; print(list(openstack.connect().identity.projects()))",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    command = (
        ["curl", "-sSf", secure.json("env")["OS_AUTH_URL"]]
        if client == "curl"
        else [sys.executable, "-W", "ignore", "-c", programs[client]]
    )
    done = subprocess.run(
        command,
        env=kept | secure.json("env"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_handshake_that_does_not_come_is_not_waited_for(
    start: Start, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.3)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "server.pem")
    port = start(context, max_connections=3)
    trusting = ssl.create_default_context(cafile=files / "ca.pem")
    silent = [Raw(port), Raw(port), Raw(port).send("\x16")]
    for raw in silent:
        with raw:
            assert raw.closed()
    with Raw(port) as plain:
        assert plain.send(request()).closed()

    def serves() -> bool:
        """There is a place again: those that never finished are counted no longer."""
        try:
            with Raw(port, tls=trusting) as raw:
                answer = raw.send(request()).answer()
        except (OSError, ssl.SSLError):
            return False
        return answer is not None and answer.status == 200

    until("a place", serves)
    with Raw(port, tls=trusting) as raw:
        refused = raw.send("GET / HTTP/1.1\r\nA: ", "a" * limits.HEAD_BYTES).answer()
        assert refused is not None
        assert refused.status == 431


def test_files_that_are_no_certificate_and_key_are_refused(files: Path, tmp_path: Path) -> None:
    good, other = files / "server.pem", tmp_path / "other"
    other.mkdir()
    _server_file(other, issue_ca("other"), "127.0.0.1")
    key = serialization.load_pem_private_key(good.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    noise = tmp_path / "noise.pem"
    noise.write_text("noise")
    for certificate, key_file, told in (
        (good, None, "tls_key: it is needed too"),
        (None, good, "tls_certificate: it is needed too"),
        (tmp_path / "none", good, "tls_certificate: "),
        (good, tmp_path, "tls_key: "),
        (noise, noise, "not a certificate"),
        (good, other / "server.pem", "is not the key of the certificate"),
        (good, locked, "is encrypted"),
    ):
        with pytest.raises(SettingsError, match=told):
            server_context(load(tls_certificate=certificate, tls_key=key_file))
    with pytest.raises(SettingsError, match="tls_authority: "):
        server_context(load(tls_authority=noise))

    program = Program(tmp_path / "data")
    told = program.refused("serve", SHARDHOUSE_TLS_CERTIFICATE=str(good))
    assert "tls_key: it is needed too" in told
    assert not program.data_dir.exists()


def test_serve_tells_what_clients_will_not_believe(files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "shardhouse.toml").write_text(
        f'tls_certificate = "{files}/server.pem"\ntls_key = "{files}/server.pem"\n'
    )
    with running(folder, "--host=127.0.0.2"):
        log = Installation(folder).log_file.read_text()
    assert "The certificate is for 127.0.0.1, not for 127.0.0.2" in log
    assert "NO TLS" not in log
