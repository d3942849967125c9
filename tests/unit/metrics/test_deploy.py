"""The alert rules and the dashboard of deploy/: promtool tries the rules, and every figure that they name is there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.services import Services
from tests.support.application import FAST
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import settings

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES_TEST = Path(__file__).with_name("alerts_test.yml")
BY_KIND = re.compile(r"tsm_bridge_(jobs|job_\w+|oldest_waiting_seconds|submissions)(_\w+)?\b")
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is in the box")


def expressions() -> Iterator[tuple[str, str]]:
    """Where it stands, and what Prometheus is asked."""
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["label"], variable["query"]["query"]
    yield "alerts.yml", (DEPLOY / "alerts.yml").read_text()


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Names of all samples."""
    metrics = Services.of(settings(), MemoryGateway(), b"secret", FAST).metrics
    found: set[str] = set()
    for family in text_string_to_metric_families(metrics.text().decode()):
        found.update(sample.name for sample in family.samples)
        found.update(f"{family.name}{ending}" for ending in _ENDINGS[family.type])
    return found


_ENDINGS: dict[str, tuple[str, ...]] = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_every_figure_that_is_named_is_there(names: set[str], place: str, expression: str) -> None:
    named = set(re.findall(r"\btsm_bridge_\w+", expression))
    assert named
    assert named <= names, place


def test_the_dashboard_is_filtered_by_bridge_and_kind() -> None:
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
    assert {"instance", "kind"} <= {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            assert 'instance=~"$instance"' in target["expr"]
            assert 'kind=~"$kind"' in target["expr"] or not BY_KIND.search(target["expr"])


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    promtool("check", "rules", str(DEPLOY / "alerts.yml"))


@needs_promtool
def test_each_rule_fires_where_it_has_to_and_only_there(tmp_path: Path) -> None:
    for file in (DEPLOY / "alerts.yml", RULES_TEST):
        shutil.copy(file, tmp_path)
    promtool("test", "rules", str(tmp_path / RULES_TEST.name))


def test_each_rule_has_a_test() -> None:
    rules = set(re.findall(r"alert: (\w+)", (DEPLOY / "alerts.yml").read_text()))
    tests = RULES_TEST.read_text()
    assert rules
    for rule in rules:
        assert f"alertname: {rule}" in tests, "where all is well"
        assert f'alertname="{rule}"' in tests, "where it fires"
