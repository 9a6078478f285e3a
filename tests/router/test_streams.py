"""Merging shards' events and reading resume tokens, on plain data."""

from __future__ import annotations

import pytest
from bson import Timestamp

from shardhouse.router.commands.change_streams import labelled
from shardhouse.router.errors import CommandError
from shardhouse.router.streams import tokens
from shardhouse.router.streams.merge import MOST_BYTES, Merger
from shardhouse.router.wire import raw

AT = "826400000A00000003"
EVENT = AT + "2B042C0100296E5A1004AB"


def of(text: str):
    return raw.shallow(raw.encode({"t": {"_data": text}}))["t"]


@pytest.mark.parametrize(
    ("text", "is_event", "is_invalidation"),
    [
        (EVENT, True, False),
        (AT + "2B042C01002B026E5A1004AB", True, False),  # the second of a transaction
        (AT + "2B042C0100296F5A1004AB", True, True),
        (AT + "2B0429296E04", False, False),
        (AT + "2B0229296E04", False, False),  # as older servers wrote it
    ],
)
def test_what_a_token_tells(text, is_event, is_invalidation):
    assert tokens.parse(of(text)) == (
        text, Timestamp(0x6400000A, 3), is_event, is_invalidation,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "82", "zz", AT, AT + "2B04", AT + "2B042C0100", "83" + EVENT[2:], EVENT[:-1],
     EVENT.lower(), AT + "FF" * 6],
)  # fmt: skip
def test_what_is_no_token(text):
    with pytest.raises(CommandError) as refused:
        tokens.parse(of(text))
    assert refused.value.code == 260


@pytest.mark.parametrize("value", [None, 5, "8264", {}])
def test_a_token_is_a_document(value):
    with pytest.raises(CommandError) as refused:
        tokens.parse(raw.shallow(raw.encode({"t": value}))["t"])
    assert refused.value.code == 260


def test_the_token_of_an_event():
    assert tokens.of_event(raw.encode({"_id": {"_data": EVENT}, "operationType": "x"})) == EVENT
    assert tokens.of_event(raw.encode({"operationType": "x"})) == ""


def merger(floor: str = "", **feeds: tuple[str, str]) -> Merger:
    """Feeds as `name=(events, promise)`: each letter is an event and its token."""
    made = Merger(floor)
    for name, (events, promise) in feeds.items():
        made.add(name, "")
        made.receive(name, [(one, one.encode()) for one in events], promise, ended=False)
    return made


@pytest.mark.parametrize(
    ("feeds", "limit", "told", "token", "awaited"),
    [
        ({"a": ("bd", "d"), "b": ("ce", "e")}, None, "bcd", "d", "e"),
        ({"a": ("bd", "d"), "b": ("", "a")}, None, "", "a", "d"),
        ({"a": ("bd", "d"), "b": ("", "z")}, None, "bd", "d", None),
        ({"a": ("bd", "d"), "b": ("ce", "e")}, 2, "bc", "c", "e"),
        ({"a": ("", "d"), "b": ("", "e")}, None, "", "d", None),
        ({"a": ("cc", "d"), "b": ("c", "e")}, None, "ccc", "d", None),
        ({}, None, "", "", None),
    ],
)
def test_only_what_no_shard_can_precede_is_told(feeds, limit, told, token, awaited):
    one = merger(**feeds)
    assert one.awaited == awaited
    batch = one.take(limit)
    assert (b"".join(batch.events).decode(), batch.token, batch.ended) == (told, token, False)


def test_nothing_is_told_twice():
    one = merger("b", a=("abc", "c"), b=("b", "z"))
    assert one.take().events == [b"c"]
    one.receive("a", [("b", b"b"), ("d", b"d")], "d", ended=False)
    assert one.take().events == [b"d"]
    assert one.take().events == []


def test_a_promise_is_never_taken_back():
    one = merger(a=("", "d"), b=("", "e"))
    one.receive("a", [], "c", ended=False)
    assert one.promise == "d"
    one.add("late", "b")  # a new shard knows nothing yet: what was told stays told
    one.take()
    assert one.promise == "b"
    one.receive("late", [], "f", ended=False)
    assert one.take().token == "d"


def test_only_shards_with_nothing_in_store_are_asked():
    assert merger(a=("b", "b"), b=("", "a")).wanted == ["b"]


def test_a_stream_ends_after_the_last_event_of_the_shard_that_ended():
    one = merger(a=("", "b"), b=("", "b"))
    one.receive("a", [("c", b"c")], "c", ended=True)
    assert not one.take().ended
    one.receive("b", [("bb", b"bb")], "d", ended=False)
    assert (one.take(1).ended, one.take(1).ended) == (False, True)
    assert "a" not in one.wanted


def test_a_reply_holds_no_more_than_fits_but_at_least_one():
    one = Merger()
    one.add("a", "")
    big = b"x" * (MOST_BYTES + 1)
    one.receive("a", [("b", big), ("c", b"c"), ("d", big)], "d", ended=False)
    assert [len(one.take().events) for _ in range(4)] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("code", "resumable"),
    [(286, False), (280, False), (13, False), (43, True), (6, True), (10107, True), (13388, True)],
)
def test_which_errors_tell_a_driver_to_resume(code, resumable):
    labels = labelled(CommandError(code, "")).labels
    assert labels == (["ResumableChangeStreamError"] if resumable else [])
