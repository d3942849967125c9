"""What each of Slurm's error numbers means to the client whose job was to be submitted."""

import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import (
    BridgeError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    SlurmRefusedError,
    TooManyRequestsError,
)
from bridge.slurm import errors
from bridge.slurm.client.slurm_gateway import SlurmGateway
from bridge.slurm.errors import submission_error
from bridge.slurm.messages import Failure


def numbers(table: dict[int, str], wanted: type[BridgeError]) -> list[object]:
    return [pytest.param(code, wanted, id=name) for code, name in table.items()]


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        *numbers(errors.NOT_SENT, ControllerUnreachableError),
        *numbers(errors.OUTCOME_UNKNOWN, OutcomeUnknownError),
        *numbers(errors.FULL_FOR_NOW, TooManyRequestsError),
        *numbers(errors.NOT_ACCEPTED_AS_CLIENT, SlurmRefusedError),
        pytest.param(-1, SlurmRefusedError, id="SLURM_ERROR"),
        pytest.param(0, OutcomeUnknownError, id="SLURM_SUCCESS"),
        pytest.param(4, OutcomeUnknownError, id="EINTR"),
        pytest.param(111, OutcomeUnknownError, id="ECONNREFUSED"),
        pytest.param(2000, SlurmRefusedError, id="ESLURM_INVALID_PARTITION_NAME"),
        pytest.param(2076, SlurmRefusedError, id="a-plugins-choice"),
        pytest.param(9999, SlurmRefusedError, id="a-later-releases"),
        pytest.param(errors.PYSLURM_REFUSED, SlurmRefusedError, id="pyslurms-own"),
    ],
)
def test_a_number_has_one_meaning(code: int, wanted: type[BridgeError]) -> None:
    error = submission_error(code, "Slurm's own words")
    assert type(error) is wanted
    assert error.slurm_code == code
    assert "Slurm's own words" in str(error)
    assert error.retryable is (wanted is not SlurmRefusedError)
    assert (error.retry_after_seconds is not None) is error.retryable


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        pytest.param(-1, SlurmRefusedError, id="SLURM_ERROR"),  # of a job_submit plugin
        pytest.param(2007, SlurmRefusedError, id="ESLURM_ACCESS_DENIED"),
        pytest.param(1800, ControllerUnreachableError, id="connection-refused"),
        pytest.param(errors.NO_ANSWER, ControllerUnreachableError, id="no-answer"),
    ],
)
def test_a_refused_release_is_no_silence_of_the_controller(
    code: int, wanted: type[BridgeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = SlurmGateway(slurm_conf_path=None, workers=1)
    monkeypatch.setattr(gateway._asker, "call", lambda _request, _deadline: Failure(code, "Slurm's own words"))
    with pytest.raises(BridgeError, match="Slurm's own words") as raised:
        gateway.release("17", Deadline.after(1))
    assert type(raised.value) is wanted


def test_no_number_is_in_two_tables() -> None:
    tables = (errors.NOT_SENT, errors.OUTCOME_UNKNOWN, errors.FULL_FOR_NOW, errors.NOT_ACCEPTED_AS_CLIENT)
    codes = [code for table in tables for code in table]
    assert len(codes) == len(set(codes))
