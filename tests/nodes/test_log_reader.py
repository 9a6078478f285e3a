"""Reading a log that grows, across rotations."""

import os

import pytest

from shardhouse.nodes import log_reader
from shardhouse.nodes.local import LocalRuntime
from shardhouse.nodes.log_reader import Position
from shardhouse.nodes.runtime import NodeRef

NODE = NodeRef("instance", "node")
NAME = "mongo.log"


class Log:
    """A node's log, and who reads it from its start."""

    def __init__(self, folder):
        self.runtime = LocalRuntime(folder, ["127.80.0.0/16"])
        volume = self.runtime.ensure_volume(NODE, {})
        self.path = volume.log / NAME
        self.position = Position("", 0)
        self.done = []
        self._ages = 0

    def write(self, text):
        with self.path.open("a") as file:
            file.write(text)

    def rotate(self, keep=True):
        self._ages += 1
        aside = self.path.with_name(f"{NAME}.{self._ages}")
        self.path.rename(aside)
        os.utime(aside, (self._ages, self._ages))
        if not keep:
            aside.unlink()

    def read(self):
        found = []
        while True:
            reading = log_reader.read(self.runtime, NODE, NAME, self.position)
            self.position = reading.position
            self.done = list(reading.done)
            if not reading.lines:
                return [line.decode() for line in found]
            found += reading.lines


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def test_each_whole_line_is_read_once(log):
    assert log.read() == []
    log.write("a\nb\nhalf")
    assert log.read() == ["a", "b"]
    assert log.read() == []
    log.write(" of c\n")
    assert log.read() == ["half of c"]


def test_a_rotated_file_is_read_to_its_end_before_the_next(log):
    log.write("a\n")
    assert log.read() == ["a"]
    log.write("b\n")
    log.rotate()
    log.write("c\n")
    log.rotate()
    log.write("d\n")
    assert log.read() == ["b", "c", "d"]
    assert log.done == [f"{NAME}.1", f"{NAME}.2"]


def test_a_rotation_waits_for_the_new_file(log):
    log.write("a\n")
    log.read()
    log.write("b\n")
    log.rotate()
    assert log.read() == ["b"]
    log.write("c\n")
    assert log.read() == ["c"]


def test_reading_goes_on_where_what_was_read_is_gone(log):
    log.write("a\n")
    log.read()
    log.rotate()
    log.write("b\n")
    (log.path.parent / f"{NAME}.1").unlink()
    assert log.read() == ["b"]


def test_a_file_that_is_shorter_is_another_one(log):
    log.write("a long line\n")
    log.read()
    with log.path.open("w") as file:
        file.write("b\n")
    assert log.read() == ["b"]


def test_a_cut_line_of_a_rotated_file_is_left_out(log):
    log.write("a\nhalf")
    log.rotate()
    log.write("b\n")
    assert log.read() == ["a", "b"]


def test_a_line_without_end_does_not_stop_the_reader(log, monkeypatch):
    monkeypatch.setattr(log_reader, "CHUNK", 8)
    log.write("x" * 20 + "\nb\n")
    assert log.read()[-1] == "b"


def test_what_there_is_can_be_passed_over(log):
    log.write("a\n")
    log.position = log_reader.end(log.runtime, NODE, NAME)
    log.write("b\n")
    assert log.read() == ["b"]


def test_all_files_of_a_log_are_removed(log):
    other = log.path.parent / "audit.log"
    other.write_text("z\n")
    log.write("a\n")
    log.rotate()
    log.write("b\n")
    log_reader.remove(log.runtime, NODE, NAME)
    assert [file.name for file in log.runtime.log_files(NODE)] == ["audit.log"]
    assert log.read() == []


def test_other_logs_are_not_read(log):
    (log.path.parent / "audit.log").write_text("z\n")
    log.write("a\n")
    assert log.read() == ["a"]
