"""What the documentation says of routes, settings and errors is what the code does; its links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.support.errors_table import WHEN, errors_table, every_error
from tests.support.routes_table import routes_table
from tests.support.settings_table import settings_table

ROOT = Path(__file__).parents[2]
README_LINES_MAX = 250
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "container").rglob("*.md")]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
TABLES = {
    "README.md": (routes_table, "routes_table"),
    "docs/operators.md": (settings_table, "settings_table"),
    "docs/clients.md": (errors_table, "errors_table"),
}


def table_in(page: str, program: str) -> str:
    """The table that stands below the comment that names `program`."""
    below = (ROOT / page).read_text().split(f"<!-- made by: python -m tests.support.{program} -->\n")
    assert len(below) == 2, f"{page} has one table made by {program}"
    return below[1].partition("\n\n")[0] + "\n"


def anchors_of(page: Path) -> set[str]:
    """What `#...` may name in a page, as forges make it of its headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TABLES)
def test_a_generated_table_is_what_its_program_makes(page: str) -> None:
    make, program = TABLES[page]
    assert table_in(page, program) == make(), f"run python -m tests.support.{program}"


def test_every_error_has_its_explanation_and_no_other_has_one() -> None:
    assert set(WHEN) == set(every_error())


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES_MAX


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{link}: there is no such file"
        assert not anchor or anchor in anchors_of(target), f"{link}: there is no such heading"
