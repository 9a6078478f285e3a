"""The pictures of the console in docs/images: python -m tests.console.pictures

They show an installation that is made for them and goes again: a cluster over three zones and a
replica set, with two minutes of work, so that there is something to see.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from pymongo import MongoClient

from tests import builds, requests
from tests.backing_up import POLICY
from tests.console import chromium
from tests.installation import Installation, uri

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ZONES = ["eu-de-01", "eu-de-02", "eu-de-03"]
SIZE = (1200, 720)
WORK_SECONDS = 120


def main() -> None:
    """Make all pictures anew."""
    path = chromium.program()
    if path is None:
        sys.exit("There is no chromium here.")
    builds.choose()
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data", zones=ZONES)
        try:
            installation.start()
            shop = installation.make(
                requests.cluster(
                    name="shop", availability_zone=",".join(ZONES), backup_strategy=POLICY
                )
            )
            installation.make(requests.replica_set(name="books", availability_zone=ZONES[0]))
            switch = f"/instances/{shop['id']}/monitoring-by-seconds/switch"
            installation.call("PUT", switch, json={"enabled": True})
            work(shop)
            with chromium.launched(path) as browser:
                width, height = SIZE
                context = browser.new_context(
                    base_url=chromium.root(installation),
                    viewport={"width": width, "height": height},
                )
                page = context.new_page()
                page.goto("/console")
                chromium.log_in(page, installation)
                page.wait_for_url("**/instances")
                take(page, shop)
        finally:
            installation.destroy()


def work(shop: dict[str, Any]) -> None:
    """A sharded collection, and orders that come for a while."""
    end = time.monotonic() + WORK_SECONDS
    with MongoClient[dict[str, Any]](uri(shop)) as client:
        client.admin.command("shardCollection", "shop.orders", key={"customer": "hashed"})
        orders = client.shop.orders
        while time.monotonic() < end:
            orders.insert_many(
                {"customer": number, "price": 5 + number % 90, "status": "paid"}
                for number in range(500)
            )
            orders.find_one({"customer": 7})


def take(page: Page, shop: dict[str, Any]) -> None:
    """One picture of each page."""
    here = f"/console/instances/{shop['id']}"
    primary = next(
        node["id"]
        for group in shop["groups"]
        if group["type"] == "shard"
        for node in group["nodes"]
        if node["role"] == "Primary"
    )
    paths = {
        "instances": "/console/instances",
        "instance": here,
        "metrics": f"{here}/metrics?node={primary}",
        "backups": f"{here}/backups",
    }
    for name, path in paths.items():
        page.goto(path)
        page.screenshot(path=IMAGES / f"console-{name}.png")
    page.goto(f"{here}/data")
    page.get_by_label("Password").fill(requests.cluster()["password"])
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{here}/data?database=shop&collection=orders")
    page.get_by_label("Filter").fill('{"customer": 7}')
    page.get_by_label("Documents, at most").fill("2")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("heading", name="Documents").scroll_into_view_if_needed()
    page.screenshot(path=IMAGES / "console-data.png", full_page=True)


if __name__ == "__main__":
    main()
