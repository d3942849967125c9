"""One job a submission: repeated, unanswered, with bridges, workers and the controller killed meanwhile."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bridge.jobs.status.ledger import SAVED_AFTER_SECONDS
from tests.support.bridge_process import Bridge, running_bridge, service_environment, start_bridge, workers_of
from tests.support.comment_keys import CommentKeys
from tests.support.ports import free_port
from tests.support.private_slurm import DEFAULT_PARTITIONS, PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY
from tests.support.waiting import wait_until

SUBMISSIONS = 1000
CLIENTS = 8
JobsWithKey = Callable[[str], list[str]]
CHANCE = random.Random(3)  # noqa: S311 - which bridge or worker is next


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """With room for many jobs at a time, and a partition in which they wait."""
    (shared_folder / "slurm").mkdir()
    partitions = (*DEFAULT_PARTITIONS, "PartitionName=waiting Nodes=ALL State=DOWN")
    with PrivateSlurm(shared_folder / "slurm", cpus=64, partitions=partitions) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def keys(shared_folder: Path) -> CommentKeys:
    return CommentKeys(shared_folder)


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path, keys: CommentKeys) -> dict[str, str]:
    """Jobs that do nothing."""
    return service_environment(slurm, shared_folder, ["/bin/true", "main.py"], **keys.environment)


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def comments(slurm: PrivateSlurm) -> list[dict[str, Any]]:
    """Of all jobs that have not been cancelled."""
    states = "PENDING,RUNNING,COMPLETING,COMPLETED,FAILED"
    lines = slurm.run("squeue", "--noheader", f"--states={states}", "--format=%i %k").splitlines()
    return [{"job_id": line.split()[0], **json.loads(line.split(maxsplit=1)[1])} for line in lines]


@pytest.fixture(scope="module")
def jobs_with_key(slurm: PrivateSlurm, keys: CommentKeys) -> JobsWithKey:
    """Gives the ids of the jobs that have not been cancelled, for a client's key."""
    return lambda key: [comment["job_id"] for comment in comments(slurm) if comment["key"] == keys.of(key)]


def test_the_same_key_and_body_get_the_first_job(bridge: Bridge, jobs_with_key: JobsWithKey) -> None:
    first = bridge.post("/qaqc/run", QAQC_BODY, key="same")
    again = bridge.post("/qaqc/run", QAQC_BODY, key="same")
    assert (first.status, again.status) == (202, 200)
    assert (first.headers["Idempotency-Replayed"], again.headers["Idempotency-Replayed"]) == (None, "true")
    assert again.body["job_id"] == first.body["job_id"]
    assert again.body["request_id"] == first.body["request_id"]
    assert jobs_with_key("same") == [first.body["job_id"]]


def test_the_same_key_with_another_body_is_refused(bridge: Bridge, jobs_with_key: JobsWithKey) -> None:
    first = bridge.post("/extractor/run", PARSE_BODY, key="other")
    for path, body in (("/extractor/run", {**PARSE_BODY, "parser": "Other"}), ("/qaqc/run", QAQC_BODY)):
        answer = bridge.post(path, body, key="other")
        assert (answer.status, answer.body["type"]) == (422, "urn:tsm-slurm-bridge:idempotency-mismatch")
    assert jobs_with_key("other") == [first.body["job_id"]]


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, "a/b"], ids=["empty", "blank", "long", "slash"])
def test_odd_keys_are_refused(bridge: Bridge, key: str) -> None:
    answer = bridge.post("/qaqc/run", QAQC_BODY, key=key)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_without_a_key_every_request_is_a_job(bridge: Bridge) -> None:
    assert bridge.post("/qaqc/run", QAQC_BODY).body["job_id"] != bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]


def test_simultaneous_requests_with_one_key_make_one_job(bridge: Bridge, jobs_with_key: JobsWithKey) -> None:
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: bridge.post("/qaqc/run", QAQC_BODY, key="rush"), range(16)))
    assert Counter(answer.status for answer in answers) == {202: 1, 200: 15}
    assert jobs_with_key("rush") == [answers[0].body["job_id"]]


def test_another_bridge_and_a_later_one_know_the_key(
    bridge: Bridge, shared_folder: Path, environment: dict[str, str]
) -> None:
    first = bridge.post("/qaqc/run", QAQC_BODY, key="elsewhere")
    with running_bridge(shared_folder, environment) as other:
        again = other.post("/qaqc/run", QAQC_BODY, key="elsewhere")
        assert (again.status, again.body["job_id"]) == (200, first.body["job_id"])
        assert other.post("/extractor/run", PARSE_BODY, key="elsewhere").status == 422


@pytest.mark.parametrize("key", ["late", None], ids=["with-key", "without"])
def test_a_controller_that_answers_late_has_the_job_all_the_same(
    bridge: Bridge, slurm: PrivateSlurm, key: str | None
) -> None:
    before = {comment["job_id"] for comment in comments(slurm)}
    slurm.pause_controller()
    with ThreadPoolExecutor(1) as client:
        try:
            posted = client.submit(bridge.post, "/qaqc/run", QAQC_BODY, key=key)
            time.sleep(11)  # libslurm has given up (MessageTimeout), the request has not
        finally:
            slurm.resume_controller()
        answer = posted.result()
    assert answer.status == 202, answer.body
    assert {comment["job_id"] for comment in comments(slurm)} - before == {answer.body["job_id"]}


def test_a_retry_after_an_unknown_outcome_gets_the_one_job(
    bridge: Bridge, slurm: PrivateSlurm, jobs_with_key: JobsWithKey
) -> None:
    slurm.pause_controller()
    try:
        unknown = bridge.post("/qaqc/run", QAQC_BODY)
    finally:
        slurm.resume_controller()
    assert (unknown.status, unknown.body["type"]) == (503, "urn:tsm-slurm-bridge:outcome-unknown")
    key = unknown.body["idempotency_key"]
    again = bridge.post("/qaqc/run", QAQC_BODY, key=key)
    assert again.status == 200
    assert jobs_with_key(key) == [again.body["job_id"]]


@pytest.mark.parametrize("stopped_seconds", [4, 6, 9])
def test_a_retry_at_another_bridge_after_a_stall_gets_the_one_job(
    slurm: PrivateSlurm,
    shared_folder: Path,
    environment: dict[str, str],
    jobs_with_key: JobsWithKey,
    stopped_seconds: float,
) -> None:
    folder = shared_folder / f"stalled-{stopped_seconds}"
    folder.mkdir()
    key = f"stalled-{stopped_seconds}"
    with running_service(folder, environment, 2) as service, ThreadPoolExecutor(2) as clients:
        for bridge in service.bridges:
            assert bridge.post("/qaqc/run", QAQC_BODY).status == 202
        slurm.pause_controller()
        try:
            posts = []
            for bridge in service.bridges:  # the client gives up at the first one after a while
                posts.append(clients.submit(bridge.post, "/qaqc/run", QAQC_BODY, key=key))
                time.sleep(stopped_seconds / 2)
        finally:
            slurm.resume_controller()
        answers = [post.result() for post in posts]
        assert {answer.status for answer in answers} == {200, 202}
        assert len({answer.body["job_id"] for answer in answers}) == 1
        bridge.wait_until_finished(answers[0].body["job_id"])
        assert jobs_with_key(key) == [answers[0].body["job_id"]]


class Service:
    """Bridges that can be killed and started again on their ports."""

    def __init__(self, folder: Path, environment: dict[str, str], count: int) -> None:
        self._folder = folder
        self._environment = environment
        self._ports = [free_port() for _ in range(count)]
        self.bridges = [start_bridge(folder, environment, port=port) for port in self._ports]

    @property
    def log(self) -> str:
        """What all bridges have logged, one after the other."""
        return self.bridges[0].log

    def kill_one(self) -> None:
        index = CHANCE.randrange(len(self.bridges))
        self.bridges[index].process.kill()
        self.bridges[index].process.wait()
        self.bridges[index] = start_bridge(self._folder, self._environment, port=self._ports[index])

    def kill_a_worker(self) -> None:
        pid = CHANCE.choice(self.bridges).process.pid
        wait_until(lambda: workers_of(pid), "a worker to kill")
        with suppress(ProcessLookupError):  # it is being replaced
            os.kill(CHANCE.choice(workers_of(pid)), signal.SIGKILL)

    def submit(self, number: int) -> str:
        """Submit, and repeat after every 5xx and every broken connection, as a careful pipeline does."""
        body = {"target": "postgresql://h/d", "thing_uuid": str(UUID(int=number + 1))}
        for attempt in range(100):
            bridge = self.bridges[(number + attempt) % len(self.bridges)]
            try:
                answer = bridge.post("/qaqc/run", body, key=f"key-{len(self.bridges)}-{number}")
            except (OSError, HTTPException):
                time.sleep(0.2)
                continue
            if answer.status < 500:
                assert answer.status in (200, 202), answer.body
                return str(answer.body["job_id"])
            time.sleep(0.2)
        raise AssertionError(f"submission {number} never got through")


@contextmanager
def running_service(folder: Path, environment: dict[str, str], count: int) -> Iterator[Service]:
    service = Service(folder, environment, count)
    try:
        yield service
    finally:
        for bridge in service.bridges:
            bridge.process.kill()
            bridge.process.wait()


@pytest.mark.parametrize("count", [1, 2], ids=["one-bridge", "two-bridges"])
def test_a_thousand_submissions_while_everything_is_killed(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str], keys: CommentKeys, count: int
) -> None:
    numbers = {keys.of(f"key-{count}-{number}"): number for number in range(SUBMISSIONS)}

    def jobs() -> list[tuple[int, str]]:
        """Number and id of each."""
        return [(numbers[job["key"]], job["job_id"]) for job in comments(slurm) if job["key"] in numbers]

    folder = shared_folder / f"service-{count}"
    folder.mkdir()
    job_ids: dict[int, str] = {}
    # All jobs wait: one that has ended is not lost where the controller forgets it, and would not come back.
    environment = {**environment, "BRIDGE_QAQC__PARTITION": "waiting"}
    with running_service(folder, environment, count) as service, ThreadPoolExecutor(CLIENTS + 1) as threads:
        trouble = threads.submit(make_trouble, slurm, service, job_ids)
        clients = [threads.submit(submit_share, service, client, job_ids) for client in range(CLIENTS)]
        trouble.result()
        for client in clients:
            client.result()
        wait_until(lambda: len(jobs()) == SUBMISSIONS, "all jobs are there", 30)
        # A crashed controller forgets jobs, which then get new ids: whoever asks with the key learns them.
        final_ids = dict(zip(job_ids, threads.map(service.submit, job_ids), strict=True))

    assert set(Counter(number for number, _ in jobs()).values()) == {1}
    assert dict(jobs()) == final_ids
    submitted_again = service.log.count("submitted a lost job again")
    assert sum(final_ids[number] != job_id for number, job_id in job_ids.items()) <= submitted_again


def make_trouble(slurm: PrivateSlurm, service: Service, job_ids: dict[int, str]) -> None:
    """Kill bridges and workers, stop the controller for a while and kill it later, as the submissions go on."""

    def wait_for_share(share: float) -> None:
        wait_until(lambda: len(job_ids) > SUBMISSIONS * share, f"{share:.0%} of the submissions", 120)

    wait_for_share(0.05)
    service.kill_one()
    wait_for_share(0.15)
    slurm.pause_controller()
    time.sleep(12)
    slurm.resume_controller()
    wait_for_share(0.25)
    service.kill_a_worker()
    wait_for_share(0.3)
    service.kill_one()
    # What a bridge had submitted just before it was killed is lost if the controller crashes before it has saved it.
    time.sleep(SAVED_AFTER_SECONDS)
    for share in (0.5, 0.55, 0.6):
        wait_for_share(share)
        service.kill_a_worker()
    slurm.kill_controller()
    time.sleep(1)
    slurm.start_controller()
    wait_for_share(0.9)
    service.kill_a_worker()


def submit_share(service: Service, client: int, job_ids: dict[int, str]) -> None:
    """What one client submits: slowly enough that the troubles fall into the middle of it."""
    for number in range(client, SUBMISSIONS, CLIENTS):
        job_ids[number] = service.submit(number)
        time.sleep(0.25)


def test_two_bridges_that_get_one_key_at_the_same_time_leave_one_job(
    slurm: PrivateSlurm, jobs_with_key: JobsWithKey, shared_folder: Path, environment: dict[str, str]
) -> None:
    folder = shared_folder / "at-the-same-time"
    folder.mkdir()
    waiting = {**environment, "BRIDGE_QAQC__PARTITION": "waiting"}
    with running_service(folder, waiting, 2) as service, ThreadPoolExecutor(2) as clients:
        for number in range(20):
            posts = [
                clients.submit(bridge.post, "/qaqc/run", QAQC_BODY, key=f"both-{number}") for bridge in service.bridges
            ]
            assert {post.result().status for post in posts} <= {200, 202}

        def counts() -> set[int]:
            return {len(jobs_with_key(f"both-{number}")) for number in range(20)}

        wait_until(lambda: counts() == {1}, "duplicates are cancelled")
        for number in range(20):
            answer = service.bridges[number % 2].post("/qaqc/run", QAQC_BODY, key=f"both-{number}")
            assert [answer.body["job_id"]] == jobs_with_key(f"both-{number}")


def test_two_bodies_with_one_key_at_the_same_time_lose_no_job(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str], jobs_with_key: JobsWithKey
) -> None:
    folder = shared_folder / "two-bodies"
    folder.mkdir()
    other_body = {**QAQC_BODY, "thing_uuid": str(UUID(int=7))}
    waiting = {**environment, "BRIDGE_QAQC__PARTITION": "waiting"}
    with running_service(folder, waiting, 2) as service, ThreadPoolExecutor(2) as clients:

        def post_to_both(key: str, *bodies: object) -> list[str]:
            """The jobs that were promised."""
            posts = zip(service.bridges, bodies, strict=True)
            answers = list(clients.map(lambda post: post[0].post("/qaqc/run", post[1], key=key), posts))
            assert {answer.status for answer in answers} <= {200, 202, 422}
            return [answer.body["job_id"] for answer in answers if answer.status == 202]

        promised = {
            key: post_to_both(key, QAQC_BODY, other_body) for key in (f"bodies-{number}" for number in range(12))
        }
        markers = (f"marker-{number}" for number in range(100))
        marker = next(key for key in markers if len(post_to_both(key, QAQC_BODY, QAQC_BODY)) == 2)
        wait_until(lambda: len(jobs_with_key(marker)) == 1, "a bridge has cancelled the duplicates that there are")
        for key, job_ids in promised.items():
            assert set(jobs_with_key(key)) == set(job_ids)
            answer = service.bridges[0].post("/qaqc/run", QAQC_BODY, key=key)
            assert answer.status in (200, 422)
            assert answer.status == 422 or answer.body["job_id"] in job_ids
