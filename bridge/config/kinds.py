"""Settings of the kinds of jobs: one table of the settings file for each kind."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

# Of `cause` of GET /failures, those after which another run may end well.
_PASSING_CAUSE = re.compile(
    r"(?:exit_code|signal)_[1-9][0-9]{0,2}|launch_failure|node_failure|out_of_memory|preemption|time_limit"
)
_WRONG_DATA = "exit_code_1"
_BOUNDS = {"out_of_memory": "retry_memory_max_mib", "time_limit": "retry_time_max_minutes"}


def _passing_cause(cause: str) -> str:
    if not _PASSING_CAUSE.fullmatch(cause) or cause == _WRONG_DATA:
        raise ValueError(
            "must be node_failure, preemption, launch_failure, out_of_memory, time_limit, or like exit_code_75 and "
            "signal_9; exit code 1 means that the data are wrong, and another run would find them wrong again"
        )
    return cause


PassingCause = Annotated[str, AfterValidator(_passing_cause)]


class KindSettings(BaseModel):
    """What the operator decides for one kind of job. What is left out is the cluster's choice (its own defaults)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extractor_command: Annotated[tuple[str, ...], Field(min_length=2)] = Field(
        description="The extractor: an interpreter that reads a Python program from standard input, with its "
        "arguments, then the path of the extractor's main program"
    )
    partition: str | None = Field(None, description="Partition (`--partition`)")
    account: str | None = Field(None, description="Account to charge (`--account`)")
    qos: str | None = Field(None, description="Quality of service (`--qos`)")
    time_limit_minutes: int = Field(
        240,
        ge=0,
        lt=2**31,
        description="Time limit in minutes (`--time`): an hour for a source (`source_max_minutes`), the rest for what "
        "comes after; 0 leaves it to the partition. One whose `MaxTime` is shorter needs a shorter one here",
    )
    memory_mib: Annotated[int, Field(gt=0, lt=2**31)] | None = Field(
        None, description="Memory of a job in MiB (`--mem`)"
    )
    cpus: int = Field(1, gt=0, lt=2**15, description="CPUs of a job (`--cpus-per-task`); an extractor uses one")
    nice: int = Field(
        0, ge=-2147483645, le=2147483645, description="How much later than others it may start (`--nice`)"
    )
    retry_causes: frozenset[PassingCause] = Field(
        frozenset(),
        description="After which faults a job runs again by itself, in the words of `cause` in `GET /failures`: "
        '`["exit_code_75", "preemption"]`. Never after wrong data (exit code 1)',
    )
    retry_attempts: int = Field(
        5, ge=2, le=100, description="How often such a job runs at most, its first run and those by Slurm counted"
    )
    retry_pause_seconds: int = Field(
        120,
        ge=1,
        le=86400,
        description="Pause before the second run, doubled for each later one; Slurm's own, two minutes, is the least",
    )
    retry_pause_max_seconds: int = Field(3600, ge=1, le=86400, description="The longest such pause")
    retry_memory_max_mib: Annotated[int, Field(gt=0, lt=2**31)] | None = Field(
        None,
        description="After `out_of_memory` a job gets twice the memory, up to so many MiB; after `signal_9` too, as "
        "which it ends on a cluster without cgroups",
    )
    retry_time_max_minutes: Annotated[int, Field(gt=0, lt=2**31)] | None = Field(
        None, description="After `time_limit` a job gets twice the time, up to so many minutes"
    )

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        for cause, bound in _BOUNDS.items():
            if cause in self.retry_causes and getattr(self, bound) is None:
                raise ValueError(f"retry_causes has {cause}, which needs {bound}")
        return self
