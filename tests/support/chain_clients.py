"""Clients of bridges whose jobs come in chains, and a controller that refuses the second job of a chain."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import falcon.testing

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.http.app import create_app
from bridge.services import Services
from bridge.slurm.errors import outcome_unknown, submission_error
from bridge.slurm.messages import Cancel, JobDescriptor
from tests.support.application import FAST, running_application
from tests.support.memory_gateway import CONNECT_FAILURE, MemoryGateway
from tests.support.samples import PARSE_BODY, settings

Client = falcon.testing.TestClient
BODY = {**PARSE_BODY, "qaqc": True}
BATCH = {"items": [BODY, PARSE_BODY, {**BODY, "source": "https://storage.example/other.csv"}]}
UNREACHABLE = submission_error(*CONNECT_FAILURE)
UNKNOWN = outcome_unknown("Slurm did not answer in time")


class InterruptedGateway(MemoryGateway):
    """One whose controller refuses quality control with `refusal`; `is_lame` too: it takes nothing back, as if dead."""

    refusal: BridgeError | None = None
    is_lame = False
    before_refusal: Callable[[], None] = staticmethod(lambda: None)

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        if self.refusal and descriptor.name == "qaqc":
            self.before_refusal()
            raise self.refusal
        return super().submit(descriptor, deadline)

    def cancel(self, request: Cancel, deadline: Deadline) -> bool:
        """See `Gateway`."""
        if self.is_lame:
            raise UNREACHABLE
        return super().cancel(request, deadline)


@contextmanager
def running_bridge(gateway: MemoryGateway, **changes: Any) -> Iterator[Client]:
    """With its recovery, after one that ran before."""
    gateway.tell_all_again()
    of_it = settings(**changes)
    services = Services.of(of_it, gateway, b"secret", FAST)
    services.start()
    try:
        yield Client(create_app(of_it, services))
    finally:
        services.close()


def post(client: Client, body: Any = BODY, key: str | None = None) -> falcon.testing.Result:
    path = "/extractor/batch" if "items" in body else "/extractor/run"
    return client.simulate_post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})


def states(gateway: MemoryGateway) -> dict[str, str]:
    jobs = ((job_id, gateway.find(job_id, Deadline.after(1))) for job_id in gateway.descriptors)
    return {job_id: job.state for job_id, job in jobs if job}


def job_ids(answer: falcon.testing.Result) -> list[tuple[str, Any]]:
    """Of the jobs of an answer, and of what follows them."""
    return [(job["job_id"], job.get("qaqc")) for job in answer.json.get("jobs", [answer.json])]


@contextmanager
def other_application(gateway: MemoryGateway) -> Iterator[Client]:
    """Another bridge, after the one that ran before."""
    gateway.tell_all_again()
    with running_application(gateway, settings(request_timeout_seconds=2.0)) as client:
        yield client


def interrupt(client: Client, gateway: InterruptedGateway, key: str, body: Any = BODY) -> None:
    """Leave a parse behind that nothing follows, as a bridge does that is killed in between."""
    gateway.refusal, gateway.is_lame = UNREACHABLE, True
    assert post(client, body, key=key).status_code == 503
    gateway.refusal, gateway.is_lame = None, False
    assert "CANCELLED" not in states(gateway).values()
