"""What a connection may cost: bytes, headers, time, and how many there may be."""

import pytest

from shardhouse.api.bodies import LARGE_BODIES
from shardhouse.ports import limits
from tests.installation import until
from tests.ports.conftest import Start
from tests.ports.raw import Answer, Raw, request


def refused(answer: Answer | None, status: int, code: str = "APIGW.0201") -> None:
    """In the gateway's shape, with the id that a log could name."""
    assert answer is not None
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    content = answer.json()
    assert content["error_code"] == code
    assert content["error_msg"]
    assert content["request_id"] == answer.headers["x-request-id"]


def serves(port: int) -> bool:
    with Raw(port) as raw:
        answer = raw.send(request()).answer()
        return answer is not None and answer.status == 200


@pytest.mark.parametrize(
    "start_of_head",
    ["GET / HTTP/1.1\r\nA: ", "GET / HTTP/1.1\r\n", "GET /", ""],
    ids=["value", "name", "url", "method"],
)
def test_a_head_without_end_is_refused(port: int, start_of_head: str) -> None:
    with Raw(port) as raw:
        raw.send(start_of_head, "a" * limits.HEAD_BYTES)
        refused(raw.answer(), 400 if not start_of_head else 431)
        assert raw.closed()
    assert serves(port)


def test_the_largest_head_is_answered_and_a_byte_more_is_not(port: int) -> None:
    frame = len(request(A=""))
    for spare, status in ((0, 200), (1, 431)):
        with Raw(port) as raw:
            answer = raw.send(request(A="a" * (limits.HEAD_BYTES - frame + spare))).answer()
            assert answer is not None
            assert answer.status == status


def test_a_head_in_small_pieces_is_bounded_too(port: int) -> None:
    with Raw(port) as raw:
        raw.send("GET / HTTP/1.1\r\n", *(f"H{number}: {'a' * 1000}\r\n" for number in range(70)))
        refused(raw.answer(), 431)


def test_many_headers_are_refused(port: int) -> None:
    for number, status in ((limits.HEADERS - 1, 200), (limits.HEADERS, 431)):
        with Raw(port) as raw:
            answer = raw.send(request(**{f"H{n}": "" for n in range(number)})).answer()
            assert answer is not None
            assert answer.status == status


def test_trailers_are_bounded_and_no_headers(port: int) -> None:
    chunked = request("/read", "POST", Transfer_Encoding="chunked")
    with Raw(port) as raw:
        answer = raw.send(chunked, "2\r\n{}\r\n0\r\nX-Auth-Token: t\r\n\r\n").answer()
        assert answer is not None
        assert answer.json() == {"size": 2, "headers": ["host", "transfer-encoding"]}
        raw.send(chunked, "0\r\nA: ", "a" * 2 * limits.HEAD_BYTES)
        assert raw.closed()
    assert serves(port)


def test_what_is_not_http_is_refused_in_the_shape_of_the_api(port: int) -> None:
    with Raw(port) as raw:
        refused(raw.send("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").answer(), 400)


def test_requests_sent_ahead_are_answered_in_order_but_not_without_end(port: int) -> None:
    with Raw(port) as raw:
        raw.send(request() + request("/none"))
        assert [answer.status for answer in (raw.answer(), raw.answer()) if answer] == [200, 404]
    with Raw(port) as raw:  # the end of the first answer costs the next request nothing
        raw.send(request() + request("/read", "POST", Content_Length="5") + "whole")
        answers = [raw.answer(), raw.answer()]
        assert [answer.json().get("size") for answer in answers if answer] == [None, 5]
    with Raw(port) as raw:
        raw.send(request() * (limits.PIPELINED + 2))
        until("the connection to be closed", raw.closed)
    assert serves(port)


@pytest.mark.parametrize("sent", ["", "G", "GET / HTTP/1.1\r\nHost: test\r\n"])
def test_a_request_that_does_not_come_is_not_waited_for(
    port: int, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.2)
    with Raw(port) as raw:
        answer = raw.send(sent).answer()
        if sent:
            refused(answer, 408)
        assert raw.closed()


def test_one_byte_at_a_time_is_no_progress(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.5)
    with Raw(port) as raw:
        raw.send("GET / HTTP/1.1\r\nA: ")
        raw.socket.settimeout(0.05)

        def closed() -> bool:
            raw.send("a")
            try:
                return raw.answer() is not None
            except TimeoutError:
                return False

        until("the connection to be closed", closed)


def test_a_stalled_body_ends_its_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.2)
    with Raw(port) as raw:
        raw.send(request("/read", "POST", Content_Length="100"), "{")
        assert raw.closed()


def test_an_idle_connection_serves_again(port: int) -> None:
    with Raw(port) as raw:
        for _ in range(2):
            answer = raw.send(request()).answer()
            assert answer is not None
            assert answer.status == 200


def test_a_refused_body_is_read_to_its_end_but_not_further(port: int) -> None:
    with Raw(port) as raw:
        head = request("/refuse", "POST", Content_Length=str(2**20))
        for _ in range(2):  # and the connection goes on
            answer = raw.send(head, b"a" * 2**20).answer()
            assert answer is not None
            assert answer.status == 401
    with Raw(port) as raw:
        head = request("/refuse", "POST", Content_Length=str(1 << 40))
        raw.send(head, *[b"a" * 2**20] * (limits.DISCARDED_BYTES // 2**20 + 2))
        answer = raw.answer()
        assert answer is None or answer.status == 401
        assert raw.closed()


def test_connections_are_counted_per_peer_and_in_all(start: Start) -> None:
    port = start(max_connections_per_peer=3)
    held = [Raw(port) for _ in range(3)]
    with Raw(port) as raw:
        refused(raw.answer(), 429, "APIGW.0308")
        assert raw.closed()
    with Raw(port, source="127.0.0.2") as other:
        assert other.send(request()).answer()
    held.pop().socket.close()
    until("the place to be free", lambda: serves(port))
    for raw in held:
        raw.socket.close()

    port = start(max_connections=2)
    with Raw(port, source="127.0.0.3"), Raw(port, source="127.0.0.2"), Raw(port) as raw:
        refused(raw.answer(), 503, "APIGW.0308")


def test_large_bodies_are_few_at_a_time(port: int) -> None:
    head = request("/read", "POST", Content_Length="200000")
    held = [Raw(port).send(head, b"a" * 100_000) for _ in range(LARGE_BODIES)]

    def full() -> bool:
        with Raw(port) as raw:
            answer = raw.send(head, b"a" * 200_000).answer()
            return answer is not None and answer.status == 429

    until("one more to be refused", full)
    for raw in held:
        answer = raw.send(b"a" * 100_000).answer()
        assert answer is not None
        assert answer.status == 200
        raw.socket.close()
    assert not full()


def test_a_client_that_does_not_read_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNREAD_SECONDS", 0.2)
    with Raw(port) as raw:
        raw.send(request("/large"))

        def given_up() -> bool:
            """The server takes no more bytes: its end is reset."""
            try:
                raw.socket.sendall(b"\r\n")
            except OSError:
                return True
            return False

        until("the connection to be closed", given_up)
