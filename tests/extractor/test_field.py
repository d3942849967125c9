"""Files as loggers write them, and as they arrive: each is read right, or refused with a sentence."""

from pathlib import Path

import pandas as pd
import pytest

from extractor.parsing.columns import RESULT_NUMBER, RESULT_STRING
from tests.extractor import things
from tests.extractor.field_cases import Case, load


def outcome(case: Case, folder: Path) -> list[str]:
    """What the datastore holds after the job, and what the job's last line says beside the count."""
    target = f"sqlite:///{folder / 'data.sqlite'}"
    things.add(target, case.properties)
    path = case.path(folder)
    options = ("-p", case.parser, "-t", target, "-s", path.as_uri(), "-d", things.UUID_TEXT, "-m", "None")
    done = things.command("parse", *options, EXTRACTOR_FILE_ROOTS=str(path.parent))
    stored = things.observations(target)
    if done.returncode:
        assert stored.empty
        return [f"error: {things.failed(done, 1).partition(' ERROR ')[2]}"]
    last = done.stderr.strip().splitlines()[-1]
    counts = f"{len(stored):,} observations stored for thing {things.UUID_TEXT}, {len(stored):,} of them new or changed"
    assert counts in last
    remarks = last.partition(counts)[2].removeprefix(", ")
    return [*table(stored), *([f"says: {remarks}"] if remarks else [])]


def table(stored: pd.DataFrame) -> list[str]:
    """A line for each time."""
    lines: dict[str, list[str]] = {}
    for row in stored.itertuples():
        time = pd.Timestamp(row.result_time).tz_localize(None).isoformat(sep=" ")
        lines.setdefault(time, []).append(f"{row.position} {_value(row)}")
    return [" | ".join([time, *values]) for time, values in sorted(lines.items())]


def _value(row: object) -> str:
    kind, number, text, truth = (getattr(row, f"result_{name}") for name in ("type", "number", "string", "boolean"))
    if kind == RESULT_NUMBER:
        return repr(number).removesuffix(".0")
    return repr(text) if kind == RESULT_STRING else repr(bool(truth))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in load()])
def test_what_becomes_of_a_file(case: Case, tmp_path: Path) -> None:
    assert outcome(case, tmp_path) == case.outcome
