"""The cases of `field/*.txt`: a logger's file, the settings of its thing, and what the datastore then holds.

== name of the case
file: toa5.dat                   a file of `field/files`, or its lines:
> time,a
> 2021-01-01 00:00:00,1
CsvParser {"header": 4}          the parser, and its settings (CsvParser: changes to `things.CSV`)
2021-01-01 00:00:00 | 1 5.5 | 2 'x'    the observations of each time (UTC): position and value
says: 2 rows had …               how the job's last line ends
error: line 3: …                 or: what it says where it fails
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.extractor import things

FOLDER = Path(__file__).parent / "field"


@dataclass
class Case:
    """One file, and what becomes of it."""

    name: str
    file: str | None = None
    content: list[str] = field(default_factory=list)
    parser: str = "CsvParser"
    settings: dict[str, Any] = field(default_factory=dict)
    outcome: list[str] = field(default_factory=list)

    @property
    def properties(self) -> dict[str, Any]:
        """`thing.properties`."""
        settings = {**things.CSV, **self.settings} if self.parser == "CsvParser" else self.settings
        return {"parsers": [{"type": self.parser, "settings": settings}]}

    def path(self, folder: Path) -> Path:
        """The file; its lines are written into `folder`."""
        if self.file:
            return FOLDER / "files" / self.file
        path = folder / "file"
        path.write_text("".join(f"{line}\n" for line in self.content), encoding="utf-8")
        return path


def load() -> list[Case]:
    """All cases, in the order of the files and lines."""
    cases: list[Case] = []
    for path in sorted(FOLDER.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            _take(line, cases)
    return cases


def _take(line: str, cases: list[Case]) -> None:
    if line.startswith("== "):
        cases.append(Case(line[3:]))
    elif line.startswith("file: "):
        cases[-1].file = line[6:]
    elif line == ">" or line.startswith("> "):
        cases[-1].content.append(line[2:])
    elif line.partition(" ")[2].startswith("{"):
        cases[-1].parser, _, text = line.partition(" ")
        cases[-1].settings = json.loads(text)
    elif line and not line.startswith("#"):
        cases[-1].outcome.append(line)
