"""The kinds of jobs: what a client says to have one, and the registry of them.

CONTRIBUTING, "Add a job kind", says what else a new kind needs.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from bridge.jobs.requests.fields import Moment, ParserName, SettingsName, SourceUri, TargetUri, ThingUuid


class JobRequest(BaseModel):
    """What every kind asks for: which thing, in which datastore."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    kind: ClassVar[str]  # also the job's name, the stem of its script template, and its table in the settings

    target: TargetUri = Field(  # holds a password
        repr=False,
        description="URI (RFC 3986) of the thing's datastore; its host is one that the operator allows",
        examples=["postgresql://tsm:invented@db.example/tsm"],
    )
    thing_uuid: ThingUuid = Field(
        description="UUID (RFC 4122) of the thing", examples=["ce2b4fb6-d9de-11eb-a236-125e5a40a845"]
    )

    def environment(self) -> dict[str, str]:
        """The request as the job's environment: the only way in which it reaches the compute node."""
        return {"TSM_TARGET": self.target, "TSM_THING_UUID": str(self.thing_uuid)}

    @property
    def is_followed(self) -> bool:
        """Whether there is a `follow_up`."""
        return False

    def follow_up(self) -> "JobRequest | None":
        """What to do once this is done, in a job of its own."""
        return None


class ParseRequest(JobRequest):
    """Parse the raw file at `source` into the thing's datastore at `target`."""

    kind = "parse"

    parser: ParserName = Field(description="Name of the extractor's parser", examples=["CsvParser"])
    source: SourceUri = Field(  # its query string may be a credential
        repr=False,
        description="URI (RFC 3986) of the raw file; its host is one that the operator allows",
        examples=["https://storage.example/bucket/file.csv?signature=invented"],
    )

    qaqc: bool = Field(
        False,
        description="Submit a quality-control job as well, which runs once this one has succeeded",
        examples=[True],
    )

    def environment(self) -> dict[str, str]:
        """See `JobRequest`."""
        return {**super().environment(), "TSM_PARSER": self.parser, "TSM_SOURCE": self.source}

    @property
    def is_followed(self) -> bool:
        """See `JobRequest`."""
        return self.qaqc

    def follow_up(self) -> JobRequest | None:
        """See `JobRequest`. It checks what has no label yet, with the thing's default settings."""
        return QaqcRequest.model_construct(target=self.target, thing_uuid=self.thing_uuid) if self.qaqc else None


class QaqcRequest(JobRequest):
    """Run quality control on the thing's data in the datastore at `target`."""

    kind = "qaqc"

    start_date: Moment | None = Field(
        None,
        description="Check again what was observed then or later (RFC 3339); without a period, what has no label yet",
        examples=["2026-01-01T00:00:00Z"],
    )
    end_date: Moment | None = Field(
        None,
        description="Check again what was observed then or earlier (RFC 3339)",
        examples=["2026-02-01T00:00:00Z"],
    )
    project_uuid: ThingUuid | None = Field(
        None,
        description="UUID (RFC 4122) of the project whose settings to use, for all of its things that they name",
        examples=["2f8f5a3e-6d0f-4b1c-9a53-0c9a4f2a7b61"],
    )
    qc_settings_name: SettingsName | None = Field(
        None, description="Name of the settings to use; without it, the default ones", examples=["usual"]
    )

    @field_validator("end_date")
    @classmethod
    def _ends_after_its_start(cls, end: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start_date")
        if start is not None and end is not None and end < start:
            raise ValueError("must not lie before start_date")
        return end

    def environment(self) -> dict[str, str]:
        """See `JobRequest`. What was not asked for has no variable, so that older extractors do without it."""
        given = {
            "TSM_START": _text(self.start_date),
            "TSM_END": _text(self.end_date),
            "TSM_PROJECT_UUID": self.project_uuid,
            "TSM_QC_SETTINGS_NAME": self.qc_settings_name,
        }
        return {**super().environment(), **{name: str(value) for name, value in given.items() if value is not None}}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of jobs: the model of its requests, and the route that takes them."""

    request: type[JobRequest]
    path: str
    summary: str  # what the route does, for the OpenAPI document and the README

    @property
    def name(self) -> str:
        """As in `squeue`, and in the settings."""
        return self.request.kind

    @property
    def batch_path(self) -> str:
        """The route that takes many of them: `/extractor/batch` beside `/extractor/run`."""
        return f"{self.path.rpartition('/')[0]}/batch"


JOB_KINDS = (
    JobKind(ParseRequest, "/extractor/run", "Submit a job that parses a raw file into a thing's datastore"),
    JobKind(QaqcRequest, "/qaqc/run", "Submit a job that runs quality control on a thing's data"),
)
KIND_NAMES = tuple(kind.name for kind in JOB_KINDS)
