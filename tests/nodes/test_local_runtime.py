"""The local driver, as its users see it, with real processes (a sleeping Python stands in)."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from shardhouse.errors import NodeError
from shardhouse.nodes.local import LocalRuntime, addresses, memory, processes
from shardhouse.nodes.runtime import Command, NodeRef

NODE = NodeRef("instance", "node")
SLEEP = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); {SLEEP}"
NETWORK = "127.80.0.0/16"


def command(runtime, node=NODE, code=SLEEP):
    folder = str(runtime.volume(node).data)
    return Command((sys.executable, "-c", code, folder), {"PATH": os.environ["PATH"]})


def until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def runtime(tmp_path):
    runtime = LocalRuntime(tmp_path, NETWORK)
    yield runtime
    for node in tmp_path.glob("instances/*/*"):
        runtime.remove(NodeRef(node.parent.name, node.name))
    runtime.close()


@pytest.fixture
def running(runtime):
    runtime.ensure_volume(NODE, {})
    return runtime.ensure_process(NODE, command(runtime))


def test_a_volume_is_private_and_holds_its_files(runtime):
    volume = runtime.ensure_volume(NODE, {"key": b"secret"})
    assert Path(volume.conf, "key").read_bytes() == b"secret"
    assert Path(volume.conf, "key").stat().st_mode & 0o777 == 0o600
    for folder in (volume.data, volume.log, volume.conf, volume.data.parent):
        assert Path(folder).stat().st_mode & 0o777 == 0o700


def test_a_started_process_leads_its_own_session_with_a_private_umask(running):
    assert running.running
    assert os.getsid(running.pid) == running.pid
    assert "Umask:\t0077" in Path(f"/proc/{running.pid}/status").read_text()


def test_starting_twice_keeps_one_process(runtime, running):
    assert runtime.ensure_process(NODE, command(runtime)).pid == running.pid


def test_many_threads_starting_one_node_start_one_process(runtime):
    runtime.ensure_volume(NODE, {})
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: runtime.ensure_process(NODE, command(runtime)), range(8)))
    assert len({state.pid for state in states}) == 1


def test_two_installations_processes_starting_one_node_start_one_process(runtime, tmp_path):
    runtime.ensure_volume(NODE, {})
    other = LocalRuntime(tmp_path, NETWORK)
    with ThreadPoolExecutor(2) as pool:
        pids = pool.map(lambda r: r.ensure_process(NODE, command(r)).pid, (runtime, other))
        assert len(set(pids)) == 1
    other.close()


def test_a_process_survives_the_kill_of_its_starter_and_is_adopted(runtime, tmp_path):
    script = f"""
import os, sys, signal
from pathlib import Path
from shardhouse.nodes.local import LocalRuntime
from shardhouse.nodes.runtime import Command, NodeRef
runtime = LocalRuntime(Path({str(tmp_path)!r}), {NETWORK!r})
node = NodeRef("instance", "node")
folder = str(runtime.ensure_volume(node, {{}}).data)
argv = (sys.executable, "-c", {SLEEP!r}, folder)
print(runtime.ensure_process(node, Command(argv, {{}})).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = int(done.stdout.split()[-1])
    assert runtime.state(NODE).pid == pid
    assert runtime.ensure_process(NODE, command(runtime)).pid == pid


def test_without_its_record_a_process_is_found_by_its_command_line(runtime, running, tmp_path):
    record = tmp_path / "instances/instance/node" / processes.PID_FILE
    record.unlink()
    assert LocalRuntime(tmp_path, NETWORK).state(NODE).pid == running.pid
    assert json.loads(record.read_bytes())["pid"] == running.pid


def test_a_reused_pid_is_not_mistaken_for_the_node(runtime, tmp_path):
    runtime.ensure_volume(NODE, {})
    record = tmp_path / "instances/instance/node" / processes.PID_FILE
    stranger = psutil.Process()
    created = stranger.create_time()
    record.write_text(json.dumps({"pid": stranger.pid, "created": created}))
    assert not runtime.state(NODE).running
    runtime.stop(NODE, 1)  # would end this very test


def test_a_reader_of_the_nodes_log_is_not_mistaken_for_the_node(runtime, tmp_path):
    log = Path(runtime.ensure_volume(NODE, {}).log, "x.log")
    log.touch()
    with subprocess.Popen(["tail", "-f", log]) as reader:
        assert not runtime.state(NODE).running
        reader.kill()


def test_an_exit_is_noticed_within_a_second(runtime, running):
    seen = threading.Event()
    runtime.on_exit(NODE, lambda node: seen.set())
    os.kill(running.pid, signal.SIGKILL)
    assert seen.wait(1)
    state = runtime.state(NODE)
    assert not state.running
    assert "SIGKILL" in state.exit_reason


def test_the_exit_of_an_adopted_process_is_noticed(runtime, running, tmp_path):
    other = LocalRuntime(tmp_path, NETWORK)
    seen = threading.Event()
    other.on_exit(NODE, lambda node: seen.set())
    os.kill(running.pid, signal.SIGKILL)
    assert seen.wait(1)
    other.close()


def test_watching_what_already_ended_calls_at_once(runtime):
    seen = threading.Event()
    runtime.on_exit(NODE, lambda node: seen.set())
    assert seen.wait(1)


def test_a_failing_callback_does_not_end_the_watch_over_others(runtime, running):
    def fail(node):
        raise RuntimeError("no")

    seen = threading.Event()
    runtime.on_exit(NODE, fail)
    runtime.on_exit(NODE, lambda node: seen.set())
    os.kill(running.pid, signal.SIGKILL)
    assert seen.wait(1)


def test_the_exit_reason_quotes_the_last_line_it_said(runtime):
    runtime.ensure_volume(NODE, {})
    code = "import sys; sys.exit('the disk is full')"
    runtime.ensure_process(NODE, command(runtime, code=code))
    until(lambda: not runtime.state(NODE).running)
    assert runtime.state(NODE).exit_reason == "exit code 1: the disk is full"


def test_a_zombie_counts_as_dead(runtime, running):
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: not runtime.state(NODE).running)
    assert not psutil.pid_exists(running.pid)


def test_stop_asks_and_then_kills(runtime):
    runtime.ensure_volume(NODE, {})
    state = runtime.ensure_process(NODE, command(runtime, code=STUBBORN))
    until(lambda: runtime.log_tail(NODE, 1) == ["up"])
    begin = time.monotonic()
    runtime.stop(NODE, 0.3)
    assert time.monotonic() - begin < 5
    assert not psutil.pid_exists(state.pid)
    runtime.stop(NODE, 0.3)


def test_remove_leaves_nothing_and_may_be_repeated(runtime, running, tmp_path):
    runtime.remove(NODE)
    runtime.remove(NODE)
    assert not psutil.pid_exists(running.pid)
    assert list((tmp_path / "instances").iterdir()) == []


def test_a_command_that_cannot_run_says_so(runtime):
    folder = str(runtime.ensure_volume(NODE, {}).data)
    with pytest.raises(NodeError, match="/no/such/program"):
        runtime.ensure_process(NODE, Command(("/no/such/program", folder), {}))


def test_a_command_must_name_its_folder(runtime):
    runtime.ensure_volume(NODE, {})
    with pytest.raises(NodeError, match="must name a path inside"):
        runtime.ensure_process(NODE, Command((sys.executable,), {}))


def test_a_process_without_a_volume_is_refused(runtime):
    with pytest.raises(NodeError, match="missing"):
        runtime.ensure_process(NODE, command(runtime))


def test_usage_counts_files(runtime, running):
    Path(runtime.volume(NODE).data, "file").write_bytes(b"x" * 100_000)
    usage = runtime.usage(NODE)
    assert 100_000 <= usage.data < 200_000
    assert usage.log == 0


def test_free_addresses_are_bindable_distinct_and_not_taken(runtime):
    first = runtime.free_addresses(3, 18635, [])
    second = runtime.free_addresses(3, 18635, first)
    assert len({*first, *second}) == 6
    assert not [a for a in (*first, *second) if a.rpartition(".")[2] in ("0", "255")]


def test_an_address_in_use_is_passed_by(runtime):
    import socket

    address = runtime.free_addresses(1, 18635, [])[0]
    with socket.create_server((address, 18635)):
        assert address not in runtime.free_addresses(2, 18635, [])


def test_a_port_taken_everywhere_is_an_error_that_says_so(runtime):
    import socket

    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(NodeError, match=f"0.0.0.0:{port}"):
            runtime.free_addresses(1, port, [])


def test_a_foreign_network_is_an_error_that_says_so(tmp_path):
    with pytest.raises(NodeError, match="node_network"):
        LocalRuntime(tmp_path, "192.0.2.0/24").free_addresses(1, 18635, [])
    with pytest.raises(NodeError, match="node_network"):
        LocalRuntime(tmp_path, "nonsense")


def test_candidates_wrap_around_and_skip_network_and_broadcast():
    net = addresses.network("127.9.0.0/29")
    assert list(addresses.candidates(net, 6))[:3] == ["127.9.0.6", "127.9.0.7", "127.9.0.1"]


def test_available_memory_respects_the_tightest_cgroup(tmp_path):
    group = tmp_path / "a/b"
    group.mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    (tmp_path / "a/memory.max").write_text("1000000\n")
    (tmp_path / "a/memory.current").write_text("700000\n")
    (tmp_path / "a/memory.stat").write_text("anon 5\ninactive_file 100000\n")
    (group / "memory.max").write_text("max\n")
    assert memory.available(tmp_path, own) == 400_000
    own.write_text("0::/\n")
    assert memory.available(tmp_path, own) > 1_000_000


def test_the_watch_costs_no_processor_time_while_nothing_happens(runtime, running):
    runtime.on_exit(NODE, lambda node: None)
    until(lambda: any(t.name == "node-exits" for t in threading.enumerate()))
    before = time.process_time()
    threading.Event().wait(0.3)
    assert time.process_time() - before < 0.02
