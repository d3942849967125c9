"""Requests and settings that tests share."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from bridge.config.kinds import KindSettings
from bridge.config.settings import KIND_TABLES, PREFIX, Settings
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.metadata import JobMetadata
from bridge.slurm.messages import JobDescriptor, JobSnapshot

THING = "ce2b4fb6-d9de-11eb-a236-125e5a40a845"
OUTPUT_FOLDER = Path("/work/sontsm")
PARSE_BODY: dict[str, Any] = {
    "parser": "CsvParser",
    "target": "postgresql://tsm:secret@db.example/tsm",
    "source": "https://storage.example/bucket/file.csv?X-Amz-Signature=secret",
    "thing_uuid": THING,
}
QAQC_BODY = {"target": "postgresql://tsm:secret@db.example/tsm", "thing_uuid": THING}


HASHES = IdentityHashes(b"secret")


def bridge_metadata(key: str = "key-1", digest: str = "digest-1") -> JobMetadata:
    """Of a job that a bridge with the secret of `HASHES` has submitted."""
    return JobMetadata("parse", UUID(THING), "request-1", key, digest, tag=HASHES.new_tag(key, digest))


def settings(**changes: Any) -> Settings:
    """Settings that need nothing from outside."""
    kind = KindSettings(extractor_command=("/opt/extractor/bin/python", "/opt/extractor/main.py"))
    return Settings(**{**dict.fromkeys(KIND_TABLES, kind), **changes})


def of_each_kind(setting: str, value: str) -> dict[str, str]:
    """Variables that set `setting` to `value` for every kind of job."""
    return {f"{PREFIX}{kind}__{setting}".upper(): value for kind in KIND_TABLES}


def descriptor(output_folder: Path, **changes: Any) -> JobDescriptor:
    """A job of a second, unless told otherwise."""
    comment = JobMetadata("parse", UUID(THING), "request-1", uuid4().hex, "digest-1").to_json()
    fields: dict[str, Any] = {
        "name": "parse",
        "script": "#!/bin/sh\nsleep 1\n",
        "environment": {"PATH": "/usr/bin:/bin"},
        "comment": comment,
        "working_folder": str(output_folder),
        "stdout_path": f"{output_folder}/parse-%j.out",
        "stderr_path": f"{output_folder}/parse-%j.err",
        "partition": None,
        "account": None,
        "qos": None,
        "time_limit_minutes": None,
        "memory_mib": 10,
        "cpus": 1,
        "nice": 0,
    }
    return JobDescriptor(**{**fields, **changes})


def running_job(**changes: Any) -> JobSnapshot:
    """A job that runs, unless told otherwise."""
    fields: dict[str, Any] = {
        "job_id": "17",
        "comment": "",
        "state": "RUNNING",
        "state_reason": None,
        "exit_code": 0,
        "signal": 0,
        "submit_time": 1_767_323_040,
        "start_time": 1_767_323_042,
        "end_time": 1_767_326_642,
        "nodes": "n1",
        "partition": "normal",
        "restarts": 0,
    }
    return JobSnapshot(**{**fields, **changes})
