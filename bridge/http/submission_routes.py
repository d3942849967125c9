"""The routes by which jobs are submitted, one by one and in batches: two for each kind of jobs."""

from dataclasses import dataclass

from bridge.core.errors import (
    AlreadyFinishedError,
    ControllerUnreachableError,
    IdempotencyMismatchError,
    InvalidRequestError,
    MalformedJsonError,
    OutcomeUnknownError,
    OverloadedError,
    SlurmRefusedError,
    UnsupportedMediaTypeError,
)
from bridge.core.scopes import Scope
from bridge.http.documents.job_json import batch_document, submission_document
from bridge.http.documents.response_models import BatchDocument, SpecificationDocument, SubmissionDocument
from bridge.http.openapi import examples
from bridge.http.openapi.operation import JSON, Answer, Errors, Operation, Route
from bridge.http.resources.submissions import SubmissionResource
from bridge.jobs.requests.batches import BatchRequest, batch_model
from bridge.jobs.requests.kinds import JOB_KINDS, JobKind, JobRequest
from bridge.jobs.submission.attempts import Submission
from bridge.jobs.submission.batches import BatchSubmission
from bridge.services import Services


@dataclass(frozen=True, slots=True)
class ResourceParts:
    """What resources are made of."""

    services: Services
    document: SpecificationDocument


BODY: Errors = (MalformedJsonError, UnsupportedMediaTypeError, InvalidRequestError)
_SUBMITTING: Errors = (
    *BODY,
    IdempotencyMismatchError,
    SlurmRefusedError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    OverloadedError,
)

_AGAIN = "A request that was not answered may be sent again with the same `Idempotency-Key`: it gets the same job."
_SUBMITTED = (
    Answer(202, "The job has been submitted.", SubmissionDocument, JSON, examples.SUBMISSION, ("Location",)),
    Answer(
        200,
        "The job that an earlier request with this `Idempotency-Key` made.",
        SubmissionDocument,
        JSON,
        examples.SUBMISSION,
        ("Location", "Idempotency-Replayed"),
    ),
)
_BATCH = (
    Answer(202, "The jobs have been submitted.", BatchDocument, JSON, examples.BATCH),
    Answer(
        200,
        "The jobs that an earlier request with this `Idempotency-Key` made.",
        BatchDocument,
        JSON,
        examples.BATCH,
        ("Idempotency-Replayed",),
    ),
)


def _submission_route(kind: JobKind) -> Route:
    def make(parts: ResourceParts) -> SubmissionResource[JobRequest, Submission]:
        services = parts.services
        return SubmissionResource(
            kind.request, services.request_rules, services.submitter, submission_document, services.slurm_limit
        )

    return Route(
        kind.path,
        make,
        (
            Operation(
                method="POST",
                id=f"submit{kind.name.capitalize()}",
                scope=Scope.SUBMIT,
                does=kind.summary,
                more=_AGAIN,
                body=kind.request,
                headers=("Idempotency-Key",),
                answers=_SUBMITTED,
                errors=_SUBMITTING,
            ),
        ),
    )


def _batch_route(kind: JobKind) -> Route:
    model = batch_model(kind)

    def make(parts: ResourceParts) -> SubmissionResource[BatchRequest, BatchSubmission]:
        services = parts.services
        return SubmissionResource(model, services.request_rules, services.batches, batch_document, services.slurm_limit)

    return Route(
        kind.batch_path,
        make,
        (
            Operation(
                method="POST",
                id=f"submit{kind.name.capitalize()}Batch",
                scope=Scope.SUBMIT,
                does=f"Submit many jobs of kind `{kind.name}` at once",
                more="They become elements of Slurm arrays; each is a job with an id of its own. Where an item is at "
                "fault nothing is submitted. A batch that was not answered, or answered 503, may be sent again with "
                "the same `Idempotency-Key`: it gets the same jobs, and those that are missing.",
                body=model,
                headers=("Idempotency-Key",),
                answers=_BATCH,
                errors=(*_SUBMITTING, AlreadyFinishedError),
            ),
        ),
    )


SUBMISSION_ROUTES = (*map(_submission_route, JOB_KINDS), *map(_batch_route, JOB_KINDS))
