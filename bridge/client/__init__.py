"""A client of the bridge for Python programs: `Bridge`. It needs the extra `client` of the package."""

from bridge.client.bridge import Bridge
from bridge.client.errors import (
    BridgeClientError,
    BridgeUnreachableError,
    NotAuthenticatedError,
    RefusedError,
    WaitTimedOutError,
)
from bridge.client.models import Batch, BatchJob, FieldFault, Job, JobPage, JobQueryResult, Problem, Stream, Submission

__all__ = [
    "Batch",
    "BatchJob",
    "Bridge",
    "BridgeClientError",
    "BridgeUnreachableError",
    "FieldFault",
    "Job",
    "JobPage",
    "JobQueryResult",
    "NotAuthenticatedError",
    "Problem",
    "RefusedError",
    "Stream",
    "Submission",
    "WaitTimedOutError",
]
