"""A browser, Debian's Chromium, and what a page may not do in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

PROGRAM = "chromium-headless-shell"
PATIENCE_MILLISECONDS = 20_000.0


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium; its pages wait for what they are asked to find."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(PROGRAM))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, url: str, place: str = "", **context: Any) -> Iterator[Page]:
    """The page of the bridge at `url`, at `place` (`#/jobs`), in a tab of a browser that knows nothing yet.

    Leaving the context insists that it has asked no other host, ran no script that failed, and kept to its policy.
    """
    faults: list[str] = []
    asked: list[str] = []
    with browser.new_context(**context) as visitor:
        page = visitor.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if "Policy" in message.text else None)
        page.goto(f"{url}/{place}")
        yield page
        assert [address for address in asked if not address.startswith(f"{url}/")] == []
        assert visitor.cookies() == []
    assert faults == []
