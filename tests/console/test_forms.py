"""Forms that are made of the contract."""

from typing import Any

import pytest

from shardhouse.client import bodies
from shardhouse.console import forms
from shardhouse.console.forms import Field
from shardhouse.contract.changes import RESTART
from shardhouse.contract.reference import fields
from shardhouse.contract.scaling import ADD_SHARDING_NODE
from shardhouse.contract.table import CALLS


def test_all_that_was_chosen_stays_chosen() -> None:
    call, name = next(
        (call, one.name)
        for call in CALLS
        for one in fields(call.body)
        if one.type == "array" and "[]" not in one.name
    )
    known = {name: Field(name, name, "choices", choices=[(one, one) for one in "abc"])}
    made = forms.of_call(call, known, {name: "c"}, {name: ["a", "c"]})
    assert [one.value for one in made if one.name == name] == [("a", "c")]


def test_what_is_one_of_a_few_words_is_chosen() -> None:
    made = {one.name: one for one in forms.of_call(ADD_SHARDING_NODE, {}, {})}
    assert made["type"].kind == "choice"
    assert [value for value, _ in made["type"].choices] == ["mongos", "shard"]
    (target,) = (one for one in forms.of_call(RESTART, {}, {}) if one.name == "target_type")
    assert [value for value, _ in target.choices] == ["", "mongos", "shard", "config"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "[" * 9000])
def test_what_json_cannot_say_stays_text(text: str) -> None:
    number = next(one for call in CALLS for one in fields(call.body) if one.type == "integer")
    body: dict[str, Any] = {}
    bodies.put(body, number, text)
    assert text in str(body)
