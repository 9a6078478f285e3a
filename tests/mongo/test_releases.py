"""The whole command line of a data node, tried against each build of the table."""

import pytest

from shardhouse.engines import known
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.commandline import COMPRESSORS, PARAMETERS, Member
from shardhouse.mongo.wait import Deadline
from tests import builds
from tests.frames import answer, overlong_frame


@pytest.mark.parametrize("version", [build.version for build in known.KNOWN])
def test_a_build_takes_the_command_line_of_its_release(tls_lab, version):
    tls_lab.engine = engine = builds.known_build(version)
    hosts = [tls_lab.start(member, 1, member).hosts[0] for member in Member]
    with Clients(tls_lab.access) as clients:
        for host, member in zip(hosts, Member, strict=True):
            admin = _answering(clients, host)
            assert admin.command("buildInfo")["version"] == version
            parsed = admin.command("getCmdLineOpts")["parsed"]
            assert parsed["net"]["compression"] == {"compressors": COMPRESSORS}
            assert parsed["net"]["tls"]["mode"] == "requireTLS"
            role = parsed.get("sharding", {}).get("clusterRole")
            assert role == {Member.SHARD: "shardsvr", Member.CONFIG: "configsvr"}.get(member)
            given = {name for name, _, first in PARAMETERS if engine.release >= first}
            assert set(parsed["setParameter"]) == given


@pytest.mark.parametrize("version", [build.version for build in known.KNOWN])
def test_a_build_takes_the_private_command_line(lab, version):
    lab.engine = builds.known_build(version)
    with lab.private(lab.node(version)) as client:
        assert client.admin.command("buildInfo")["version"] == version
    lab.runtime.remove(lab.node(version))


def _answering(clients, host):
    """Its `admin` database, once it answers as its own members log in."""
    admin = clients[host].admin
    Deadline(60).until(f"{host} to answer", lambda: admin.command("ping"))
    return admin


@pytest.mark.parametrize("version", [build.version for build in known.KNOWN])
def test_no_build_answers_an_overlong_frame(lab, clients, version):
    """CVE-2025-14847, which 6.0.5 and 4.4.2 are open to where they offer zlib."""
    lab.engine = builds.known_build(version)
    (host,) = lab.start("replica", 1).hosts
    _answering(clients, host)
    for claimed in (64, 1_000, 60_000):
        assert answer(host, overlong_frame(claimed)) == b""
