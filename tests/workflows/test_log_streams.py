"""What log streams stand for: a folder, or a server."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from shardhouse.domain.audit import LtsStream
from shardhouse.errors import SettingsError, StreamError
from shardhouse.settings import Settings, load
from shardhouse.workflows.log_streams import open_sink

NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
STREAM = LtsStream("group", "stream")


@contextmanager
def server(answers: list[int]) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that takes what is posted, and answers with these codes in turn."""
    taken: list[tuple[str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, body))
            self.send_response(answers.pop(0))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    made = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}/logs/", taken
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def test_a_folder_has_a_file_for_each_day(tmp_path):
    sink = open_sink(Settings(data_dir=tmp_path))
    sink.send(STREAM, b"1\n", NOW)
    sink.send(STREAM, b"2\n", NOW)
    folder = tmp_path / "lts" / "group" / "stream"
    file = folder / "2026-01-01.jsonl"
    assert file.read_bytes() == b"1\n2\n"
    with file.open("ab") as torn:
        torn.write(b"half a li")
    sink.send(STREAM, b"3\n", NOW)
    assert file.read_bytes() == b"1\n2\n3\n"


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "lts").write_text("no folder")
    with pytest.raises(StreamError):
        open_sink(Settings(data_dir=tmp_path)).send(STREAM, b"1\n", NOW)


def test_a_server_is_posted_lines(tmp_path):
    with server([204, 503]) as (url, taken):
        sink = open_sink(load(data_dir=tmp_path, lts={"url": url}))
        sink.send(STREAM, b"1\n", NOW)
        with pytest.raises(StreamError, match="503"):
            sink.send(STREAM, b"2\n", NOW)
    assert taken == [("/logs/group/stream", b"1\n"), ("/logs/group/stream", b"2\n")]
    with pytest.raises(StreamError):
        sink.send(STREAM, b"3\n", NOW)


@pytest.mark.parametrize("url", ["ftp://a/b", "file://a/b", "http:///b", "http://a/b?c=1", "x"])
def test_other_urls_are_refused(tmp_path, url):
    with pytest.raises(SettingsError):
        load(data_dir=tmp_path, lts={"url": url})
