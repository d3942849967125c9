"""Prints a picture of the page, as the README shows it, in the box.

The box runs (`sudo ./container/run`), with a demo that nobody has used yet. Then, outside of it:

    sudo ./container/shell /opt/bridge/bin/python container/demo/picture.py >docs/page.png
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from playwright.sync_api import sync_playwright

from bridge.client import Bridge

URL = "http://localhost:5000"
TARGET = "sqlite:////work/sontsm/stores/demo.db"
SILENT = "http://localhost:5081/"  # nothing answers there
SOURCE = "http://localhost:5080/sf-temps.csv"
THING = UUID("ce2b4fb6-d9de-11eb-a236-125e5a40a845")  # as seed.py has it
NOWHERE = UUID(int=0x5EED)  # a thing that the demo does not know
ROUNDS = 12  # of jobs; some minutes
WIDTH, HEIGHT = 1280, 960


def run_jobs(bridge: Bridge) -> None:
    """Some that end well, some that do not, and some that are left to run."""
    for _ in range(ROUNDS):
        parses = [
            bridge.submit_parse(parser="CsvParser", target=TARGET, source=source, thing_uuid=thing)
            for source, thing in ((SOURCE, THING), (SOURCE, NOWHERE), (SOURCE, THING), (SILENT, THING), (SOURCE, THING))
        ]
        with ThreadPoolExecutor() as waiters:
            list(waiters.map(lambda parse: bridge.wait(parse.job_id), parses))
    for _ in range(5):
        bridge.submit_qaqc(target=TARGET, thing_uuid=THING)


def main() -> None:
    """Run jobs, open the page, print what it looks like."""
    run_jobs(Bridge(URL))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium-headless-shell")
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(URL)
        page.get_by_role("figure").first.wait_for()
        page.wait_for_timeout(4000)  # the figures have been asked for again
        sys.stdout.buffer.write(page.screenshot())
        browser.close()


if __name__ == "__main__":
    main()
