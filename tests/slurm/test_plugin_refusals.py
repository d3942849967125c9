"""What a job_submit plugin refuses: its words reach the client, on a Slurm with a real plugin in Lua."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.lua_plugin import slurm_with_plugin
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY

# The thing, which is in the job's comment, stands for what the plugin does.
SAYS_NO, IS_SILENT, HAS_A_NUMBER, LETS_PASS = (str(UUID(int=number)) for number in range(1, 5))
PLUGIN = f"""
function slurm_job_submit(job, partitions, uid)
    local function is_for(thing) return string.find(job.comment, thing, 1, true) end
    if is_for("{SAYS_NO}") then
        slurm.log_user("no project code: ask the help desk")
        return slurm.ERROR
    elseif is_for("{IS_SILENT}") then
        return slurm.ERROR
    elseif is_for("{HAS_A_NUMBER}") then
        slurm.log_user("two lines\\nof words")
        return 2076
    end
    slurm.log_user("your project ends soon")
    return slurm.SUCCESS
end
"""


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    with slurm_with_plugin(shared_folder / "slurm", PLUGIN) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    environment = service_environment(slurm, shared_folder, ["/bin/true", "main.py"], BRIDGE_WORKERS="1")
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


@pytest.mark.parametrize(
    ("thing", "code", "words"),
    [
        pytest.param(SAYS_NO, -1, "no project code: ask the help desk", id="words"),
        pytest.param(IS_SILENT, -1, "Unspecified error", id="no-words"),
        pytest.param(HAS_A_NUMBER, 2076, "two lines of words", id="number-and-words"),
    ],
)
@pytest.mark.parametrize("key", [None, "a-key"], ids=["without-key", "with-key"])
def test_a_plugins_refusal_is_one(bridge: Bridge, thing: str, code: int, words: str, key: str | None) -> None:
    answer = bridge.post("/qaqc/run", {**QAQC_BODY, "thing_uuid": thing}, key=key)
    assert (answer.status, answer.body["type"]) == (502, "urn:tsm-slurm-bridge:slurm-refused")
    assert (answer.body["code"], answer.body["retryable"], answer.headers["Retry-After"]) == (code, False, None)
    assert words in answer.body["err"]
    assert words in answer.body["detail"]
    assert "error:" not in answer.body["err"]


def test_words_for_one_job_are_not_told_of_another(bridge: Bridge) -> None:
    assert bridge.post("/qaqc/run", {**QAQC_BODY, "thing_uuid": LETS_PASS}).status == 202
    refused = bridge.post("/qaqc/run", {**QAQC_BODY, "thing_uuid": IS_SILENT})
    assert "project" not in refused.body["err"]
