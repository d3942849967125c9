"""Whether everything that Slurm can say of a job has a sentence of its own: its header and libslurm's words."""

import ctypes
import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bridge.jobs.status.explanations import explain
from bridge.slurm.messages import JobSnapshot
from bridge.slurm.states import FINISHED_STATES
from tests.support import slurm_installation

HEADER = slurm_installation.header("slurm.h")
LIBSLURM = ctypes.CDLL(str(slurm_installation.library()))
JOB = JobSnapshot("17", "", "PENDING", None, 0, 0, 0, None, None, None, "normal", 0)
OWN_CASES = {"PENDING", "CANCELLED", "FAILED"}  # what is said depends on more than the state


def enumeration(name: str) -> list[str]:
    """The names of an enumeration of the header; their places are their numbers."""
    block = re.search(rf"enum {name} {{(.*?)}}", HEADER, re.DOTALL)
    assert block is not None
    return re.findall(r"^\s*(\w+)", re.sub(r"/\*.*?\*/", "", block[1], flags=re.DOTALL), re.MULTILINE)


def words(function: str) -> Callable[[int], str]:
    """A function of libslurm that gives its word for a number."""
    call = LIBSLURM[function]
    call.argtypes, call.restype = [ctypes.c_uint32], ctypes.c_char_p
    return lambda number: call(number).decode()


STATES = [words("job_state_string")(number) for number in range(enumeration("job_states").index("JOB_END"))]
FLAGS_PART = HEADER.partition("JOB_STATE_FLAGS")[2].partition("READY_JOB_FATAL")[0]
FLAG_BITS = [int(bit) for bit in re.findall(r"#define\s+JOB_[A-Z_]+\s+SLURM_BIT\((\d+)\)", FLAGS_PART)]
FLAGS = {  # as a suffix of the base state, where libslurm has a word for the flag
    flag
    for bit in FLAG_BITS
    for flag in [words("job_state_string_complete")(1 << bit).removeprefix("PENDING").removeprefix(",")]
    if flag
}
UNUSED = "InvaildReason"  # libslurm's word for a number that it has no word for
REASONS = {
    name: word
    for number, name in enumerate(enumeration("job_state_reason"))
    if name not in ("WAIT_NO_REASON", "REASON_END") and (word := words("job_state_reason_string")(number)) != UNUSED
}


def test_the_header_is_read_right() -> None:
    assert (STATES[0], STATES[-1]) == ("PENDING", "OUT_OF_MEMORY")
    assert len(FLAG_BITS) >= len(FLAGS) > 10
    assert {"COMPLETING", "REQUEUED", "STOPPED"} <= FLAGS
    assert (REASONS["WAIT_HELD_USER"], REASONS["FAIL_OOM"]) == ("JobHeldUser", "OutOfMemory")
    assert len(REASONS) > 100


def test_every_state_and_flag_has_a_sentence() -> None:
    said = {word: explain(replace(JOB, state=word)) for word in {*STATES, *FLAGS} - OWN_CASES}
    assert [word for word, sentence in said.items() if word in sentence] == []
    assert_different(said)


@pytest.mark.parametrize("state", ["PENDING", "FAILED"])
def test_every_reason_has_a_sentence(state: str) -> None:
    """A job may wait for any reason, those of failures too; it fails for these only."""
    reasons = {word for name, word in REASONS.items() if state == "PENDING" or name.startswith("FAIL_")}
    said = {word: explain(replace(JOB, state=state, state_reason=word)) for word in reasons}
    assert [word for word, sentence in said.items() if sentence.endswith(f"Slurm's reason is {word}")] == []
    assert_different(said)


def test_finished_states_are_slurms() -> None:
    assert set(STATES) - FINISHED_STATES == {"PENDING", "RUNNING", "SUSPENDED"}
    assert FINISHED_STATES - set(STATES) == {"REVOKED"}  # a flag: another cluster has the job


def assert_different(said: dict[str, str]) -> None:
    words_of: dict[str, list[str]] = {}
    for word, sentence in said.items():
        words_of.setdefault(sentence, []).append(word)
    assert [several for several in words_of.values() if len(several) > 1] == []
