"""Which of several jobs of one request are too many.

Jobs are duplicates where key, digest and caller are the same, and a bridge has submitted each of them. Jobs of two
requests that share a key are not: each was promised to its client, so both run.
"""

from collections.abc import Iterable

from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.status.job_view import Job


def superfluous_duplicates(jobs: Iterable[Job], hashes: IdentityHashes) -> list[Job]:
    """Which of the jobs with one key, oldest first, to cancel: of each request those that wait, but for the first.

    The first too where another has started. Jobs that no bridge submitted count for nothing.
    """
    requests: dict[str, list[Job]] = {}
    for job in without_copies(jobs):
        if hashes.has_made(job.metadata):  # the digest has the caller in it
            requests.setdefault(job.metadata.digest, []).append(job)
    return [job for of_one in requests.values() for job in _superfluous(of_one)]


def without_copies(jobs: Iterable[Job]) -> list[Job]:
    """`jobs`, oldest first, without those that another program has submitted with the comment of an older one.

    Each attempt of a bridge to submit a job has a tag of its own, and a comment can be copied once it is there.
    """
    tags: set[str] = set()
    originals = []
    for job in jobs:
        tag = job.metadata.tag
        if tag is None or tag not in tags:
            originals.append(job)
        if tag is not None:
            tags.add(tag)
    return originals


def was_cancelled_unstarted(job: Job) -> bool:
    """Whether it was cancelled before it started, as a duplicate is: that says nothing of the job that stays."""
    return job.state == "CANCELLED" and job.snapshot.nodes is None


def _superfluous(jobs: list[Job]) -> list[Job]:
    waiting = [job for job in jobs if job.is_pending]
    has_started = len(waiting) < len([job for job in jobs if job.state != "CANCELLED"])
    return waiting if has_started else waiting[1:]
