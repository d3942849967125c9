"""What Slurm refuses, and what a client is told: on a cluster with accounting, limits and partitions of every kind."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bridge.slurm import errors
from tests.support import slurm_installation
from tests.support.accounting import ACCOUNT, running_accounting
from tests.support.bridge_process import Answer, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY

PARTITIONS = (
    "PartitionName=normal Default=YES Nodes=ALL State=UP MaxTime=INFINITE",
    "PartitionName=down Nodes=ALL State=DOWN",
    "PartitionName=inactive Nodes=ALL State=INACTIVE",
    "PartitionName=drained Nodes=ALL State=DRAIN",
    "PartitionName=short Nodes=ALL MaxTime=1",
)
JOBS_MAX = 8
OLDER_NAMES = {2007: "ESLURM_ERROR_ON_DESC_TO_RECORD_COPY"}  # up to Slurm 25.11
NUMBERS_SINCE_25 = {1021, 1022, 1023}  # Slurm 24.11 has not got them


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    with running_accounting(folder) as accounting:
        overrides = {**accounting, "EnforcePartLimits": "ALL", "MaxJobCount": str(JOBS_MAX)}
        with PrivateSlurm(folder, overrides=overrides, partitions=PARTITIONS) as slurm:
            yield slurm


@pytest.fixture
def answers(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Callable[..., Answer]]:
    """Submits a job of a kind with these settings, and returns the answer."""
    with ExitStack() as bridges:

        def submit(**settings: object) -> Answer:
            folder = shared_folder / f"bridge-{time.monotonic_ns()}"
            folder.mkdir()
            own = {f"BRIDGE_QAQC__{name.upper()}": str(value) for name, value in settings.items()}
            environment = service_environment(slurm, folder, ["/bin/true", "main.py"], **own)
            bridge = bridges.enter_context(running_bridge(folder, environment))
            return bridge.post("/qaqc/run", QAQC_BODY)

        yield submit


@pytest.mark.parametrize(
    ("settings", "status", "code", "words"),
    [
        pytest.param({"partition": "nowhere"}, 502, 2000, "partition", id="no-such-partition"),
        pytest.param({"partition": "inactive"}, 429, 2070, "partition", id="partition-inactive"),
        pytest.param({"partition": "drained"}, 429, 2070, "partition", id="partition-drained"),
        pytest.param({"account": "nobody"}, 502, 2045, "account", id="no-such-account"),
        pytest.param({"qos": "best"}, 502, 2066, "qos", id="no-such-qos"),
        pytest.param({"partition": "short", "time_limit_minutes": 5}, 502, 2051, "time limit", id="time-limit"),
        pytest.param({"memory_mib": 10_000_000}, 502, 2014, "configuration", id="too-much-memory"),
        pytest.param({"cpus": 500}, 502, 2005, "processors", id="too-many-cpus"),
        pytest.param({"nice": -5}, 502, 2123, "nice", id="nice"),
    ],
)
def test_a_refusal(
    answers: Callable[..., Answer], settings: dict[str, object], status: int, code: int, words: str
) -> None:
    answer = answers(**settings)
    assert_problem(answer, status, code)
    assert words in answer.body["err"].lower()


def test_an_account_and_a_qos_that_may_be_used_are_taken(answers: Callable[..., Answer]) -> None:
    assert answers(account=ACCOUNT, qos="normal").status == 202


def test_a_partition_that_is_down_keeps_the_job_waiting(answers: Callable[..., Answer], slurm: PrivateSlurm) -> None:
    answer = answers(partition="down")
    assert answer.status == 202
    shown = slurm.run("squeue", "--noheader", f"--jobs={answer.body['job_id']}", "--format=%T %r")
    assert shown.split() == ["PENDING", "PartitionDown"]


def test_a_limit_of_the_account(answers: Callable[..., Answer], slurm: PrivateSlurm) -> None:
    slurm.run("sacctmgr", "--immediate", "modify", "account", ACCOUNT, "set", "MaxSubmitJobs=0")
    try:
        assert_problem(answers(), 429, 2050)
    finally:
        slurm.run("sacctmgr", "--immediate", "modify", "account", ACCOUNT, "set", "MaxSubmitJobs=-1")


def test_more_jobs_wait_than_the_operator_allows(slurm: PrivateSlurm, shared_folder: Path) -> None:
    folder = shared_folder / "limited"
    folder.mkdir()
    limits = {"BRIDGE_MAX_PENDING_JOBS": "2", "BRIDGE_QAQC__PARTITION": "down"}
    environment = service_environment(slurm, folder, ["/bin/true", "main.py"], **limits)
    with running_bridge(folder, environment) as bridge:
        answers = [bridge.post("/qaqc/run", QAQC_BODY) for _ in range(3)]
    assert answers[0].status in (202, 429)  # one of the tests above may have left a job that waits
    assert answers[2].status == 429
    assert "max_pending_jobs" in answers[2].body["detail"]
    assert answers[2].headers["Retry-After"]


# The last that submits: it leaves the controller full.
def test_a_controller_that_is_full(answers: Callable[..., Answer], slurm: PrivateSlurm) -> None:
    while len(slurm.run("squeue", "--noheader", "--states=all").splitlines()) < JOBS_MAX:
        slurm.run("sbatch", "--chdir=/tmp", "--hold", "--output=/dev/null", "--wrap=true", user="sontsm")
    assert_problem(answers(), 429, 2007)


def assert_problem(answer: Answer, status: int, code: int) -> None:
    name = {429: "too-many-requests", 502: "slurm-refused"}[status]
    assert (answer.status, answer.body["type"]) == (status, f"urn:tsm-slurm-bridge:{name}")
    assert (answer.body["code"], answer.body["retryable"]) == (code, status == 429)
    assert (answer.headers["Retry-After"] is not None) is answer.body["retryable"]
    assert answer.body["err"] in answer.body["detail"]


def test_every_number_of_the_tables_has_slurms_own_name() -> None:
    names = _names_in(slurm_installation.header("slurm_errno.h"))
    for table in (errors.NOT_SENT, errors.OUTCOME_UNKNOWN, errors.FULL_FOR_NOW, errors.NOT_ACCEPTED_AS_CLIENT):
        for number, name in table.items():
            assert names.get(number, name) in (name, OLDER_NAMES.get(number))
            assert number in {*names, *NUMBERS_SINCE_25} or number < 1000


def _names_in(header: str) -> dict[int, str]:
    """The names of an enumeration in C, by number."""
    names, number = {}, 0
    for line in header.splitlines():
        words = line.replace("=", " = ").replace(",", " , ").split()
        if words and words[0].startswith(("SLURM", "ESLURM")) and len(words) > 1 and words[1] in ("=", ","):
            number = int(words[2]) if words[1] == "=" else number + 1
            names[number] = words[0]
    return names
