"""What may go wrong between a program and the bridge."""

from bridge.client.models import Job, Problem


class BridgeClientError(Exception):
    """The base of all errors of the client. Its text says what happened and what to do."""


class BridgeUnreachableError(BridgeClientError):
    """There was no answer, or none but "later", for as long as the client is patient.

    A submission may have made a job all the same: sent again with the same key, it gets that job.
    """


class RefusedError(BridgeClientError):
    """The bridge answered with a problem, and sending the same again would not help."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class NotAuthenticatedError(RefusedError):
    """The token is missing or bad, or does not allow this."""


class WaitTimedOutError(BridgeClientError):
    """The job was not over in time; `job` is how it stood."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"Job {job.job_id} is not over yet: it is {job.state}, and {job.explanation}.")
        self.job = job
