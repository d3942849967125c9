"""A client of the bridge for Python programs: `Bridge`. It needs the extra `client` of the package."""

from bridge.client.bridge import Bridge
from bridge.client.errors import (
    BridgeClientError,
    BridgeUnreachableError,
    NotAuthenticatedError,
    RefusedError,
    WaitTimedOutError,
)
from bridge.client.models import (
    Batch,
    BatchJob,
    FailureFilter,
    FailureGroup,
    Failures,
    FieldFault,
    Job,
    JobPage,
    JobQueryResult,
    Problem,
    Rerun,
    Stream,
    Submission,
)

__all__ = [
    "Batch",
    "BatchJob",
    "Bridge",
    "BridgeClientError",
    "BridgeUnreachableError",
    "FailureFilter",
    "FailureGroup",
    "Failures",
    "FieldFault",
    "Job",
    "JobPage",
    "JobQueryResult",
    "NotAuthenticatedError",
    "Problem",
    "RefusedError",
    "Rerun",
    "Stream",
    "Submission",
    "WaitTimedOutError",
]
