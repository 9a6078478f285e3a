"""The console in a real browser: the system's chromium and Playwright; axe-core judges it."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pymongo import MongoClient
from typer.testing import CliRunner

from shardhouse.cli.commands import app
from tests import npm, requests
from tests.backing_up import POLICY, backed_up
from tests.console import chromium
from tests.console.test_accessibility import FIXED, paths
from tests.installation import Installation, until, uri

AXE = "4.10.3"
FIRST_PAINT = """new Promise((told) => {
  new PerformanceObserver((list) => {
    for (const one of list.getEntriesByName("first-contentful-paint")) told(one.startTime);
  }).observe({ type: "paint", buffered: true });
})"""
"""Milliseconds from the request on."""
BEYOND_THE_EDGE = "document.documentElement.scrollWidth - innerWidth"
PATIENCE = 90_000
"""Milliseconds for what databases do."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium.program()
    if program is None:
        pytest.skip("there is no chromium here")
    with chromium.launched(program) as made:
        yield made


@pytest.fixture
def page(browser: Browser, installation: Installation) -> Iterator[Page]:
    """A page of somebody who is logged in. Nothing may be loaded from elsewhere, and no script may
    fail."""
    root = chromium.root(installation)
    context = browser.new_context(base_url=root)
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on(
        "request",
        lambda sent: problems.append(sent.url) if not sent.url.startswith(root) else None,
    )
    made.goto("/console")
    chromium.log_in(made, installation)
    expect(made.get_by_role("heading", name="Instances")).to_be_visible()
    yield made
    context.close()
    assert not problems


def test_a_link_logs_in_with_a_button(
    browser: Browser,
    installation: Installation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the file that `shardhouse open` gives to the browser."""
    context = browser.new_context()
    page = context.new_page()
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", page.goto)
    done = CliRunner().invoke(app, ["open", "--data-dir", str(installation.data_dir)])
    assert done.exit_code == 0
    page.get_by_role("button", name="Log in as").click()
    expect(page.get_by_role("heading", name="Instances")).to_be_visible()
    context.close()


def test_a_cluster_is_created_scaled_and_outlives_a_primary(
    page: Page, installation: Installation
) -> None:
    name = f"seen-{uuid.uuid4().hex[:6]}"
    page.get_by_role("link", name="Create an instance").click()
    page.get_by_label("Name").fill(name)
    password = page.get_by_label("Password of rwuser")
    password.fill("Secret#2026")
    # The form is made again as the mode changes: what is typed stays, and so does the keyboard.
    page.get_by_label("Mode").select_option("single")
    expect(page.locator("#cost")).to_contain_text("It takes 1 node ")
    page.get_by_label("Mode").focus()
    page.keyboard.press("Home")
    expect(page.locator("#cost")).to_contain_text("It takes 11 nodes with 44 GB of memory")
    expect(page.get_by_label("Mode")).to_be_focused()
    page.get_by_label("GB of each").fill("30")
    page.keyboard.press("Tab")
    expect(page.locator("#cost")).to_contain_text("volumes of 240 GB")
    expect(page.get_by_label("Shards")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value(name)
    expect(password).to_have_value("Secret#2026")
    page.get_by_label("Days that automatic backups").fill("0")
    password.press("Enter")
    expect(page.locator("#head .status")).to_have_text("normal", timeout=PATIENCE)
    instance_id = page.url.rsplit("/", 1)[1]
    try:
        # Another router, through a dialog; the job's page shows how it goes on.
        page.get_by_role("link", name="Changes").click()
        page.locator("a[href$='/AddShardingNode']").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("type").select_option("mongos")
        dialog.get_by_label("num").fill("1")
        dialog.get_by_label("flavor").select_option("dds.mongodb.s2.medium.4.mongos")
        dialog.get_by_role("button", name="Do it").click()
        expect(page.locator("#job .status").first).to_have_text("Completed", timeout=PATIENCE)
        page.get_by_role("link", name=name).click()
        routers = page.get_by_role("region", name="mongos").locator(".node")
        expect(routers).to_have_count(3)

        # A primary dies, another member leads, and the page says so by itself.
        shard = page.get_by_role("region", name="shard_1")
        primary = shard.locator(".node:has(.primary-mark)")
        before = primary.locator(".soft").inner_text()
        kill_primary(installation, instance_id, "shard_1")

        def replaced() -> bool:
            return primary.count() == 1 and primary.locator(".soft").inner_text() != before

        until("another primary", replaced, 60)

        # The service is away for a moment: the page says of when it is, and goes on behind it.
        installation.stop()
        age = page.locator("#age")
        expect(age).to_contain_text("Not current", timeout=PATIENCE)
        installation.start()
        expect(age).to_be_hidden(timeout=PATIENCE)
        expect(routers).to_have_count(3)

        page.context.clear_cookies()  # dropped out, and in again at the same place
        page.reload()
        chromium.log_in(page, installation)
        expect(routers).to_have_count(3)
    finally:
        installation.delete(instance_id)


def test_what_is_refused_is_said_in_the_apis_words(
    page: Page, shared_replica: dict[str, Any]
) -> None:
    page.goto(f"/console/instances/{shared_replica['id']}/changes")
    page.locator("a[href$='/UpdateInstanceName']").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("1")
    dialog.get_by_role("button", name="Do it").click()
    expect(page.get_by_role("alert")).to_contain_text("DBS.")
    page.goto(f"/console/instances/{shared_replica['id']}/changes")
    page.locator("a[href$='/UpdateInstanceName']").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("a[href$='/UpdateInstanceName']")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()


def test_what_is_fetched_again_leaves_ticked_boxes_and_tells_its_age(
    page: Page, shared_replica: dict[str, Any]
) -> None:
    page.goto("/console/instances")
    box = page.get_by_label(shared_replica["name"])
    box.check()
    page.get_by_role("heading", name="Instances").click()  # the focus leaves the table

    def renamed(route: Route) -> None:
        answer = route.fetch()
        text = answer.text().replace(f">{shared_replica['name']}<", ">another name<")
        route.fulfill(response=answer, body=text)

    page.route("**/console/instances", renamed)
    for _ in range(2):
        with page.expect_response("**/console/instances"):
            pass
    expect(box).to_be_checked()
    box.uncheck()
    page.get_by_role("heading", name="Instances").click()
    expect(page.get_by_role("link", name="another name")).to_be_visible()
    page.route("**/console/instances", lambda route: route.fulfill(status=500))
    age = page.locator("#age")
    expect(age).to_contain_text("Not current")
    page.unroute("**/console/instances")
    expect(age).to_be_hidden()


def test_what_does_harm_is_asked_also_by_the_keyboard(
    page: Page, shared_replica: dict[str, Any]
) -> None:
    page.goto(f"/console/instances/{shared_replica['id']}/operations/rules")
    page.get_by_label("Operation types").select_option("query")
    page.get_by_label("Secs running").fill("600")
    page.get_by_label("Node type").select_option("replica")
    page.get_by_role("button", name="Make it").click()
    page.get_by_label("All rules").check()
    page.get_by_label("All rules").press("Enter")
    expect(page.get_by_role("button", name="Yes, enable those chosen")).to_be_focused()
    expect(page.locator("#rules .status")).to_have_text("DISABLED")
    page.get_by_text("Delete those chosen", exact=True).click()
    page.get_by_role("button", name="Yes, delete those chosen").click()
    expect(page.locator("#rules")).to_contain_text("There are no rules yet.")


def test_an_instance_goes_back_to_a_moment(page: Page, installation: Installation) -> None:
    name = f"back-{uuid.uuid4().hex[:6]}"
    made = backed_up(installation, requests.single(name=name, backup_strategy=POLICY))
    try:
        with MongoClient[dict[str, Any]](uri(made)) as client:
            goods = client.shop.goods
            goods.insert_one({"_id": "before"})
            written = datetime.now(UTC)
            page.goto(f"/console/instances/{made['id']}/backups")
            page.get_by_role("link", name="Back up now").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("name", exact=False).fill(f"{name}-by-hand")
            dialog.get_by_role("button", name="Back up").click()
            expect(page.locator("#job .status").first).to_have_text("Completed", timeout=PATIENCE)
            page.goto(f"/console/instances/{made['id']}/backups")
            expect(page.get_by_role("link", name=f"{name}-by-hand", exact=True)).to_be_visible()
            moment = page.get_by_label("Moment (UTC)")

            def offered() -> bool:
                page.reload()
                if moment.count() == 0:
                    return False
                newest = datetime.fromisoformat(moment.input_value()).replace(tzinfo=UTC)
                return newest > written

            until("a moment after the write", offered, 90)
            newest = datetime.fromisoformat(moment.input_value()).replace(tzinfo=UTC)
            until("the next second", lambda: datetime.now(UTC) > newest + timedelta(seconds=2))
            goods.insert_one({"_id": "after"})
        # A click on the line picks a moment; the one that is wanted is typed.
        page.locator("svg.timeline").click(position={"x": 1, "y": 10})
        picked = datetime.fromisoformat(moment.input_value()).replace(tzinfo=UTC)
        assert picked < written
        mark = page.locator("svg.timeline .picked").get_attribute("x1")
        assert mark is not None
        assert 0 <= float(mark) < 50  # of 1000
        moment.fill(f"{newest:%Y-%m-%dT%H:%M:%S}")
        page.get_by_role("button", name="Restore to it").click()
        page.get_by_label(f"Replace all data of {name}").check()
        page.get_by_role("button", name="Restore in place").click()
        expect(page.locator("#job .status").first).to_have_text("Completed", timeout=PATIENCE)
        with MongoClient[dict[str, Any]](uri(made)) as client:
            assert [one["_id"] for one in client.shop.goods.find()] == ["before"]
    finally:
        installation.delete(made["id"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_hinders_anybody(page: Page, shared_cluster: dict[str, Any], scheme: Any) -> None:
    """All pages in light colours on a narrow screen, those with something of their own in dark ones
    on a wide one. Half of them are painted within a second."""
    axe = (npm.installed("axe-core", AXE) / "axe-core" / "axe.min.js").read_text()
    page.emulate_media(color_scheme=scheme)
    if scheme == "light":
        page.set_viewport_size({"width": 390, "height": 844})
    painted: list[float] = []
    known = {"instance_id": shared_cluster["id"]} | FIXED
    dark = {"/instances", "/instances/{instance_id}", "/instances/{instance_id}/metrics"}
    for path in ("/login", "/nothing", *paths()):
        if scheme == "dark" and path not in dark:
            continue
        page.goto("/console" + path.format(**known))
        painted.append(page.evaluate(FIRST_PAINT))
        assert page.evaluate(BEYOND_THE_EDGE) <= 0, path
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        assert not told, f"{path}: {json.dumps(told, indent=1)}"
    assert median(painted) < 1000


def kill_primary(installation: Installation, instance_id: str, group: str) -> None:
    """End the process of a group's primary as a crash would."""
    listed = installation.instance(instance_id)
    assert listed is not None
    (node,) = [
        node
        for one in listed["groups"]
        if one.get("name") == group
        for node in one["nodes"]
        if node["role"] == "Primary"
    ]
    for process in installation.nodes(node["id"]):
        assert isinstance(process, psutil.Process)
        process.kill()
