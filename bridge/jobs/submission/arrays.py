"""What is done to several elements of an array at once: one call to Slurm, and not one for each."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from msgspec.structs import replace

from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.job_view import Job
from bridge.slurm.job_ids import elements_id, index_of, whole_id
from bridge.slurm.messages import Cancel


class HasMetadata(Protocol):
    """A job of any sort."""

    @property
    def metadata(self) -> JobMetadata:
        """What its comment says."""


J = TypeVar("J", bound=HasMetadata)


def by_array(jobs: Iterable[J], id_of: Callable[[J], str]) -> list[list[J]]:
    """The elements of each array together, by index; each other job by itself. In the order in which they came.

    Where a controller has crashed, two arrays may have had the same id.
    """
    together: dict[tuple[str, str | None], list[J]] = {}
    for job in jobs:
        together.setdefault((whole_id(id_of(job)), job.metadata.tag), []).append(job)
    return [sorted(some, key=lambda job: index_of(id_of(job)) or 0) for some in together.values()]


def indices_of(job_ids: Iterable[str]) -> tuple[int, ...] | None:
    """The indices of elements of one array; `None` for a job that is none."""
    indices = tuple(index for job_id in job_ids if (index := index_of(job_id)) is not None)
    return indices or None


def cancellation_of(jobs: list[Job], *, only_waiting: bool = False) -> Cancel:
    """The request to cancel what `by_array` has put together."""
    request = jobs[0].cancellation(only_waiting=only_waiting)
    indices = indices_of(job.id for job in jobs)
    return request if indices is None else replace(request, job_id=elements_id(whole_id(jobs[0].id), indices))
