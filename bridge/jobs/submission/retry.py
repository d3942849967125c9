"""Running a job again with all that it had, by Slurm's requeue: the bridge keeps none of it."""

import logging
from collections.abc import Callable

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, CannotRetryError, ControllerUnreachableError, OverloadedError
from bridge.jobs.status.explanations import explain_job
from bridge.jobs.status.job_view import Job, JobView, Origin
from bridge.jobs.status.lookup import JobLookup
from bridge.slurm.errors import requeue_error
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import Requeue, RequeueOutcome

log = logging.getLogger(__name__)

FORGOTTEN = "Slurm has forgotten what the job had to do: submit the request again."


class JobRetrier:
    """Runs jobs of the bridge again; jobs of others are not found."""

    def __init__(
        self,
        gateway: Gateway,
        lookup: JobLookup,
        request_for: Callable[[Job], Requeue],
        note_asked: Callable[[Requeue], None],
    ) -> None:
        self._gateway = gateway
        self._lookup = lookup
        self._request_for = request_for
        self._note_asked = note_asked

    def retry(self, job_id: str, deadline: Deadline) -> JobView:
        """Run the job again; returns how it stands then. It keeps its id.

        Raises `CannotRetryError` where it has not ended or Slurm has forgotten it, `SlurmRefusedError` where the
        cluster does not allow it, what `JobLookup.find` and `Gateway.requeue` raise.
        """
        view = self._lookup.find(job_id, deadline)
        if view.origin is not Origin.CONTROLLER:
            raise CannotRetryError(FORGOTTEN)
        if not view.may_run_again:
            stands = f"({view.state}): it {explain_job(view.job)}"
            raise CannotRetryError(f"The job has not ended {stands}. Cancel it first, or wait for its end.")
        request = self._request_for(view.job)
        (outcome,) = self._gateway.requeue([request], deadline)
        if not outcome.is_taken:
            raise refusal(outcome)
        self._note_asked(request)
        log.info("a job is run again", extra={"job_id": job_id, **not_changed(outcome)})
        try:
            return self._lookup.find_in_next_look(job_id, deadline)
        except (ControllerUnreachableError, OverloadedError):
            return view


def refusal(outcome: RequeueOutcome) -> BridgeError:
    """Why a job that has ended is not run again."""
    if outcome.code:
        return requeue_error(outcome.code, outcome.message)
    return CannotRetryError("The job is in the queue again already, or Slurm has forgotten it a moment ago.")


def not_changed(outcome: RequeueOutcome) -> dict[str, str]:
    """For the log: why a job that runs again is not as it was to be."""
    return {"not_changed": outcome.message} if outcome.message else {}
