"""What schemathesis is told beyond the specification; its own process loads this (`SCHEMATHESIS_HOOKS`)."""

import hashlib
import re
from typing import Any

import schemathesis

from bridge.core.text import OFFERED_KEY
from bridge.http.documents.query_models import WAIT_MAX_SECONDS
from bridge.jobs.requests.idempotency import KEY_HEADER
from bridge.policy.hosts import NAME_MAX

WAIT_SECONDS = 0.05  # in place of longer ones, which would take just that


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: Any) -> bool:
    """Leave out what no schema says: which addresses are open, how long a host may be, that a target has each option
    once, that a period ends after it has begun, and which bytes there are.

    And `/jobs/query` where `/jobs/{job_id}` is meant: it is a route of its own.
    """
    if (case.path_parameters or {}).get("job_id") == "query" or "bytes=" in str((case.headers or {}).get("Range")):
        return False
    body = case.body if isinstance(case.body, dict) else {}
    is_odd = any(_has_an_odd_host(body.get(field)) for field in ("source", "target"))
    return not (is_odd or _repeats_an_option(body.get("target")) or (body.get("start_date") and body.get("end_date")))


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Any, _kwargs: dict[str, Any]) -> None:
    """Wait for no job long, and use no key for two requests: the first is slow, the second answered with 422."""
    wait = (case.query or {}).get("wait")
    if isinstance(wait, (int, float)) and WAIT_SECONDS < wait <= WAIT_MAX_SECONDS:
        case.query["wait"] = WAIT_SECONDS
    key = (case.headers or {}).get(KEY_HEADER)
    if isinstance(key, str) and OFFERED_KEY.fullmatch(key):
        case.headers[KEY_HEADER] = hashlib.sha256(f"{key}{case.body}".encode()).hexdigest()


def _has_an_odd_host(uri: Any) -> bool:
    authority = re.split("[/?#]", uri.partition("://")[2])[0] if isinstance(uri, str) else ""
    return len(authority) > NAME_MAX or re.match(r"\[|[0-9.]+(:|$)", authority.rpartition("@")[2]) is not None


def _repeats_an_option(uri: Any) -> bool:
    query = uri.partition("?")[2] if isinstance(uri, str) else ""
    names = [option.partition("=")[0] for option in query.split("&")]
    return len(names) > len(set(names))
