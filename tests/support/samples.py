"""Requests and settings that tests share."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from bridge.comments import JobComment
from bridge.settings import KINDS, PREFIX, KindSettings, Settings
from bridge.slurm.messages import JobDescriptor

THING = "ce2b4fb6-d9de-11eb-a236-125e5a40a845"
OUTPUT_FOLDER = Path("/work/sontsm")
PARSE_BODY = {
    "parser": "CsvParser",
    "target": "postgresql://tsm:secret@db.example/tsm",
    "source": "https://storage.example/bucket/file.csv?X-Amz-Signature=secret",
    "thing_uuid": THING,
}
QAQC_BODY = {"target": "postgresql://tsm:secret@db.example/tsm", "thing_uuid": THING}


def settings(**changes: Any) -> Settings:
    """Settings that need nothing from outside."""
    kind = KindSettings(extractor_command=("/opt/extractor/bin/python", "/opt/extractor/main.py"))
    return Settings(**{**dict.fromkeys(KINDS, kind), **changes})


def of_each_kind(setting: str, value: str) -> dict[str, str]:
    """Variables that set `setting` to `value` for every kind of job."""
    return {f"{PREFIX}{kind}__{setting}".upper(): value for kind in KINDS}


def descriptor(output_folder: Path, **changes: Any) -> JobDescriptor:
    """A job of a second, unless told otherwise."""
    comment = JobComment("parse", UUID(THING), "request-1", uuid4().hex, "digest-1").to_json()
    fields: dict[str, Any] = {
        "name": "parse",
        "script": "#!/bin/sh\nsleep 1\n",
        "environment": {"PATH": "/usr/bin:/bin"},
        "comment": comment,
        "working_folder": str(output_folder),
        "stdout_path": f"{output_folder}/%x-%j.out",
        "stderr_path": f"{output_folder}/%x-%j.err",
        "partition": None,
        "account": None,
        "qos": None,
        "time_limit_minutes": None,
        "memory_mib": 10,
        "cpus": 1,
        "nice": 0,
    }
    return JobDescriptor(**{**fields, **changes})
