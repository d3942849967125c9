"""The promise on a cluster with all of its troubles: one job a request, none of them cancelled, none run twice.

Two callers use the same keys, through two bridges. The controller stops for 4 to 12 s, its JWT key is replaced, it
begins to limit requests (`rl_enable`), and its backup takes over; a plugin adds words to comments. The number of
requests is BRIDGE_TEST_PROMISE_REQUESTS.
"""

import http.client
import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from bridge.auth.token_file import TokenFile
from bridge.core.scopes import Scope
from bridge.jobs.requests.metadata import JobMetadata
from bridge.slurm.comments import own_text
from tests.support.bridge_process import Bridge, owned_folder, running_bridge, service_environment
from tests.support.bridge_tokens import create_token
from tests.support.comment_keys import CommentKeys
from tests.support.two_controllers import TwoControllers
from tests.support.waiting import wait_until

REQUESTS = int(os.environ.get("BRIDGE_TEST_PROMISE_REQUESTS", "200"))
CALLERS = ("ada", "bob")
CLIENTS = 16
PAUSE_SECONDS = 0.6  # of a client between two requests, so that the troubles fall into the middle of them
LONG_PAUSE_SECONDS = 2.0
GIVES_UP_SECONDS = (3.0, 14.0)  # a client does, after a time between these, and goes on at the other bridge
RPC_LIMIT = "rl_enable,rl_bucket_size=20,rl_refill_rate=10"  # less than the bridges would ask
PLUGIN = """
function slurm_job_submit(job, partitions, uid)
    job.comment = "project 7: " .. (job.comment or "") .. " (checked)"
    return slurm.SUCCESS
end

function slurm_job_modify(job, changes, partitions, uid)
    return slurm.SUCCESS
end
"""
JOB = """#!/bin/sh
echo "$TSM_THING_UUID" >>{folder}/runs
sleep 1
"""


@dataclass(frozen=True)
class Request:
    """One of a caller's; the other caller has one with the same key."""

    number: int

    @property
    def caller(self) -> str:
        return CALLERS[self.number % 2]

    @property
    def key(self) -> str:
        return f"key-{self.number // 2}"

    @property
    def thing(self) -> str:
        """Each has another, which its job tells."""
        return str(UUID(int=self.number + 1))


@dataclass
class Clients:
    """They send each request until it is accepted, and write down what was promised to them."""

    bridges: list[Bridge]
    tokens: dict[str, str]
    promised: dict[Request, set[str]] = field(default_factory=lambda: defaultdict(set))
    problems: Counter[str] = field(default_factory=Counter)
    share: float = 0.0  # of the requests that were accepted
    pause_seconds: float = PAUSE_SECONDS
    share_to_send: float = 0.8  # the rest is for the takeover

    def send_all(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as threads:
            for done in [threads.submit(self._send_share, client) for client in range(CLIENTS)]:
                done.result()

    def _send_share(self, client: int) -> None:
        chance = random.Random(client)  # noqa: S311 - patience
        for number in range(client, REQUESTS, CLIENTS):
            wait_until(partial(self._may_send, number), "the rest of the requests may be sent", 300)
            request = Request(number)
            job_id = self.submit(request, chance)
            self.promised[request].add(job_id)
            self.share = len(self.promised) / REQUESTS
            time.sleep(self.pause_seconds)

    def _may_send(self, number: int) -> bool:
        return number < REQUESTS * self.share_to_send

    def submit(self, request: Request, chance: random.Random) -> str:
        """The job's id, as the first bridge says that accepts the request."""
        for attempt in count(request.number):
            bridge = self.bridges[attempt % len(self.bridges)]
            try:
                status, body = self._post(bridge, request, chance.uniform(*GIVES_UP_SECONDS))
            except OSError:
                self.problems["given up"] += 1
                continue
            if status in (200, 202):
                return str(body["job_id"])
            assert status == 503, body
            self.problems[str(body["type"])] += 1
            time.sleep(chance.uniform(0.2, 1.0))
        raise AssertionError

    def _post(self, bridge: Bridge, request: Request, seconds: float) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection(urlsplit(bridge.url).netloc, timeout=seconds)
        try:
            connection.request(
                "POST",
                "/qaqc/run",
                json.dumps({"target": "postgresql://h/d", "thing_uuid": request.thing}),
                {
                    "Content-Type": "application/json",
                    "Authorization": f"Bearer {self.tokens[request.caller]}",
                    "Idempotency-Key": request.key,
                },
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture
def slurm(shared_folder: Path) -> Iterator[TwoControllers]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    (folder / "job_submit.lua").write_text(PLUGIN)
    overrides = {"JobSubmitPlugins": "lua", "MinJobAge": "3600"}
    with TwoControllers(folder, overrides, takeover_seconds=20, cpus=64) as slurm:
        yield slurm


@pytest.fixture
def keys(shared_folder: Path) -> CommentKeys:
    return CommentKeys(shared_folder)


@pytest.fixture
def clients(slurm: TwoControllers, shared_folder: Path, keys: CommentKeys) -> Iterator[Clients]:
    token_file = TokenFile.as_operator(owned_folder(shared_folder / "tokens") / "tokens.json")
    tokens = {caller: create_token(token_file, caller, Scope.SUBMIT) for caller in CALLERS}
    program = owned_folder(shared_folder / "jobs") / "job"
    program.write_text(JOB.format(folder=program.parent))
    program.chmod(0o755)
    own = {"BRIDGE_TOKEN_FILE": str(token_file.path), **keys.environment}
    with ExitStack() as stack:
        bridges = []
        for name in ("one", "two"):
            folder = shared_folder / name
            folder.mkdir()
            environment = service_environment(slurm, folder, [str(program), "main.py"], **own)
            bridges.append(stack.enter_context(running_bridge(folder, environment)))
        yield Clients(bridges, tokens)


@dataclass(frozen=True)
class QueuedJob:
    """A line of squeue."""

    job_id: str
    state: str
    metadata: JobMetadata


def queue(slurm: TwoControllers) -> list[QueuedJob]:
    lines = slurm.run("squeue", "--noheader", "--states=all", "--format=%i %T %k").splitlines()
    jobs = []
    for job_id, state, comment in (line.split(maxsplit=2) for line in lines):
        metadata = JobMetadata.from_json(own_text(comment))
        assert metadata is not None, comment
        jobs.append(QueuedJob(job_id, state, metadata))
    return jobs


def make_trouble(slurm: TwoControllers, clients: Clients) -> None:
    """One thing after the other, as the requests go on."""

    def at(share: float) -> None:
        wait_until(lambda: clients.share > share, f"{share:.0%} of the requests", 120)

    def stop(seconds: float) -> None:
        slurm.pause_controller()
        try:
            time.sleep(seconds)
        finally:
            slurm.resume_controller()

    at(0.1)
    stop(12)
    at(0.15)
    slurm.replace_jwt_key()
    at(0.25)
    stop(4)
    at(0.3)
    with slurm.conf_path.open("a") as conf:
        conf.write(f"SlurmctldParameters={RPC_LIMIT}\n")
    slurm.restart_controllers()
    clients.pause_seconds = 0.0  # up to the limit
    at(0.55)
    stop(8)
    clients.pause_seconds = LONG_PAUSE_SECONDS
    at(0.6)
    take_over(slurm, clients)


def take_over(slurm: TwoControllers, clients: Clients) -> None:
    """The primary is killed. No job runs that it has not saved: such a one would run again, without accounting."""
    slurm.run("scontrol", "update", "partition=normal", "state=down")
    wait_until(lambda: all(job.state != "RUNNING" for job in queue(slurm)), "no job runs", 60)
    ended_at = time.time()
    saved_jobs = slurm.folder / "state" / "job_state"
    wait_until(lambda: saved_jobs.stat().st_mtime > ended_at, "that is saved")
    sent = clients.share
    clients.share_to_send = 1.0
    wait_until(lambda: clients.share > sent, "jobs are accepted that are not saved yet")
    slurm.take_over()
    assert clients.share < 1.0, "the backup has nothing to do"
    slurm.run("scontrol", "update", "partition=normal", "state=up")


def test_one_job_a_request_whatever_happens(
    slurm: TwoControllers, clients: Clients, keys: CommentKeys, shared_folder: Path
) -> None:
    requests = {keys.of(request.key, request.caller): request for request in map(Request, range(REQUESTS))}
    with ThreadPoolExecutor(2) as threads:
        sending, trouble = threads.submit(clients.send_all), threads.submit(make_trouble, slurm, clients)
        sending.result()
        trouble.result()
    print(f"{REQUESTS} requests; beside their jobs clients got: {dict(clients.problems)}")

    runs = shared_folder / "jobs" / "runs"
    things = {request.thing for request in requests.values()}
    wait_until(lambda: set(runs.read_text().split()) >= things, "all jobs have run", 120)
    wait_until(lambda: all(job.state not in ("PENDING", "RUNNING") for job in queue(slurm)), "no job waits or runs", 60)
    assert max(Counter(runs.read_text().split()).values()) == 1, "run twice"
    jobs = queue(slurm)
    cancelled = {(requests[job.metadata.key], job.job_id) for job in jobs if job.state == "CANCELLED"}
    promised = {(request, job_id) for request, job_ids in clients.promised.items() for job_id in job_ids}
    assert sorted(cancelled & promised, key=str) == []
    ended = Counter(requests[job.metadata.key] for job in jobs if job.state == "COMPLETED")
    assert ended == Counter(requests.values())

    assert clients.problems["given up"]
    of_request = {requests[job.metadata.key]: job.job_id for job in jobs if job.state == "COMPLETED"}
    chance = random.Random(0)  # noqa: S311
    with ThreadPoolExecutor(CLIENTS) as threads:
        again = dict(
            zip(of_request, threads.map(lambda request: clients.submit(request, chance), of_request), strict=True)
        )
    assert again == of_request
