"""How jobs that ended badly look to a client, and what becomes of them when they run again."""

from datetime import UTC, datetime

from pydantic_core import to_json

from bridge.http.documents.failure_models import FailureFilterDocument, FailuresRetryDocument
from bridge.http.documents.job_json import job_document, job_href
from bridge.jobs.failures.failures import FailureFilter, FailureGroup, FoundFailures
from bridge.jobs.failures.reruns import Rerun

THINGS_MAX = 100  # of a group are told of


def failures_document(found: FoundFailures, wanted: FailureFilter) -> bytes:
    """A `FailuresDocument`. `wanted` is what was asked for, which each group's filter repeats."""
    rest = {
        "count": sum(len(group.views) for group in found.groups),
        "complete_since": _rfc3339(found.complete_since),
        "as_of": _rfc3339(found.looked_at),
    }
    in_json = b",".join(_group(group, _filter(group, wanted, found.looked_at)) for group in found.groups)
    return b'{"groups":[%b],%b' % (in_json, to_json(rest)[1:])


def rerun_document(rerun: Rerun, *, is_dry: bool) -> FailuresRetryDocument:
    """The answer to `POST /failures/retry`."""
    return {
        "dry_run": is_dry,
        "count": len(rerun.job_ids),
        "jobs": [{"job_id": job_id, "href": job_href(job_id)} for job_id in rerun.job_ids],
        "refused": [{"job_id": job_id, "detail": detail} for job_id, detail in rerun.refused.items()],
        "left": rerun.left,
    }


def _group(group: FailureGroup, own_filter: FailureFilterDocument) -> bytes:
    last, first = group.views[0].job.snapshot, group.views[-1].job.snapshot
    by_thing = group.by_thing
    members = {
        "kind": group.kind,
        "cause": group.cause,
        "count": len(group.views),
        "runnable": len(group.runnable),
        "first_end_time": first.end_time and _rfc3339(first.end_time),
        "last_end_time": last.end_time and _rfc3339(last.end_time),
        "nodes": [{"node": node, "count": count} for node, count in group.by_node],
        "things": [{"thing_uuid": str(thing), "count": count} for thing, count in by_thing[:THINGS_MAX]],
        "things_count": len(by_thing),
        "filter": own_filter,
    }
    return b'%b,"example":%b}' % (to_json(members)[:-1], job_document(group.views[0]))


def _filter(group: FailureGroup, wanted: FailureFilter, until: float) -> FailureFilterDocument:
    own: FailureFilterDocument = {"cause": group.cause, "until": _rfc3339(until), "kind": group.kind}
    if wanted.thing_uuid is not None:
        own["thing_uuid"] = str(wanted.thing_uuid)
    if wanted.since is not None:
        own["since"] = _rfc3339(wanted.since)
    return own


def _rfc3339(epoch_seconds: float) -> str:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds" if epoch_seconds % 1 else "seconds").replace("+00:00", "Z")
