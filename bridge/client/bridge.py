"""The bridge, as a Python program calls it."""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Self
from urllib.parse import quote

import msgspec

from bridge.client.connection import Answer, Connection
from bridge.client.errors import RefusedError, WaitTimedOutError
from bridge.client.models import (
    Batch,
    FailureFilter,
    Failures,
    Job,
    JobPage,
    JobQueryResult,
    JobQueryResults,
    Kind,
    Lane,
    Rerun,
    Stream,
    Submission,
)

URL_VARIABLE, TOKEN_VARIABLE, TOKEN_FILE_VARIABLE = "TSM_BRIDGE_URL", "TSM_BRIDGE_TOKEN", "TSM_BRIDGE_TOKEN_FILE"
USUAL_URL = "http://localhost:5000"
PATIENCE_SECONDS = 60.0
BATCH_PATHS: Mapping[Kind, str] = {"parse": "/extractor/batch", "qaqc": "/qaqc/batch"}
HELD_SECONDS = 60.0  # for which the bridge is asked to hold an answer back
OUTPUT_PAUSE_SECONDS = 1.0  # between two looks for more output


class Bridge:
    """A bridge at `url`. Safe to use from many threads.

    A request without an answer, or with one that says "later", is sent again for `patience_seconds`; a submission
    carries an `Idempotency-Key`, so that makes one job all the same. Then `BridgeUnreachableError` is raised. All
    methods raise `NotAuthenticatedError` where `token` does not do, and `RefusedError` for other problems.
    """

    def __init__(
        self, url: str = USUAL_URL, *, token: str | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._connection = Connection(url, token, patience_seconds)

    @classmethod
    def from_environment(cls, *, patience_seconds: float = PATIENCE_SECONDS) -> Self:
        """The bridge that `TSM_BRIDGE_URL` names, with the token of `TSM_BRIDGE_TOKEN` or `TSM_BRIDGE_TOKEN_FILE`.

        Raises `OSError` where that file cannot be read, `ValueError` where the address is none.
        """
        token = os.environ.get(TOKEN_VARIABLE) or None
        file = os.environ.get(TOKEN_FILE_VARIABLE)
        if token is None and file:
            token = Path(file).read_text().strip()
        return cls(os.environ.get(URL_VARIABLE) or USUAL_URL, token=token, patience_seconds=patience_seconds)

    def submit_parse(
        self,
        *,
        parser: str,
        target: str,
        source: str,
        thing_uuid: str | uuid.UUID,
        qaqc: bool = False,
        key: str | None = None,
    ) -> Submission:
        """Have the file at the URI `source` parsed into the datastore at `target`, and with `qaqc` then checked.

        `key` is the `Idempotency-Key`: submitted again with it, also by another process, the same gets the same job.
        """
        body: dict[str, object] = {
            "parser": parser,
            "target": target,
            "source": source,
            "thing_uuid": str(thing_uuid),
        }
        if qaqc:  # older bridges do not know it
            body["qaqc"] = True
        return self._submit("/extractor/run", body, key)

    def submit_qaqc(
        self,
        *,
        target: str,
        thing_uuid: str | uuid.UUID,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        project_uuid: str | uuid.UUID | None = None,
        qc_settings_name: str | None = None,
        key: str | None = None,
    ) -> Submission:
        """Have the data of a thing in the datastore at `target` checked; `key` is as for `submit_parse`.

        Without a period (whose dates have their time zones) what has no label yet. `project_uuid` and
        `qc_settings_name` say which settings to use; without them the thing's default ones.
        """
        wanted = {
            "target": target,
            "thing_uuid": str(thing_uuid),
            "start_date": start_date and start_date.isoformat(),
            "end_date": end_date and end_date.isoformat(),
            "project_uuid": project_uuid and str(project_uuid),
            "qc_settings_name": qc_settings_name,
        }
        return self._submit("/qaqc/run", {name: value for name, value in wanted.items() if value is not None}, key)

    def submit_batch(
        self, kind: Kind, items: Sequence[Mapping[str, object]], *, lane: Lane = "live", key: str | None = None
    ) -> Batch:
        """Submit a job for each of `items`, which are as the bodies of single requests; `key` is for all of them.

        A batch that was interrupted is gone on with.
        """
        body = {"items": [dict(item) for item in items], "lane": lane}
        return self._post(BATCH_PATHS[kind], body, key).read(Batch)

    def status(self, job_id: str) -> Job:
        """How a job stands."""
        return _job(self._connection.ask("GET", _path(job_id)))

    def status_of_many(self, job_ids: Sequence[str]) -> tuple[JobQueryResult, ...]:
        """How up to 1000 jobs stand, in the order asked; an id that no job has is no error of the whole."""
        answer = self._connection.ask("POST", "/jobs/query", body={"ids": list(job_ids)})
        return answer.read(JobQueryResults).results

    def page(
        self,
        *,
        kind: str | None = None,
        states: Sequence[str] = (),
        thing_uuid: str | uuid.UUID | None = None,
        since: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> JobPage:
        """A page of the list of jobs, the newest first; `since` (with its time zone) is when they were submitted."""
        wanted = {
            "kind": kind,
            "state": list(states),
            "thing_uuid": thing_uuid and str(thing_uuid),
            "since": since and since.isoformat(),
            "limit": limit,
            "cursor": cursor,
        }
        answer = self._connection.ask("GET", "/jobs", query={name: value for name, value in wanted.items() if value})
        return answer.read(JobPage)

    def follow(self, job_id: str, *, timeout_seconds: float | None = None) -> Iterator[Job]:
        """How a job stands now, and after each change until it is over, successful or not.

        Raises `WaitTimedOutError` where it is not over after `timeout_seconds`.
        """
        until_seconds = float("inf") if timeout_seconds is None else monotonic() + timeout_seconds
        answer = self._connection.ask("GET", _path(job_id))
        job = _job(answer)
        yield job
        while not job.is_over:
            held_seconds = min(HELD_SECONDS, until_seconds - monotonic())
            if held_seconds <= 0:
                raise WaitTimedOutError(job)
            news = self._wait_for_news(job_id, answer.headers["ETag"], held_seconds)
            if news.status != 304:
                before, answer, job = job, news, _job(news)
                if job.is_over or (job.state, job.explanation) != (before.state, before.explanation):
                    yield job

    def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> Job:
        """How a job ended; raises what `follow` does."""
        *_, job = self.follow(job_id, timeout_seconds=timeout_seconds)
        return job

    def cancel(self, job_id: str) -> Job:
        """End a job. Returns how it stood before; to cancel it again is no error."""
        return _job(self._connection.ask("DELETE", _path(job_id)))

    def cancel_many(self, job_ids: Sequence[str]) -> tuple[JobQueryResult, ...]:
        """End up to 1000 jobs, as those of a batch; what is wrong with one is no error of the whole."""
        answer = self._connection.ask("POST", "/jobs/cancel", body={"ids": list(job_ids)})
        return answer.read(JobQueryResults).results

    def retry(self, job_id: str) -> Job:
        """Run a job again that has ended, with all that it had. Returns how it stands then."""
        return _job(self._connection.ask("POST", f"{_path(job_id)}/retry"))

    def failures(
        self, *, kind: str | None = None, thing_uuid: str | uuid.UUID | None = None, since: datetime | None = None
    ) -> Failures:
        """The jobs that ended badly, as the bridge remembers them; `since` (with its time zone) is when they ended."""
        wanted = {
            "kind": kind,
            "thing_uuid": thing_uuid and str(thing_uuid),
            "since": since and since.isoformat(),
        }
        query = {name: value for name, value in wanted.items() if value}
        return self._connection.ask("GET", "/failures", query=query).read(Failures)

    def retry_failures(self, wanted: FailureFilter, *, dry_run: bool = False, per_minute: int | None = None) -> Rerun:
        """Run jobs again that ended badly: `wanted` is that of a group of `failures`, or a narrower one.

        `per_minute` is how many of them may begin in a minute. The same call, made again, runs none a second time.
        """
        pace = {} if per_minute is None else {"per_minute": per_minute}
        body = {"filter": msgspec.to_builtins(wanted), "dry_run": dry_run, **pace}
        return self._connection.ask("POST", "/failures/retry", body=body).read(Rerun)

    def output(self, job_id: str, stream: Stream = "stderr", *, tail_bytes: int | None = None) -> bytes:
        """What a job has printed so far, or the last `tail_bytes` of it; credentials in it are hidden."""
        query = None if tail_bytes is None else {"tail": tail_bytes}
        return self._connection.ask("GET", f"{_path(job_id)}/{stream}", query=query).body

    def follow_output(self, job_id: str, stream: Stream = "stderr") -> Iterator[bytes]:
        """What a job has printed, and then what it prints, until it is over."""
        size_bytes, is_over = 0, False
        while not is_over:
            is_over = self.status(job_id).is_over  # asked first: what it printed last is read after its end
            more = self._output_from(job_id, stream, size_bytes)
            size_bytes += len(more)
            if more:
                yield more
            if not is_over:
                sleep(OUTPUT_PAUSE_SECONDS)

    def _submit(self, path: str, body: Mapping[str, object], key: str | None) -> Submission:
        return self._post(path, body, key).read(Submission)

    def _post(self, path: str, body: Mapping[str, object], key: str | None) -> Answer:
        return self._connection.ask("POST", path, body=body, headers={"Idempotency-Key": key or uuid.uuid4().hex})

    def _wait_for_news(self, job_id: str, tag: str, held_seconds: float) -> Answer:
        """The job once it is not as `tag` says, or 304."""
        query = {"wait": round(held_seconds, 3)}
        headers = {"If-None-Match": tag}
        answer = self._connection.ask("GET", _path(job_id), query=query, headers=headers, held_seconds=held_seconds)
        sleep(min(answer.pause_seconds, held_seconds))  # the bridge lets only so many wait
        return answer

    def _output_from(self, job_id: str, stream: Stream, first_byte: int) -> bytes:
        headers = {"Range": f"bytes={first_byte}-"}
        try:
            return self._connection.ask("GET", f"{_path(job_id)}/{stream}", headers=headers).body
        except RefusedError as error:
            if error.problem.status in (404, 416):  # it has printed nothing yet, or nothing more
                return b""
            raise


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def _job(answer: Answer) -> Job:
    return answer.read(Job)
