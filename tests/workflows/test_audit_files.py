"""Files of audit logs: what is appended, what a crash leaves, what is sent elsewhere."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from shardhouse.settings import Settings
from shardhouse.workflows import audit_files

INSTANCE, NODE = "instance", "node"
START = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


@pytest.fixture
def files(settings):
    made = audit_files.of_node(settings, INSTANCE, NODE)
    made.begin({})
    return made


def entry(number, after=timedelta(0)):
    return json.dumps({"n": number, "ts": {"$date": (START + after).isoformat()}}).encode()


def numbers(file):
    text = gzip.decompress(b"".join(audit_files.content(file)))
    return [json.loads(line)["n"] for line in text.splitlines()]


def test_entries_are_appended_with_a_state(files):
    assert (files.state(), files.files()) == ({}, [])
    files.append([entry(1), entry(2)], {"offset": 1})
    files.append([entry(3, timedelta(minutes=1))], {"offset": 2})
    (file,) = files.files()
    assert numbers(file) == [1, 2, 3]
    assert files.state() == {"offset": 2}
    assert (file.start, file.end) == (START, START + timedelta(minutes=1))
    assert file.id == f"{NODE}_{int(START.timestamp() * 1000)}"
    assert file.name == f"{file.id}.json.gz"


def test_the_next_hour_has_the_next_file(files):
    files.append([entry(1, timedelta(minutes=59))], {})
    files.append([entry(2, timedelta(minutes=61))], {})
    assert [numbers(file) for file in files.files()] == [[1], [2]]


def test_a_file_that_has_grown_is_left(files, monkeypatch):
    files.append([entry(1)], {})
    monkeypatch.setattr(audit_files, "LARGEST", 10)
    files.append([entry(2)], {})
    files.append([entry(3, timedelta(seconds=1))], {})
    assert [numbers(file) for file in files.files()] == [[1], [2], [3]]


def test_what_no_state_tells_of_is_written_again(files, settings, monkeypatch):
    """A crash between a file and its state; the file is the first one, then one that grows."""
    crash = pytest.raises(RuntimeError)

    def refuse(*_):
        raise RuntimeError

    for offset, number in ((1, 1), (2, 2)):
        with monkeypatch.context() as patch, crash:
            patch.setattr(audit_files.os, "replace", refuse)
            files.append([entry(number)], {"offset": offset})
        assert [numbers(file) for file in files.files() if file.size and offset > 1] == (
            [] if offset == 1 else [[1]]
        )
        files.append([entry(number)], {"offset": offset})
    (file,) = files.files()
    assert numbers(file) == [1, 2]
    assert file.path.stat().st_size == file.size


def test_the_end_leaves_whole_files(files):
    files.append([entry(1)], {})
    (file,) = files.files()
    with file.path.open("ab") as torn:
        torn.write(b"\x1f\x8b torn")
    files.end()
    assert files.state() is None
    (file,) = files.files()
    assert numbers(file) == [1]


def test_a_file_that_was_deleted_is_followed_by_another(files):
    files.append([entry(1)], {})
    files.files()[0].path.unlink()
    files.append([entry(2, timedelta(seconds=1))], {})
    (file,) = files.files()
    assert numbers(file) == [2]


def test_nothing_is_written_for_an_instance_that_is_gone(files, settings, tmp_path):
    audit_files.remove(settings, INSTANCE)
    with pytest.raises(OSError, match="No such file"):
        files.append([entry(1)], {})
    assert not list((tmp_path / "audit").iterdir())


def test_old_files_expire(files, settings):
    files.append([entry(1)], {})
    files.append([entry(2, timedelta(hours=3))], {})
    audit_files.expire(settings, INSTANCE, START + timedelta(hours=1))
    assert [numbers(file) for file in audit_files.of_instance(settings, INSTANCE)] == [[2]]


def test_entries_are_read_on_from_where_they_were_read(files, monkeypatch):
    monkeypatch.setattr(audit_files, "_PIECE", 50)  # less than a piece is long
    files.append([entry(1)], {})
    found, offset, offsets = [], 0, []
    for number in range(2, 6):
        (file,) = files.files()
        while (read := audit_files.lines(file, offset))[0]:
            found += [json.loads(line)["n"] for line in read[0].splitlines()]
            offset = read[1]
            offsets.append(offset)
        files.append([entry(number)], {})
    assert found == [1, 2, 3, 4]
    assert offsets == sorted(set(offsets))


def test_what_no_state_tells_of_is_not_read(files):
    files.append([entry(1)], {})
    (file,) = files.files()
    with file.path.open("ab") as more:
        more.write(gzip.compress(entry(2) + b"\n"))
    (file,) = files.files()
    text, offset = audit_files.lines(file, 0)
    assert (text, offset) == (entry(1) + b"\n", file.size)


def test_sending_begins_behind_what_is_there(files, settings):
    files.append([entry(1)], {})
    (file,) = files.files()
    sent = audit_files.sent(settings, INSTANCE)
    assert sent.positions == {NODE: (file.id, file.size)}
    files.append([entry(2)], {})
    assert audit_files.sent(settings, INSTANCE) == sent


def test_what_was_sent_is_forgotten_when_sending_ends(settings):
    before = audit_files.sent(settings, INSTANCE)
    before.positions[NODE] = ("x_1", 5)
    audit_files.keep_sent(settings, INSTANCE, before)
    assert audit_files.sent(settings, INSTANCE) == before
    audit_files.forget_sent(settings, INSTANCE)
    audit_files.keep_sent(settings, INSTANCE, before)
    assert audit_files.sent(settings, INSTANCE).positions == {}
