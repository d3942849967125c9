"""Settings of the kinds of jobs: one table of the settings file for each kind."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


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
