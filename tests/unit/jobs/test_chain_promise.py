"""A request for two jobs gets both, once, through random stops and crashes of the controller, and ends of bridges.

Each run is another one; `--hypothesis-seed` plays the same again.
"""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from bridge.core.deadline import Deadline
from bridge.slurm.messages import JobDescriptor
from tests.support import simulated_cluster
from tests.support.simulated_cluster import SimulatedBridge, SimulatedCluster
from tests.support.virtual_time import VirtualTime, virtual_time

PLAYS = 80
STEPS = 25
KEYS = 4


class Killed(BaseException):
    """The bridge ends here, whatever it was about to do."""


class MortalPort(simulated_cluster.Port):
    """The way to the cluster of a bridge that may end before or after a submission or a release."""

    calls_left: int | None = None  # None: it lives on
    before_second: Callable[[], None] | None = None  # what happens before the next second job is submitted

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        self._count()
        if MortalPort.before_second and descriptor.dependency:
            happen, MortalPort.before_second = MortalPort.before_second, None
            happen()
        job_id = super().submit(descriptor, deadline)
        self._count()
        return job_id

    def release(self, job_id: str, deadline: Deadline) -> None:
        """See `Gateway`."""
        self._count()
        super().release(job_id, deadline)
        self._count()

    def _count(self) -> None:
        if MortalPort.calls_left is not None:
            MortalPort.calls_left -= 1
            if MortalPort.calls_left < 0:
                MortalPort.calls_left = None
                raise Killed


class Play:
    """Two bridges on a cluster, and clients that send their requests until they have an answer."""

    def __init__(self, clock: VirtualTime, chance: random.Random) -> None:
        self.clock = clock
        self.chance = chance
        self.cluster = SimulatedCluster(clock, has_accounting=False)
        self.bridges = [SimulatedBridge(self.cluster) for _ in range(2)]
        self.cluster.bridges = self.bridges
        self.asked: set[str] = set()
        self.answers: dict[str, tuple[str, str | None]] = {}
        for bridge in self.bridges:
            bridge.recovery.check()

    def step(self) -> None:
        """Something happens."""
        steps: list[Callable[[], None]] = [
            self.post,
            self.post,
            self.stop,
            self.kill,
            self.crash,
            self.crash_in_between,
            self.wait,
            self.check,
        ]
        self.chance.choice(steps)()

    def post(self) -> None:
        self.post_to(self.chance.randrange(2))

    def post_to(self, place: int) -> None:
        key = f"k{self.chance.randrange(KEYS)}"
        self.asked.add(key)
        try:
            answer = self.bridges[place].post_chain(key, f"https://s.example/{key}")
        except Killed:
            self.bridges[place] = SimulatedBridge(self.cluster)
            self.bridges[place].recovery.check()
        else:
            if answer:
                self.answers[key] = answer

    def kill(self) -> None:
        """A bridge ends during a request."""
        MortalPort.calls_left = self.chance.randrange(6)
        self.post()
        MortalPort.calls_left = None

    def stop(self) -> None:
        self.cluster.stop_at_submission = self.chance.choice([0.5, 2.0, 13.0])
        self.post()
        self.cluster.stop_at_submission = 0.0

    def crash(self) -> None:
        self.cluster.crash(self.cluster.unsaved(self.chance.randrange(4)))

    def crash_in_between(self) -> None:
        """The controller crashes before it has a second job, and the other bridge's get the ids of lost ones."""
        place = self.chance.randrange(2)

        def crash() -> None:
            self.crash()
            self.post_to(1 - place)

        MortalPort.before_second = crash
        self.post_to(place)
        MortalPort.before_second = None

    def wait(self) -> None:
        self.clock.sleep(self.chance.choice([0.1, 2.0, 40.0]))

    def check(self) -> None:
        self.bridges[self.chance.randrange(2)].recovery.check()

    def end(self) -> None:
        """All clients have their answers, and what can be put right is."""
        for _ in range(60):
            for key in self.asked:
                answer = self.chance.choice(self.bridges).post_chain(key, f"https://s.example/{key}")
                if answer:
                    self.answers[key] = answer
            for bridge in self.bridges:
                bridge.recovery.check()
            self.clock.sleep(2.0)

    def verify(self) -> None:
        """Each request has one job that runs, and one that waits for it."""
        jobs = [(job, self.cluster.metadata_of(job.job_id)) for job in self.cluster.jobs()]
        alive = [(job, metadata) for job, metadata in jobs if job.state != "CANCELLED"]
        firsts = {job.job_id: metadata.key for job, metadata in alive if metadata.qaqc}
        assert Counter(firsts.values()) == dict.fromkeys(firsts.values(), 1)
        assert len(firsts) == len(self.asked)
        assert Counter(metadata.after for _, metadata in alive if metadata.after) == dict.fromkeys(firsts, 1)
        assert {job.state for job, metadata in alive if metadata.qaqc} <= {"RUNNING"}
        assert set(self.cluster.runs.values()) <= {0, 1}
        followers = {job.job_id: metadata.after for job, metadata in alive if metadata.after}
        for key in self.asked:
            first_id, second_id = self.answers[key]
            assert second_id is not None
            assert followers[second_id] == first_id


def test_a_request_has_both_jobs_once(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for = request.config.getoption("--hypothesis-seed")
    chosen_seed = random.SystemRandom().randrange(2**32) if asked_for is None else int(asked_for)
    record_property("seed", chosen_seed)
    monkeypatch.setattr(simulated_cluster, "Port", MortalPort)
    for number in range(PLAYS):
        with virtual_time() as clock:
            play = Play(clock, random.Random(f"{chosen_seed} {number}"))  # noqa: S311
            for _ in range(STEPS):
                play.step()
            play.end()
            play.verify()
