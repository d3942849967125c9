"""The page as people use it: in a browser, on the running service and a real Slurm."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bridge.auth.token_file import TokenFile
from bridge.core.scopes import Scope
from tests.support.bridge_process import Bridge, owned_folder, running_bridge, service_environment
from tests.support.bridge_tokens import create_token
from tests.support.browser import opened
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY, THING, of_each_kind

# A parse prints a line a second until its output folder has the file `enough`; a QAQC fails.
PROGRAM = """
import sys, time
from pathlib import Path
if "run-qaqc" in sys.argv:
    sys.exit("the datastore is not there")
for number in range(60):
    if Path("enough").exists():
        break
    print(number, "chunks stored", file=sys.stderr, flush=True)
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    program = shared_folder / "main.py"
    program.write_text(PROGRAM)
    memory = of_each_kind("memory_mib", "100")  # a Python that runs for more than a moment
    return {**service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)]), **memory}


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def submitted(bridge: Bridge, path: str = "/extractor/run") -> str:
    """The id of a new job."""
    body = PARSE_BODY if "extractor" in path else QAQC_BODY
    return str(bridge.post(path, body).body["job_id"])


def test_a_job_from_the_form_to_its_end(bridge: Bridge, browser: Browser, shared_folder: Path) -> None:
    enough = shared_folder / "output" / "enough"
    with opened(browser, bridge.url, "#/submit") as page:
        page.get_by_label("target").fill(PARSE_BODY["target"])
        page.get_by_label("parser").fill("CsvParser")
        page.get_by_label("source").fill("ftp://nowhere")
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_label("thing_uuid")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("source")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("source").fill(PARSE_BODY["source"])
        page.get_by_label("thing_uuid").fill(THING)
        page.get_by_role("button", name="Submit").click()

        heading = page.get_by_role("heading", level=1)
        expect(heading).to_contain_text("RUNNING")
        log = page.get_by_role("log")
        expect(log).to_contain_text("0 chunks stored")
        expect(log).to_contain_text("3 chunks stored")
        enough.touch()
        expect(heading).to_contain_text("COMPLETED")
        expect(page.get_by_role("listitem").filter(has_text="Ended well")).to_be_visible()
        lines = log.inner_text().strip().split("\n")
        assert lines == [f"{number} chunks stored" for number in range(len(lines))]
        page.get_by_role("button", name="standard output").click()
        expect(page.get_by_text("It printed nothing.")).to_be_visible()
        assert page.evaluate("performance.getEntriesByType('navigation').length") == 1  # it was not loaded again
    enough.unlink()


def test_a_row_changes_and_a_job_is_cancelled(bridge: Bridge, browser: Browser) -> None:
    with opened(browser, bridge.url, "#/jobs") as page:
        expect(page.get_by_role("table")).to_be_visible()
        job_id = submitted(bridge)
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=job_id, exact=True))
        expect(row).to_contain_text("RUNNING")
        with opened(browser, bridge.url, f"#/jobs/{job_id}") as other:
            other.get_by_role("button", name="Cancel…").click()
            other.get_by_role("dialog").get_by_role("button", name="No, go back").click()
            expect(other.get_by_role("dialog")).to_have_count(0)
            other.get_by_role("button", name="Cancel…").click()
            other.get_by_role("button", name="Yes, cancel it").click()
            expect(other.get_by_role("heading", level=1)).to_contain_text("CANCELLED")
        expect(row).to_contain_text("CANCELLED")


def test_a_failed_job_runs_again(bridge: Bridge, browser: Browser) -> None:
    job_id = submitted(bridge, "/qaqc/run")
    bridge.wait_until_finished(job_id)
    with opened(browser, bridge.url, f"#/jobs/{job_id}") as page:
        expect(page.get_by_role("log")).to_contain_text("the datastore is not there")
        page.get_by_role("button", name="Run again…").click()
        page.get_by_role("button", name="Yes, run it again").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("PENDING")
        expect(page.get_by_text("Put back into the queue", exact=True)).to_be_visible()


def test_a_group_of_failures_runs_again(bridge: Bridge, browser: Browser) -> None:
    job_ids = [submitted(bridge, "/qaqc/run") for _ in range(2)]
    for job_id in job_ids:
        bridge.wait_until_finished(job_id)
    with opened(browser, bridge.url) as page:
        group = page.get_by_role("listitem").filter(has_text="qaqc failed with exit code 1")
        expect(group).to_contain_text("on n1: 2")
        group.get_by_role("button", name="Run again…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Which").select_option("on n1")
        expect(dialog).to_contain_text(f"2 jobs would run again: {', '.join(job_ids)}")
        assert {bridge.get(f"/jobs/{job_id}").body["restarts"] for job_id in job_ids} == {0}
        dialog.get_by_label("How many a minute").fill("30")
        dialog.get_by_role("button", name="Yes, run 2 jobs again").click()
        expect(page.get_by_role("status")).to_contain_text("2 jobs wait to run again")
        expect(group).to_have_count(0)
    assert {bridge.get(f"/jobs/{job_id}").body["state"] for job_id in job_ids} == {"PENDING"}


def test_a_thing_has_its_jobs(bridge: Bridge, browser: Browser) -> None:
    with opened(browser, bridge.url, "#/") as page:
        page.get_by_role("link", name=f"thing {THING}").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(THING)
        expect(page.get_by_text("Last parse that ended well")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("job [0-9]+"))).to_have_count(1)


def test_an_outage_and_its_end(bridge: Bridge, browser: Browser, slurm: PrivateSlurm) -> None:
    with opened(browser, bridge.url) as page:
        expect(page.get_by_text(re.compile("^live, "))).to_be_visible()
        slurm.pause_controller()
        try:
            expect(page.get_by_role("alert")).to_contain_text("The Slurm controller does not answer.")
            expect(page.get_by_text(re.compile("^not live, "))).to_be_visible()
        finally:
            slurm.resume_controller()
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.get_by_text(re.compile("^live, "))).to_be_visible()


def test_a_hidden_page_asks_for_nothing(bridge: Bridge, browser: Browser) -> None:
    with opened(browser, bridge.url) as page:
        expect(page.get_by_text(re.compile("^live, "))).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        hide = "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
        tell = "document.dispatchEvent(new Event('visibilitychange'))"
        page.evaluate(hide.format("true") + tell)
        page.wait_for_timeout(500)  # what was asked before is answered
        asked.clear()
        page.wait_for_timeout(7000)
        assert asked == []
        page.evaluate(hide.format("false") + tell)
        expect(page.get_by_text(re.compile("^live, [0-3] s"))).to_be_visible()
        assert asked != []


def test_scopes_decide_what_is_shown(shared_folder: Path, environment: dict[str, str], browser: Browser) -> None:
    folder = owned_folder(shared_folder / "guarded")
    file = TokenFile.as_operator(folder / "tokens.json")
    reader, submitter = create_token(file, "ada", Scope.READ), create_token(file, "bob", Scope.SUBMIT)
    everything = create_token(file, "eve", Scope.READ, Scope.SUBMIT, Scope.CANCEL)
    with running_bridge(folder, {**environment, "BRIDGE_TOKEN_FILE": str(file.path)}) as bridge:
        body = bridge.send("POST", "/extractor/run", PARSE_BODY, {"Authorization": f"Bearer {everything}"}).body
        job_id = re.findall(rb'"job_id":"([0-9]+)"', body)[0].decode()
        with opened(browser, bridge.url, f"#/jobs/{job_id}") as page:
            for token, refusal in (("nonsense", "does not know this token"), (submitter, "lacks the scope `read`")):
                sign_in(page, token)
                expect(page.get_by_role("alert")).to_contain_text(refusal)
            sign_in(page, reader)
            expect(page.get_by_role("heading", level=1)).to_contain_text("RUNNING")
            expect(page.get_by_text("ada")).to_be_visible()
            expect(page.get_by_role("link", name="Submit")).to_have_count(0)
            expect(page.get_by_role("button", name="Cancel…")).to_have_count(0)
            page.reload()
            expect(page.get_by_role("heading", level=1)).to_contain_text("RUNNING")
            page.get_by_role("button", name="Sign out").click()
            sign_in(page, everything)
            expect(page.get_by_role("link", name="Submit")).to_be_visible()
            page.get_by_role("button", name="Cancel…").click()
            page.get_by_role("button", name="Yes, cancel it").click()
            expect(page.get_by_role("heading", level=1)).to_contain_text("CANCELLED")
            assert page.evaluate("localStorage.length") == 0
            assert everything not in page.url


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
