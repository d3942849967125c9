"""A controller that crashes while a request for two jobs is at work, and gives the first one's id to another job."""

import time
from typing import Any
from uuid import UUID

import pytest

from bridge.core.deadline import Deadline
from bridge.jobs.requests.metadata import JobMetadata
from bridge.slurm.job_ids import ids_of, whole_id
from bridge.slurm.messages import JobDescriptor
from tests.support.chain_clients import BODY, InterruptedGateway, post, running_bridge
from tests.support.samples import OUTPUT_FOLDER, PARSE_BODY, THING, descriptor
from tests.support.waiting import wait_until

AWAY_SECONDS = 0.3  # libslurm repeats a submission until the controller is there again
OTHER = JobMetadata("parse", UUID(THING), "r", "its-key", "its-digest")


class CrashingGateway(InterruptedGateway):
    """One that crashes before it has a job of a kind, or once it has one, and gives the ids of lost jobs to others."""

    crashes_before: str | None = None
    crashes_after: str | None = None

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        if descriptor.name == self.crashes_before:
            self.crashes_before = None
            self.lose_and_give_again()
        job_id = super().submit(descriptor, deadline)
        if descriptor.name == self.crashes_after:
            self.crashes_after = None
            self.lose_and_give_again()
        return job_id

    def lose_and_give_again(self) -> None:
        """Be away, and forget the jobs; their ids are those of another bridge's jobs."""
        lost = len(self.descriptors)
        self.is_dead = True
        time.sleep(AWAY_SECONDS)
        self.is_dead = False
        self.crash()
        self.descriptors.clear()
        self.released.clear()
        for _ in range(lost):
            super().submit(descriptor(OUTPUT_FOLDER, comment=OTHER.to_json()), Deadline.after(1))


@pytest.fixture
def gateway() -> CrashingGateway:
    return CrashingGateway()


def followed(gateway: CrashingGateway) -> dict[str, str]:
    """The jobs that wait for others, and which."""
    waiting: dict[str, str] = {}
    for job_id, job in gateway.descriptors.items():
        found = gateway.find(ids_of(job_id, job.indices)[0], Deadline.after(1))
        if job.dependency and found and found.state == "PENDING":
            waiting[job_id] = job.dependency.partition(":")[2]
    return waiting


@pytest.mark.parametrize("body", [BODY, {"items": [BODY, BODY]}], ids=["job", "elements"])
def test_the_second_follows_no_job_that_has_the_id_of_the_first(gateway: CrashingGateway, body: Any) -> None:
    with running_bridge(gateway) as client:
        gateway.crashes_before = "qaqc"
        answer = post(client, body)
        assert answer.status_code == 503
        assert "1" not in gateway.released
        again = post(client, body, key=answer.json["idempotency_key"])
        assert again.status_code in (200, 202)
        first = again.json["jobs"][0] if "jobs" in again.json else again.json
        first_id, second_id = (whole_id(job_id) for job_id in (first["job_id"], first["qaqc"]["job_id"]))
        wait_until(lambda: first_id in gateway.released, "the first may begin", 20)
    assert "1" not in gateway.released
    assert followed(gateway) == {second_id: first_id}


def test_no_job_is_let_begin_that_has_the_id_of_a_lost_one(gateway: CrashingGateway) -> None:
    with running_bridge(gateway) as client:
        gateway.crashes_after = "parse"
        post(client, PARSE_BODY, key="key")
        wait_until(lambda: "2" in gateway.descriptors, "it is there again", 20)
    assert "1" not in gateway.released
