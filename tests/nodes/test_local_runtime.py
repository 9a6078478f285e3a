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
from shardhouse.nodes.local import LocalRuntime, memory, processes
from shardhouse.nodes.runtime import Aside, Command, NodeRef

NODE = NodeRef("instance", "node")
SLEEP = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); {SLEEP}"
NETWORK = ["127.80.0.0/16"]


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


def test_a_start_that_is_not_allowed_starts_nothing_and_adopts_what_runs(runtime):
    runtime.ensure_volume(NODE, {})
    assert not runtime.ensure_process(NODE, command(runtime), allowed=lambda: False).running
    running = runtime.ensure_process(NODE, command(runtime))
    adopted = runtime.ensure_process(NODE, command(runtime), allowed=lambda: False)
    assert adopted.pid == running.pid


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
    # Its command line is gone a moment before its exit code is there.
    until(lambda: "exit code" in runtime.state(NODE).exit_reason)
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
    assert time.monotonic() - begin < 60
    assert not psutil.pid_exists(state.pid)
    runtime.stop(NODE, 0.3)


def test_remove_leaves_nothing_and_may_be_repeated(runtime, running, tmp_path):
    runtime.remove(NODE)
    runtime.remove(NODE)
    assert not psutil.pid_exists(running.pid)
    assert list((tmp_path / "instances").iterdir()) == []


def test_several_may_remove_a_node_at_the_same_time(runtime, running, tmp_path):
    """An ended backup removes its copies while a deletion removes all."""
    runtime.ensure_volume(NODE.aside(Aside.COPY), {})
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(runtime.remove, [NODE] * 8)) == [None] * 8
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


def test_what_a_process_uses_is_measured(runtime, running):
    use = runtime.process_use(NODE)
    process = psutil.Process(running.pid)
    assert 0 < use.resident <= process.memory_info().rss  # which grows while it starts
    assert 0 <= use.cpu <= sum(process.cpu_times()[:2])
    assert 0 <= use.read <= process.io_counters().read_bytes
    assert 0 <= use.written <= process.io_counters().write_bytes
    assert 0 <= use.swapped <= use.swap == psutil.swap_memory().total


def test_what_does_not_run_uses_nothing(runtime):
    runtime.ensure_volume(NODE, {})
    assert runtime.process_use(NODE) is None


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


def test_logs_are_listed_read_in_pieces_and_removed(runtime):
    assert runtime.log_files(NODE) == []
    folder = Path(runtime.ensure_volume(NODE, {}).log)
    for name, content, time_of_writing in (("new", b"0123456789", 2_000), ("old", b"x", 1_000)):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (time_of_writing, time_of_writing))
    old, new = runtime.log_files(NODE)
    assert [(old.name, old.size), (new.name, new.size)] == [("old", 1), ("new", 10)]
    assert runtime.read_log(NODE, "new", 3, 4) == b"3456"
    assert runtime.read_log(NODE, "new", 10, 4) == b""
    (folder / "new").rename(folder / "rotated")
    assert {file.name: file.id for file in runtime.log_files(NODE)}["rotated"] == new.id
    runtime.remove_log(NODE, "rotated")
    assert runtime.read_log(NODE, "rotated", 0, 4) == b""
    with pytest.raises(NodeError):
        runtime.read_log(NODE, "../conf/key", 0, 4)


def test_only_a_process_that_listens_is_told_to_rotate_its_log(runtime):
    assert not runtime.rotate_log(NODE)
    runtime.ensure_volume(NODE, {})
    runtime.ensure_process(NODE, command(runtime))
    assert not runtime.rotate_log(NODE)
    assert runtime.state(NODE).running
    runtime.stop(NODE, 0)
    handler = "import signal; signal.signal(10, lambda *_: print('told', flush=True))"
    code = f"{handler}; print('up', flush=True); {SLEEP}"
    runtime.ensure_process(NODE, command(runtime, code=f"while True:\n  {code}"))
    until(lambda: "up" in runtime.log_tail(NODE, 1))
    assert runtime.rotate_log(NODE)
    until(lambda: "told" in runtime.log_tail(NODE, 5))
