"""Stages in threads pass on what they are given: order, errors and context."""

import threading
from collections.abc import Iterator
from contextvars import ContextVar
from itertools import count

import pytest

from shardhouse.backups.pipeline import ahead

NAMED = ContextVar("named", default="nobody")


def test_pieces_come_in_their_order_from_another_thread_without_empty_ones() -> None:
    threads = set()

    def made() -> Iterator[bytes]:
        threads.add(threading.get_ident())
        for number in range(50):
            yield b"%d" % number
            yield b""

    assert list(ahead(made())) == [b"%d" % number for number in range(50)]
    assert threads.isdisjoint({threading.get_ident()})
    assert list(ahead([])) == []


def test_an_error_comes_where_its_piece_would() -> None:
    def failing() -> Iterator[bytes]:
        yield from [b"a", b"b"]
        raise ValueError

    pieces = ahead(failing())
    assert [next(pieces), next(pieces)] == [b"a", b"b"]
    with pytest.raises(ValueError):  # noqa: PT011 - ours, and nobody else's
        next(pieces)


def test_nothing_is_read_after_it_was_closed_and_not_much_before() -> None:
    numbers = count(1)
    pieces = ahead(b"%d" % number for number in numbers)
    assert next(pieces) == b"1"
    pieces.close()
    reached = next(numbers)
    assert reached < 10
    assert next(numbers) == reached + 1


def test_pieces_are_made_in_the_context_of_whoever_takes_them() -> None:
    token = NAMED.set("us")
    try:
        assert list(ahead(NAMED.get().encode() for _ in range(2))) == [b"us"] * 2
    finally:
        NAMED.reset(token)
