"""What schemathesis is told beyond the specification; its own process loads this (`SCHEMATHESIS_HOOKS`)."""

import hashlib
import re
from typing import Any

import hypothesis
import schemathesis

from bridge.core.text import OFFERED_KEY, RFC_3339_TIME
from bridge.http.documents.query_models import WAIT_MAX_SECONDS
from bridge.jobs.requests.idempotency import KEY_HEADER
from bridge.policy.hosts import NAME_MAX
from tests.support.schemathesis_batches import BATCH_ITEMS_MAX

PAST = "2026-01-01T00:00:00Z"  # in place of later moments
WAIT_SECONDS = 0.05  # in place of longer ones, which would take just that

# schemathesis steers towards requests that are accepted. To find them hypothesis makes earlier ones smaller, which
# takes minutes where a request has many parts; the schemas make enough of them anyway.
hypothesis.target = lambda observation, **_: observation


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: Any) -> bool:
    """Leave out what no schema says: which addresses are open, how long a host may be, that a target has each option
    once, that a period ends after it has begun, and which bytes there are.

    And batches of more items than the specification here allows, which the service takes; `/jobs/query` and
    `/jobs/cancel` where `/jobs/{job_id}` is meant: they are routes of their own.
    """
    is_other_route = (case.path_parameters or {}).get("job_id") in ("query", "cancel")
    if is_other_route or "bytes=" in str((case.headers or {}).get("Range")):
        return False
    body = case.body if isinstance(case.body, dict) else {}
    given = body.get("items")
    items: list[Any] = given if isinstance(given, list) else []
    if len(items) > BATCH_ITEMS_MAX:
        return False
    return not any(_is_odd(request) for request in (body, *items) if isinstance(request, dict))


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Any, _kwargs: dict[str, Any]) -> None:
    """Wait for no job long, use no key for two requests, and ask for no failures of the future.

    The first is slow, the others are answered with 422.
    """
    wait = (case.query or {}).get("wait")
    if isinstance(wait, (int, float)) and WAIT_SECONDS < wait <= WAIT_MAX_SECONDS:
        case.query["wait"] = WAIT_SECONDS
    wanted = case.body.get("filter") if isinstance(case.body, dict) else None
    if isinstance(wanted, dict) and RFC_3339_TIME.fullmatch(str(wanted.get("until"))):
        wanted["until"] = min(wanted["until"], PAST)
    key = (case.headers or {}).get(KEY_HEADER)
    if isinstance(key, str) and OFFERED_KEY.fullmatch(key):
        case.headers[KEY_HEADER] = hashlib.sha256(f"{key}{case.body}".encode()).hexdigest()


def _is_odd(request: dict[str, Any]) -> bool:
    has_odd_host = any(_has_an_odd_host(request.get(field)) for field in ("source", "target"))
    has_period = bool(request.get("start_date") and request.get("end_date"))
    return has_odd_host or has_period or _repeats_an_option(request.get("target"))


def _has_an_odd_host(uri: Any) -> bool:
    authority = re.split("[/?#]", uri.partition("://")[2])[0] if isinstance(uri, str) else ""
    return len(authority) > NAME_MAX or re.match(r"\[|[0-9.]+(:|$)", authority.rpartition("@")[2]) is not None


def _repeats_an_option(uri: Any) -> bool:
    query = uri.partition("?")[2] if isinstance(uri, str) else ""
    names = [option.partition("=")[0] for option in query.split("&")]
    return len(names) > len(set(names))
