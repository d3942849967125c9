"""A third kind of job, added as CONTRIBUTING says: four files change, and its route submits a job."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# File, the text before which something is put, and what that is.
CHANGES = [
    (
        "bridge/jobs/requests/kinds.py",
        "@dataclass(frozen=True, slots=True)\nclass JobKind:",
        '''class ExportRequest(JobRequest):
    """Export the thing's data."""

    kind = "export"

    format: ParserName = Field(description="Format of the export", examples=["netcdf"])

    def environment(self) -> dict[str, str]:
        """See `JobRequest`."""
        return {**super().environment(), "TSM_FORMAT": self.format}


''',
    ),
    (
        "bridge/jobs/requests/kinds.py",
        ")\nKIND_NAMES",
        '    JobKind(ExportRequest, "/export/run", "Submit a job that exports a thing\'s data"),\n',
    ),
    (
        "bridge/config/settings.py",
        '    host: str = Field("127.0.0.1"',
        '    export: KindSettings = Field(description="Jobs of kind `export`")\n',
    ),
    ("jobscripts/launch.py", '    "TSM_PARSER": "--parser",', '    "TSM_FORMAT": "--format",\n'),
]
TEMPLATE = """#!/bin/bash
set -eu
exec {{ interpreter }} - export {{ program }} <<'LAUNCHER'
{{ launcher }}
LAUNCHER
"""
PROGRAM = """
import json
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import QAQC_BODY, settings

gateway = MemoryGateway()
with running_application(gateway, settings()) as client:
    answer = client.simulate_post("/export/run", json={**QAQC_BODY, "format": "netcdf"})
    listed = client.simulate_get("/jobs?kind=export")
    described = "/export/run" in client.simulate_get("/openapi.json").json["paths"]
job = gateway.descriptors["1"]
print(json.dumps({
    "status": answer.status_code,
    "kind": answer.json["kind"],
    "listed": len(listed.json["jobs"]),
    "described": described,
    "name": job.name,
    "format": job.environment["TSM_FORMAT"],
    "script": " - export /opt/extractor/main.py" in job.script and '"TSM_FORMAT": "--format"' in job.script,
}))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("bridge", "jobscripts", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, addition in CHANGES:
        path = tmp_path / file
        text = path.read_text()
        assert text.count(before) == 1, f"{file} has {before!r} once"
        path.write_text(text.replace(before, addition + before))
    (tmp_path / "jobscripts" / "export.sh.j2").write_text(TEMPLATE)
    return tmp_path


def test_four_files_make_a_kind(checkout: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "status": 202,
        "kind": "export",
        "listed": 1,
        "described": True,
        "name": "export",
        "format": "netcdf",
        "script": True,
    }
    assert len({file for file, _, _ in CHANGES} | {"jobscripts/export.sh.j2"}) <= 4
