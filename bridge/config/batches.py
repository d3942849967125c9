"""Settings of batches: the table `batch` of the settings file."""

from pydantic import BaseModel, ConfigDict, Field


class BatchSettings(BaseModel):
    """What the operator decides for requests of many jobs, and for the lane `bulk`, in which they may run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_items: int = Field(
        1000, gt=0, le=10_000, description="Jobs in one batch; a thousand are submitted in a fraction of a second"
    )
    max_body_bytes: int = Field(
        2**22,
        ge=1024,
        le=2**26,
        description="Body of a batch, in bytes; a thousand items take 0.5 MiB, with long signed addresses 2 MiB. One "
        "more gets 413",
    )
    bulk_partition: str | None = Field(
        None, description="Partition of jobs in the lane `bulk`; left out, that of their kind"
    )
    bulk_qos: str | None = Field(None, description="Quality of service of jobs in the lane `bulk`, as the partition")
    bulk_nice: int = Field(
        1_000_000,
        ge=-2147483645,
        le=2147483645,
        description="How much later than others jobs in the lane `bulk` may start (`--nice`), instead of the number of "
        "their kind; behind all live jobs, as long as a priority is below a million",
    )
    bulk_running_max: int | None = Field(
        None,
        gt=0,
        description="Jobs of one batch in the lane `bulk` that may run at once; left out, as many as there is room "
        "for. They are shared out among the arrays of the batch, each of which may run one at least",
    )
