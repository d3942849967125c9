"""The JSON that clients get: one TypedDict a document, with the meaning of every member.

mypy compares what the answers are built from with these, and `bridge.http.openapi` makes their schemas of them.
Nothing is checked at run time.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic's dependency: of typing's own it reads nothing before Python 3.12

from bridge.core.text import anchored
from bridge.jobs.status.job_view import Origin
from bridge.slurm.job_ids import CURSOR, JOB_ID


def member(description: str, example: Any, **rules: Any) -> Any:
    """What a member means, an example, and further words of JSON Schema."""
    return Field(description=description, examples=[example], json_schema_extra=rules)


JobId = Annotated[
    str, member("Slurm's job id; an element of an array has one like `20_3`", "17", pattern=anchored(JOB_ID))
]
KindName = Annotated[str, member("What sort of job it is", "parse")]
ThingId = Annotated[str, member("For which thing", "ce2b4fb6-d9de-11eb-a236-125e5a40a845", format="uuid", maxLength=36)]
RequestId = Annotated[str, member("Id of the HTTP request", "abc94a085b7e4362a5a2dc4b0235a71b", minLength=1)]
StateName = Annotated[str, member("Slurm's own word for how the job stands", "COMPLETED", minLength=1)]
Href = Annotated[str, member("Address of the job", "/jobs/17", format="uri-reference")]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Seconds = Annotated[int, Field(ge=0)]


class JobReference(TypedDict):
    """Another job."""

    job_id: JobId
    href: Href


class SubmissionDocument(TypedDict):
    """What became of a submission. `code`, `err` and `out` are what older clients read."""

    job_id: JobId
    state: StateName
    kind: KindName
    thing_uuid: ThingId
    request_id: Annotated[str, member("Id of the request that made the job", "abc94a085b7e4362a5a2dc4b0235a71b")]
    href: Href
    code: Literal[0]
    err: Literal[""]
    out: Annotated[str, member("For people and object tags", "Submitted batch job 17", maxLength=256)]
    qaqc: NotRequired[
        Annotated[JobReference, Field(description="The quality-control job that follows it, where one was asked for")]
    ]


class BatchJobDocument(TypedDict):
    """The job of one item of a batch."""

    index: Annotated[int, member("The item's place in the batch; the first has 0", 0, minimum=0)]
    job_id: JobId
    href: Href
    qaqc: NotRequired[Annotated[JobReference, Field(description="As for a single job")]]


class BatchDocument(TypedDict):
    """What became of a batch. `code`, `err` and `out` are as for a single job."""

    array_job_ids: Annotated[
        list[str], member("Slurm's ids of the arrays that the jobs are elements of", ["20"], minItems=1)
    ]
    kind: KindName
    lane: Annotated[str, member("Where they run", "live")]
    request_id: RequestId
    jobs: Annotated[list[BatchJobDocument], Field(description="One an item, in their order", min_length=1)]
    code: Literal[0]
    err: Literal[""]
    out: Annotated[str, member("For people", "Submitted 2 batch jobs", maxLength=256)]


class JobFields(TypedDict):
    """A job, without who says so."""

    job_id: JobId
    kind: KindName
    thing_uuid: ThingId
    request_id: Annotated[str, member("Id of the request that made the job", "abc94a085b7e4362a5a2dc4b0235a71b")]
    state: StateName
    state_reason: Annotated[str | None, member("Slurm's reason for the state", "Resources")]
    finished: Annotated[bool, member("Whether it has ended", True)]
    succeeded: Annotated[bool, member("Whether it has ended well", True)]
    exit_code: Annotated[
        int | None, member("How its process ended; `null` before, and where `signal` or nothing says it", 0)
    ]
    signal: Annotated[int | None, member("The signal that ended its process", None)]
    submit_time: Annotated[Moment | None, member("RFC 3339, in UTC", "2026-11-24T00:59:01Z")]
    start_time: Annotated[Moment | None, member("`null` until it has started", "2026-11-24T00:59:01Z")]
    end_time: Annotated[Moment | None, member("`null` until it has ended", "2026-11-24T00:59:03Z")]
    expected_start_time: Annotated[
        Moment | None, member("An estimate of Slurm's, of a job that waits; `null` where it has none", None)
    ]
    time_limit_seconds: Annotated[
        Seconds | None, member("For how long it may run; `null` where there is no limit, or it is not known", 14400)
    ]
    queue_seconds: Annotated[Seconds | None, member("How long it waited", 0)]
    run_seconds: Annotated[Seconds | None, member("How long it ran", 2)]
    cpu_seconds: Annotated[
        Seconds | None, member("CPU time of its processes; `null` where accounting has not told of it", None)
    ]
    max_memory_bytes: Annotated[
        int | None, member("Resident memory of its processes at most, likewise", None, minimum=1)
    ]
    nodes: Annotated[str | None, member("Where it runs or ran", "n1")]
    partition: Annotated[str | None, member("Its partition", "normal")]
    restarts: Annotated[int, member("How often Slurm started it again", 0, minimum=0)]
    attempt: Annotated[int, member("Which of its runs this is", 1, minimum=1)]
    attempts_max: Annotated[
        int | None, member("How many runs it may have, after faults that may pass; `null`: one", None)
    ]
    array_job_id: Annotated[
        str | None, member("Id of the array that the job belongs to; `null`: it belongs to none", None)
    ]
    lane: Annotated[str, member("`live`, or `bulk`: behind live jobs", "live")]
    caller: Annotated[
        str | None, member("Who has submitted it; `null` where callers need no token", "dispatcher", minLength=1)
    ]
    after_job_ids: Annotated[
        list[str],
        member("The job that has to succeed before this one runs; of several, all have to end", ["17"]),
    ]
    replaced_by_job_id: Annotated[
        str | None,
        member("The job that took over the work of this one; this one was cancelled. `null`: none did", None),
    ]
    explanation: Annotated[
        str, member("Why it waits, or why it ended as it did, in one sentence", "finished normally", minLength=1)
    ]
    href: Href
    stdout_href: Annotated[str, member("What it printed", "/jobs/17/stdout", format="uri-reference")]
    stderr_href: Annotated[str, member("What it printed to standard error", "/jobs/17/stderr", format="uri-reference")]


AsOf = Annotated[Moment, member("When it stood like this", "2026-11-24T00:59:07.113Z")]


class JobDocument(JobFields):
    """How a job stands."""

    source: Annotated[
        Origin,
        member("Who says so; `memory`: it has ended and the controller has forgotten it", Origin.CONTROLLER.value),
    ]
    as_of: AsOf


class JobListDocument(TypedDict):
    """A page of a list, the newest job first."""

    jobs: list[JobDocument]
    next_cursor: Annotated[
        str | None,
        member("`cursor` of the next page; `null`: there are no more", "1764396000.17", pattern=anchored(CURSOR)),
    ]
    missing: Annotated[str | None, member("What could not be looked into, and why", None)]
    as_of: AsOf


class FieldErrorDocument(TypedDict):
    """One thing wrong with what a client sent."""

    field: Annotated[str, member("Its path", "thing_uuid")]
    message: Annotated[str, member("What is expected; never repeats the value", "is required", minLength=1)]


class ProblemDocument(TypedDict):
    """A fault (RFC 9457). `code`, `err` and `out` are what older clients read."""

    type: Annotated[str, member("Names the sort of fault", "urn:tsm-slurm-bridge:not-found", format="uri")]
    title: Annotated[str, member("The same in words", "Not found")]
    status: Annotated[int, member("The HTTP status", 404)]
    detail: Annotated[str, member("What happened and what to do", "There is nothing at this address.", minLength=1)]
    instance: Annotated[str, member("The path that was asked for", "/jobs/17")]
    request_id: RequestId
    retryable: Annotated[bool, member("Whether sending the same request again can help", False)]
    code: Annotated[int, member("Slurm's own error number, or 1", 1)]
    err: Annotated[str, member("Slurm's own words, or `detail`", "There is nothing at this address.")]
    out: Literal[""]
    errors: NotRequired[Annotated[list[FieldErrorDocument], Field(description="Every field at fault", min_length=1)]]
    idempotency_key: NotRequired[
        Annotated[
            str | None,
            member("Send the request again with this as `Idempotency-Key`", "27d5c35325ff4658bc06d513f53d4b11"),
        ]
    ]


class FoundDocument(TypedDict):
    """The answer for an id that a job has."""

    job_id: JobId
    status: Literal[200]
    job: JobDocument


class NotFoundDocument(TypedDict):
    """The answer for an id that no job has, or for which it could not be done."""

    job_id: Annotated[str, member("The text that was asked for", "99")]
    status: Annotated[int, member("The status of the problem", 404, minimum=400, maximum=599)]
    problem: ProblemDocument


class QueryDocument(TypedDict):
    """An answer for each id, in the order asked."""

    results: list[FoundDocument | NotFoundDocument]


class CancellingDocument(TypedDict):
    """The answer for a job that ends soon, or was cancelled before."""

    job_id: JobId
    status: Literal[202]
    job: JobDocument


class CancellationsDocument(TypedDict):
    """What became of each, in the order asked."""

    results: list[CancellingDocument | NotFoundDocument]


class HealthDocument(TypedDict):
    """The process answers."""

    status: Literal["ok"]


class CheckDocument(TypedDict):
    """How one dependency stands."""

    ok: bool
    detail: Annotated[str, member("In words", "answers", minLength=1)]


CheckName = Literal["controller", "failover", "accounting", "workers", "board", "nodes"]
Checks = dict[CheckName, CheckDocument]


class ReadyDocument(TypedDict):
    """Whether the service can do its work; `degraded`: without accounting, a backup controller or a node."""

    status: Literal["ready", "degraded", "not ready"]
    checks: Annotated[
        Checks,
        Field(
            description="One entry a dependency; `failover`, `accounting` where the cluster has them, `nodes` "
            "where bad ones are left out"
        ),
    ]


class SpecificationDocument(TypedDict):
    """An OpenAPI 3.1 document."""

    openapi: Literal["3.1.0"]
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    security: list[dict[str, Any]]
    paths: dict[str, dict[str, Any]]
    components: dict[str, dict[str, Any]]
