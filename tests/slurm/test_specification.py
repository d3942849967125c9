"""schemathesis on the running service: thousands of requests made from `/openapi.json`, and every answer as it says."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge_process import ROOT, Bridge, running_bridge, service_environment
from tests.support.contract import closed
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY
from tests.support.schemathesis_batches import BATCH_ITEMS_MAX

CASES_MIN = 2000
EXAMPLES = "200"  # of each operation, at most; small ones run out of different requests earlier
SEED = "20261124"
RESPONSE_SECONDS = "20"


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """One whose queue has room for all that is submitted."""
    (shared_folder / "slurm").mkdir()
    with PrivateSlurm(shared_folder / "slurm", overrides={"MaxJobCount": "30000"}) as slurm:
        yield slurm


@pytest.fixture
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    """A service with a job that has ended; those that follow wait for ever, for their partition is down."""
    command = ["/usr/bin/python3", "/usr/bin/true"]
    environment = service_environment(slurm, shared_folder, command, BRIDGE_DENIED_HOSTS="[]")  # no schema tells these
    with running_bridge(shared_folder, environment) as bridge:
        bridge.wait_until_finished(bridge.post("/extractor/run", PARSE_BODY).body["job_id"])
        slurm.run("scontrol", "update", "PartitionName=normal", "State=DOWN")
        yield bridge


def test_the_service_keeps_to_its_specification(bridge: Bridge, tmp_path: Path) -> None:
    specification = tmp_path / "openapi.json"
    specification.write_text(json.dumps(with_short_batches(closed(bridge.get("/openapi.json").body))))
    report = run_schemathesis(specification, bridge.url, tmp_path)
    assert (report["failures"], report["errors"]) == ([], [])
    assert report["operations"]["tested"] == report["operations"]["total"]
    assert report["test_cases"]["generated"] >= CASES_MIN
    assert bridge.get("/health").status == 200


def with_short_batches(document: dict[str, Any]) -> dict[str, Any]:
    """The same, with batches of `BATCH_ITEMS_MAX` items at most: to make up addresses for more takes a second each."""
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("BatchRequest"):
            schema["properties"]["items"]["maxItems"] = BATCH_ITEMS_MAX
    return document


def run_schemathesis(specification: Path, url: str, folder: Path) -> dict[str, Any]:
    """All of its phases and checks; its report."""
    report = folder / "report.json"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={ROOT}/tests/support/schemathesis.toml",
        "run",
        str(specification),
        f"--url={url}",
        f"--max-examples={EXAMPLES}",
        f"--seed={SEED}",
        f"--max-response-time={RESPONSE_SECONDS}",
        f"--request-timeout={RESPONSE_SECONDS}",
        "--continue-on-failure",
        "--exclude-checks=use_after_free",  # a job that was cancelled is still there, and says so
        "--workers=4",
        "--report=json",
        f"--report-json-path={report}",
        "--no-color",
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    print(done.stdout)
    result: dict[str, Any] = json.loads(report.read_text())
    return result
