"""Data folders as the local driver copies, moves, reads and writes them: whole, or not there."""

import socket
import sys
from pathlib import Path

import pytest

from shardhouse.errors import NodeError
from shardhouse.nodes.local import LocalRuntime, data
from shardhouse.nodes.runtime import Aside, Command, NodeRef
from shardhouse.tar import DataFile
from tests import disks

NODE = NodeRef("instance", "node")
COPY = NODE.aside(Aside.COPY)
FILES = {
    "WiredTiger": b"WiredTiger 11",
    "collection-0.wt": bytes(3 * 1024**2 + 7),
    "journal/WiredTigerLog.0000000001": b"log",
    "empty.wt": b"",
}


@pytest.fixture
def runtime(tmp_path):
    made = LocalRuntime(tmp_path, ["127.80.0.0/16"])
    yield made
    made.remove(NODE)
    made.close()


def fill(runtime, node, files):
    folder = Path(runtime.ensure_volume(node, {}).data)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content(runtime, node):
    return {file.name: b"".join(file.chunks) for file in runtime.read_data(node)}


def files_of(*pairs):
    return [DataFile(name, len(text), iter([text])) for name, text in pairs]


def left_beside(runtime, node):
    """What lies beside the folders of a volume."""
    folder = Path(runtime.volume(node).data).parent
    return {path.name for path in folder.iterdir()} - {"data", "log", "conf"}


@pytest.mark.parametrize("durable", [True, False])
def test_a_copy_has_all_data_and_nothing_of_the_process(runtime, durable):
    folder = fill(runtime, NODE, FILES)
    fill(runtime, NODE, {"mongod.lock": b"7", "WiredTiger.lock": b"x"})
    fill(runtime, NODE, {"diagnostic.data/metrics": b"x", "journal/WiredTigerPreplog.01": b"x"})
    fill(runtime, COPY, {"what was there": b"x"})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        size = runtime.copy_data(NODE, COPY, durable=durable)
    assert content(runtime, COPY) == FILES
    assert size == sum(map(len, FILES.values()))
    assert left_beside(runtime, COPY) == set()
    copied = Path(runtime.volume(COPY).data)
    assert {path.stat().st_mode & 0o777 for path in copied.rglob("*")} == {0o600, 0o700}


def test_a_file_system_that_does_not_copy_in_the_kernel_is_copied_otherwise(runtime, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(data.os, "copy_file_range", refuse)
    fill(runtime, NODE, FILES)
    fill(runtime, COPY, {})
    runtime.copy_data(NODE, COPY)
    assert content(runtime, COPY) == FILES


def test_a_full_disk_leaves_what_was_there_and_no_part(tmp_path):
    with disks.small_disk(tmp_path / "disk", 8) as disk:
        runtime = LocalRuntime(disk, ["127.80.0.0/16"])
        fill(runtime, NODE, {"large": bytes(5 * disks.MIB)})
        fill(runtime, COPY, {"old": b"x"})
        with pytest.raises(NodeError, match="No space left"):
            runtime.copy_data(NODE, COPY)
        large = [DataFile("large", 5 * disks.MIB, iter([bytes(5 * disks.MIB)]))]
        with pytest.raises(NodeError, match="No space left"):
            runtime.write_data(COPY, large)
        assert content(runtime, COPY) == {"old": b"x"}
        assert left_beside(runtime, COPY) == set()


def test_nothing_is_no_data(runtime):
    fill(runtime, NODE, {})
    fill(runtime, COPY, {})
    for call in (runtime.copy_data, runtime.move_data):
        with pytest.raises(NodeError, match="no data"):
            call(NODE, COPY)
    with pytest.raises(NodeError, match="is missing"):
        runtime.copy_data(NODE, NODE.aside(Aside.REPLACED))


def test_moved_data_replaces_what_was_there_and_a_second_move_does_nothing(runtime):
    fill(runtime, COPY, FILES)
    fill(runtime, NODE, {"old": b"x"})
    for _ in range(2):
        runtime.move_data(COPY, NODE)
        runtime.ensure_volume(COPY, {})
    assert content(runtime, COPY) == {}
    runtime.remove(COPY)
    runtime.move_data(COPY, NODE)
    assert content(runtime, NODE) == FILES
    assert left_beside(runtime, NODE) == set()


def test_written_data_replaces_what_was_there(runtime):
    fill(runtime, NODE, {"old": b"x"})
    assert runtime.write_data(NODE, files_of(*FILES.items())) == sum(map(len, FILES.values()))
    assert content(runtime, NODE) == FILES
    assert left_beside(runtime, NODE) == set()


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "", "."])
def test_a_name_that_leads_out_is_refused(runtime, name):
    fill(runtime, NODE, {"old": b"x"})
    with pytest.raises(NodeError, match="names no file"):
        runtime.write_data(NODE, files_of(("first", b"1"), (name, b"2")))
    assert content(runtime, NODE) == {"old": b"x"}
    assert left_beside(runtime, NODE) == set()


def test_a_content_that_breaks_off_leaves_what_was_there(runtime):
    fill(runtime, NODE, {"old": b"x"})
    with pytest.raises(NodeError, match="should have 5 bytes, and 3 came"):
        runtime.write_data(NODE, [DataFile("short", 5, iter([b"abc"]))])
    with pytest.raises(RuntimeError, match="broken"):
        runtime.write_data(NODE, _broken())
    assert content(runtime, NODE) == {"old": b"x"}
    assert left_beside(runtime, NODE) == set()


def _broken():
    yield from files_of(("first", b"1"))
    raise RuntimeError("broken")


def test_a_file_that_is_cut_while_it_is_read_is_told(runtime):
    folder = fill(runtime, NODE, {"large": bytes(3 * 1024**2)})
    (file,) = (one for one in runtime.read_data(NODE) if _cut(folder / one.name, one))
    assert file


def _cut(path, file):
    path.write_bytes(b"")
    with pytest.raises(NodeError, match="became shorter"):
        list(file.chunks)
    return True


def test_the_data_of_a_running_node_is_not_replaced(runtime):
    fill(runtime, COPY, FILES)
    folder = str(fill(runtime, NODE, {"old": b"x"}))
    sleep = Command((sys.executable, "-c", "import time; time.sleep(600)", folder), {})
    runtime.ensure_process(NODE, sleep)
    for replace in (
        lambda: runtime.copy_data(COPY, NODE),
        lambda: runtime.move_data(COPY, NODE),
        lambda: runtime.move_data(NODE, COPY),
        lambda: runtime.write_data(NODE, []),
    ):
        with pytest.raises(NodeError, match="runs"):
            replace()
    assert runtime.copy_data(NODE, COPY)


def test_with_a_node_go_its_asides(runtime, tmp_path):
    for node in (NODE, *map(NODE.aside, Aside)):
        fill(runtime, node, FILES)
    runtime.remove(NODE)
    assert list((tmp_path / "instances").iterdir()) == []
