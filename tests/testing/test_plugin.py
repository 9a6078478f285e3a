"""The fixtures, in sessions of pytest as users have them."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.installation import Installation, until
from tests.testing import seeds

pytest_plugins = ["pytester"]
GUIDE = Path(__file__).parents[2] / "docs" / "testing.md"

USE = """
def test_it_is_a_cluster(shardhouse, shardhouse_cluster):
    assert shardhouse.env["OS_AUTH_URL"].startswith("http")
    assert shardhouse.env["SHARDHOUSE_DATA_DIR"] == str(shardhouse.data_dir)
    assert shardhouse_cluster.password in shardhouse_cluster.uri
    assert shardhouse_cluster.password not in repr(shardhouse_cluster)
    with shardhouse_cluster.client() as client:
        assert len(list(client["config"]["shards"].find())) == 2
        assert "kept" not in client.list_database_names()
        client["kept"]["orders"].insert_one({"_id": 1})
    with shardhouse_cluster.database() as database:
        database["orders"].insert_one({"_id": 1})
        names = database.client.list_database_names()
        assert database.name in names
    with shardhouse_cluster.client() as client:
        assert {*names} - {*client.list_database_names()} == {database.name}
    print("used", shardhouse_cluster.id)
"""
MISUSE = """
import pytest

def test_zones_and_groups(shardhouse_cluster):
    zones = {}
    for node in shardhouse_cluster.nodes:
        zones.setdefault(node.group, []).append(node.zone)
    each = ["local-01", "local-02", "local-03"]
    sets = dict.fromkeys(("shard_1", "shard_2", "config"), each)
    assert zones == {"mongos": each[:2], **sets}
    with pytest.raises(ValueError, match="local-01, local-02, local-03"):
        with shardhouse_cluster.cut_zone("moon"):
            pass
    with pytest.raises(ValueError, match="shard_1"):
        shardhouse_cluster.kill_primary()
"""


def test_a_named_installation_keeps_its_instances(
    pytester: pytest.Pytester, installation: Installation
) -> None:
    pytester.makeini(f"[pytest]\nshardhouse_data_dir = {installation.data_dir}")
    shown = "\n".join(block for block in examples() if "def test_orders" in block)
    pytester.makepyfile(test_docs=shown, test_use=USE, test_zones=MISUSE)
    first = pytester.runpytest_subprocess(
        "-v", "-rP", "test_use.py", "test_docs.py", "test_zones.py"
    )
    first.assert_outcomes(passed=5)
    first.stdout.fnmatch_lines(
        [f"shardhouse: installation in {installation.data_dir}", "shardhouse: making pytest-*-1 *"]
    )
    again = pytester.runpytest_subprocess("-v", "-rP", "test_use.py")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines(["shardhouse: using pytest-*-1 again"])
    assert used(first) == used(again)
    for instance in installation.call("GET", "/instances").json()["instances"]:
        if instance["name"].startswith("pytest-"):
            installation.delete(instance["id"])


@pytest.mark.soak
def test_workers_of_xdist_have_instances_of_their_own(
    pytester: pytest.Pytester, installation: Installation
) -> None:
    pytester.makeini(f"[pytest]\nshardhouse_data_dir = {installation.data_dir}")
    pytester.makepyfile(
        """
        from pathlib import Path
        import pytest

        @pytest.fixture(scope="session")
        def shardhouse_instance_order():
            return {"mode": "single"}

        def test_one(shardhouse_instance, shardhouse_database):
            shardhouse_database["orders"].insert_one({"_id": 1})
            assert shardhouse_database["orders"].count_documents({}) == 1
            (Path(__file__).parent / f"{shardhouse_instance.id}.id").touch()
        """
    )
    # Both have theirs before one is done.
    result = pytester.runpytest_subprocess("-n", "2", "--dist", "each")
    result.assert_outcomes(passed=2)
    used = [path.stem for path in pytester.path.glob("*.id")]
    assert len(used) == 2
    for instance_id in used:
        installation.delete(instance_id)


def test_what_went_wrong_is_said_in_words(
    pytester: pytest.Pytester, installation: Installation
) -> None:
    pytester.makeini(f"[pytest]\nshardhouse_data_dir = {installation.data_dir}")
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="session")
        def shardhouse_instance_order():
            return {"mode": "single", "version": "99.0"}

        def test_one(shardhouse_database):
            pass
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*99.0*DBS*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_an_instance_is_made_of_a_snapshot(
    pytester: pytest.Pytester, installation: Installation
) -> None:
    seed = pytester.path / "seed.snapshot"
    seeds.save(installation, seed)
    pytester.makeini(
        f"""
        [pytest]
        shardhouse_data_dir = {installation.data_dir}
        shardhouse_snapshot = {seed.name}
        """
    )
    pytester.makepyfile(
        """
        def test_one(shardhouse_instance):
            assert shardhouse_instance.mode == "Single"
            assert shardhouse_instance.name.startswith("pytest-")
            with shardhouse_instance.client() as client:
                assert client["shop"]["orders"].find_one() == {"_id": 1}
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


SLEEPER = """
from pathlib import Path
import time
import pytest

@pytest.fixture(scope="session")
def shardhouse_instance_order():
    return {"mode": "single"}

def test_one(shardhouse, shardhouse_instance):
    scratch = Path("data_dir.scratch")
    scratch.write_text(str(shardhouse.data_dir))
    scratch.rename("data_dir")
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_session(pytester: pytest.Pytester, number: signal.Signals) -> None:
    pytester.makepyfile(SLEEPER)
    told = pytester.path / "data_dir"
    session = subprocess.Popen([sys.executable, "-m", "pytest", "-p", "no:cacheprovider"])
    try:
        until("the test to run", told.exists, 120)
        data_dir = Path(told.read_text())
        assert named(data_dir)
        session.send_signal(number)
        session.wait(60)
    finally:
        session.kill()
    until("its processes to be gone", lambda: not named(data_dir))
    until("its folder to be gone", lambda: not data_dir.exists())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_session_that_ends_while_it_starts(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(pytester.mkdir("tmp")))
    program = "from shardhouse.testing import Installation; Installation().__enter__()"
    session = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        log = until("serve to start", lambda: next(pytester.path.glob("tmp/*/serve.log"), None))
        session.send_signal(number)
        assert session.wait(120)
    finally:
        session.kill()
    if number != signal.SIGKILL:  # a session that can waits for it
        assert not log.parent.exists()
    # The guard sees the end when serve answers.
    until("its processes to be gone", lambda: not named(log.parent), 120)
    assert not log.parent.exists()


def test_a_folder_is_relative_to_where_it_is_said(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]")
    called = pytester.mkdir("called")
    monkeypatch.chdir(called)
    monkeypatch.setenv("SHARDHOUSE_DATA_DIR", "here")
    shown = pytester.runpytest_inprocess("--collect-only", "--rootdir", str(pytester.path))
    shown.stdout.fnmatch_lines([f"shardhouse: installation in {called / 'here'}"])
    pytester.makeini("[pytest]\nshardhouse_data_dir = there")
    shown = pytester.runpytest_inprocess("--collect-only")
    shown.stdout.fnmatch_lines([f"shardhouse: installation in {pytester.path / 'there'}"])


def test_it_costs_nothing_until_it_is_used() -> None:
    program = (
        "import sys, shardhouse.pytest_plugin; sys.exit(any(name in sys.modules for name in "
        "('shardhouse.testing', 'shardhouse.errors', 'psutil', 'httpx', 'pymongo', 'pydantic')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_api_beneath_needs_no_pytest() -> None:
    program = (
        "import sys, shardhouse.testing; sys.exit(any(name in sys.modules for name in "
        "('pytest', 'psutil', 'httpx', 'pymongo', 'pydantic', 'typer')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def used(result: pytest.RunResult) -> list[str]:
    """Which cluster the tests had."""
    return [line for line in result.outlines if line.startswith("used ")]


def examples() -> list[str]:
    """The examples of the guide."""
    return re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def named(folder: Path) -> list[psutil.Process]:
    """Processes whose command line names a folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
