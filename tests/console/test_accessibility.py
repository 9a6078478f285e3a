"""What screen readers and keyboards need of every page."""

from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from shardhouse.console.table import PAGES
from tests import requests
from tests.console.conftest import Visitor

Made = dict[str, Any]
_EMPTY = ("input", "br", "meta", "link", "img", "hr")
_NAMED = ("aria-label", "aria-labelledby")
_REFERENCES = ("aria-labelledby", "aria-describedby")
FIXED = {"what": "user"}


class Outline(HTMLParser):
    """What a page consists of, and what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.named: set[str] = set()
        self.inputs: list[dict[str, str]] = []
        self.tables: list[bool] = []
        self.bare_tables = 0
        self._open: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.ids += [known["id"]] if "id" in known else []
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        if tag == "label" and "for" in known:
            self.labelled.add(known["for"])
        if tag in ("input", "select", "textarea") and known.get("type") != "hidden":
            self.inputs.append(known | {"inside": "yes" if self._is_in("label") else ""})
        if tag == "table":
            self.tables.append(False)
            self.bare_tables += not self._is_in("div", "scroll")
        if tag == "th":
            self.tables[-1] = True
        self.named |= {known[name] for name in _REFERENCES if name in known}
        if tag not in _EMPTY:
            self._open.append((tag, known.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        if self._is_in(tag):
            while self._open.pop()[0] != tag:
                pass

    def _is_in(self, tag: str, kind: str = "") -> bool:
        return any((tag, kind) == (one, name if kind else "") for one, name in self._open)

    def problems(self) -> list[str]:
        """In words."""
        found = []
        if self.headings.count(1) != 1 or self.headings[0] != 1:
            found.append(f"one first heading is expected, found {self.headings}")
        jumps = [pair for pair in pairwise(self.headings) if pair[1] > pair[0] + 1]
        found += [f"headings jump: {jumps}"] if jumps else []
        twice = {one for one in self.ids if self.ids.count(one) > 1}
        found += [f"ids are there twice: {twice}"] if twice else []
        unknown = self.named - set(self.ids)
        found += [f"nothing has the ids {unknown}"] if unknown else []
        found += [
            f"no label: {one}"
            for one in self.inputs
            if not (one.get("id") in self.labelled or one["inside"] or one.keys() & set(_NAMED))
        ]
        if not all(self.tables):
            found.append("a table has no headings")
        if self.bare_tables:
            found.append("a table cannot be scrolled on a narrow screen")
        return found


def paths() -> list[str]:
    found = [path for method, path, _ in PAGES if method == "GET" and "." not in path]
    known = {"instance_id", *FIXED}
    return [
        path
        for path in found
        if {part[1:-1] for part in path.split("/") if part.startswith("{")} <= known
    ]


@pytest.mark.parametrize("path", paths())
def test_pages_have_headings_labels_and_ids(
    visitor: Visitor, shared_cluster: Made, path: str
) -> None:
    place = path.format(instance_id=shared_cluster["id"], **FIXED)
    if path.endswith("/data"):
        password = requests.single()["password"]
        visitor.send(f"{place}/login", user="rwuser", password=password, database="admin")
        for name in ({}, {"database": "admin"}, {"database": "admin", "collection": "c"}):
            assert Outline(visitor.get(place, **name).text).problems() == []
    answer = visitor.get(place)
    assert answer.status_code == 200
    assert Outline(answer.text).problems() == []


def test_problems_are_found() -> None:
    page = '<h1>a</h1><h3 id="x"></h3><p id="x" aria-labelledby="y"><input><table></table>'
    assert len(Outline(page).problems()) == 6
