"""The system's chromium, and the console in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.installation import Installation

NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """The browser's path; None where there is none here."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """A browser that runs."""
    with sync_playwright() as driver:
        # A sandbox needs rights that containers do not give; only our own pages are loaded.
        made = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


def root(installation: Installation) -> str:
    """The address that the console's paths are below."""
    place = httpx.URL(installation.dds)
    return f"{place.scheme}://{place.netloc.decode()}"


def log_in(page: Page, installation: Installation) -> None:
    """With the login that a page shows."""
    page.get_by_label("User").fill(installation.admin["user_name"])
    page.get_by_label("Password").fill(installation.admin["password"])
    page.get_by_role("button", name="Log in").click()
