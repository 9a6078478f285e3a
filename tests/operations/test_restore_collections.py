"""What a call that restores collections asks for, as tables."""

from typing import Any

import pytest

from shardhouse.contract.parsing import parse
from shardhouse.contract.restore_times import RestoreCollectionsBody
from shardhouse.errors import DdsError
from shardhouse.operations.restore_collections import Item, items, moments

EXISTING = {1000: {"shop.goods", "shop.a.b", "blog.posts"}, 2000: {"shop.goods"}}


def database(name: str, moment: int) -> dict[str, Any]:
    return {"database": name, "restore_database_time": str(moment)}


def collections(name: str, *listed: tuple[str, str, int]) -> dict[str, Any]:
    found = [
        {"old_name": old, "new_name": new, "restore_collection_time": str(moment)}
        if new
        else {"old_name": old, "restore_collection_time": str(moment)}
        for old, new, moment in listed
    ]
    return {"database": name, "collections": found}


def body(*wanted: dict[str, Any]) -> RestoreCollectionsBody:
    return parse(RestoreCollectionsBody, {"restore_collections": list(wanted)})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            [database("shop", 1000)],
            {1000: [Item("shop", "a.b", "a.b"), Item("shop", "goods", "goods")]},
        ),
        (
            [database("blog", 1000), collections("shop", ("goods", "", 1000))],
            {1000: [Item("blog", "posts", "posts"), Item("shop", "goods", "goods")]},
        ),
        (
            [collections("shop", ("goods", "old", 1000), ("goods", "new", 2000))],
            {1000: [Item("shop", "goods", "old")], 2000: [Item("shop", "goods", "new")]},
        ),
    ],
)
def test_what_is_asked_for_is_grouped_by_moment(
    wanted: list[dict[str, Any]], expected: dict[int, list[Item]]
) -> None:
    asked = body(*wanted)
    assert moments(asked) == list(expected)
    assert items(asked, EXISTING) == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([{"database": "shop"}], r"restore_collections\[0\]"),
        ([database("shop", 1000) | collections("shop", ("goods", "", 1000))], "either"),
        ([database("none", 1000)], r"restore_collections\[0\].database"),
        ([database("admin", 1000)], "no database admin"),
        ([collections("shop", ("goods", "", 1000), ("a.b", "", 2000))], r"collections\[1\].old"),
        ([database("shop", 1000), collections("shop", ("goods", "", 2000))], "more than once"),
        ([collections("shop", ("goods", "x", 1000), ("a.b", "x", 1000))], "shop.x would"),
        ([collections("shop", ("goods", "system.js", 1000))], "new_name"),
        ([collections("shop", ("goods", "a$b", 1000))], "new_name"),
        ([collections("shop", ("goods", "x" * 171, 1000))], "new_name"),
    ],
)
def test_what_is_refused(wanted: list[dict[str, Any]], message: str) -> None:
    def check() -> None:
        asked = body(*wanted)
        moments(asked)
        items(asked, EXISTING)

    with pytest.raises(DdsError, match=message) as refusal:
        check()
    assert refusal.value.status == 400
