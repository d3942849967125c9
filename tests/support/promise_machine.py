"""Two bridges on a simulated cluster, played at random: exactly one job a request, whatever happens.

Hypothesis plays bridges, clients, admins and a controller. The promise is checked after each step.
"""

from collections import defaultdict
from contextlib import ExitStack
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge.core.errors import IdempotencyMismatchError
from bridge.slurm.comments import own_text
from bridge.slurm.messages import JobSnapshot, RpcLimit
from tests.support.simulated_cluster import (
    Request,
    SimulatedBridge,
    SimulatedCluster,
    copied,
    has_ended,
    request_for,
)
from tests.support.virtual_time import VirtualTime, virtual_time

STEPS_OF_A_RUN = 50
QUIET_ROUNDS = 40  # of recovery, in which all that can be put right is

BRIDGES = st.sampled_from([0, 1])
CALLERS = st.sampled_from(["ada", "bob"])
KEYS = st.sampled_from(["k1", "k2"])
BODIES = st.sampled_from([1, 2])
NUMBERS = st.integers(0, 20)
LIMIT = RpcLimit(bucket_size=30, per_second=2.0)


class Promise(RuleBasedStateMachine):
    """Two bridges on one cluster, and what was promised to their clients."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock: VirtualTime = self.stack.enter_context(virtual_time())
        self.promised: dict[tuple[str, str], tuple[Request, int]] = {}  # by id and comment: whose job, which bridge
        self.bodies: dict[tuple[str, str], set[int]] = defaultdict(set)  # by caller and key: what was sent with it
        self.given_up: set[Request] = set()  # cancelled by an admin or a client
        self.unwatched: set[Request] = set()  # whose bridge was started again before the controller had saved the job
        self.unprovable: set[Request] = set()  # whose job ran and ended where no bridge could see it any more

    @initialize(has_accounting=st.booleans(), rpc_limit=st.sampled_from([None, LIMIT]))
    def start(self, has_accounting: bool, rpc_limit: RpcLimit | None = None) -> None:
        self.cluster = SimulatedCluster(self.clock, has_accounting=has_accounting, rpc_limit=rpc_limit)
        self.bridges = self.cluster.bridges = [SimulatedBridge(self.cluster) for _ in range(2)]
        for bridge in self.bridges:
            bridge.recovery.check()
            bridge.recovery.check()

    # What clients do.

    @rule(bridge=BRIDGES, caller=CALLERS, key=KEYS, body=BODIES)
    def post(self, bridge: int, caller: str, key: str, body: int) -> None:
        request = request_for(caller, key, body)
        self.bodies[caller, key].add(body)
        try:
            job_id = self.bridges[bridge].post(caller, key, body)
        except IdempotencyMismatchError:
            assert self.bodies[caller, key] != {body}, f"{request} was refused for another caller's"
            return
        if job_id is None:
            return
        if self._find(job_id) and self.cluster.request_of(job_id) == request:
            self.promised[job_id, self.cluster.memory.descriptors[job_id].comment] = request, bridge
        else:  # it has ended, and its id may have come again
            has_run = self.cluster.runs[request] or request in self.given_up
            assert has_run, f"job {job_id} was promised for {request}, which has none"

    @rule(
        bridge=BRIDGES,
        caller=CALLERS,
        key=KEYS,
        body=BODIES,
        seconds=st.sampled_from([1.0, 2.0, 5.0, 9.0, 13.0]),
        after_the_look=st.booleans(),
        repeats_late=st.booleans(),
    )
    def post_while_the_controller_stops(
        self, bridge: int, caller: str, key: str, body: int, seconds: float, after_the_look: bool, repeats_late: bool
    ) -> None:
        """The client gives up and sends the request to the other bridge, at the latest while the job is submitted."""
        if after_the_look:
            self.cluster.stop_at_submission = seconds
        else:
            self.cluster.stop(seconds)
        self.cluster.waits_for_submission = repeats_late

        def repeat() -> None:
            if self.clock.now_seconds < self.cluster.stopped_until:
                self.clock.sleep(seconds / 2)
            self.post(1 - bridge, caller, key, body)

        self.cluster.meanwhile = repeat
        self.post(bridge, caller, key, body)
        self.cluster.meanwhile, self.cluster.stop_at_submission = None, 0.0

    @precondition(lambda self: self.cluster.rpc_limit)
    @rule(bridge=BRIDGES, caller=CALLERS, key=KEYS, body=BODIES, seconds=st.sampled_from([0.5, 1.0, 4.0, 9.0, 15.0]))
    def post_while_submissions_are_held_back(
        self, bridge: int, caller: str, key: str, body: int, seconds: float
    ) -> None:
        """libslurm repeats what is beyond the limit. The client gives up meanwhile and goes to the other bridge."""
        self.cluster.hold_back_submission = seconds
        self.cluster.meanwhile = lambda: self.post(1 - bridge, caller, key, body)
        self.post(bridge, caller, key, body)
        self.cluster.meanwhile, self.cluster.hold_back_submission = None, 0.0

    @rule(caller=CALLERS, key=KEYS)
    def post_two_bodies_at_the_same_moment(self, caller: str, key: str) -> None:
        self.cluster.meanwhile = lambda: self.post(1, caller, key, 2)
        self.post(0, caller, key, 1)
        self.cluster.meanwhile = None

    @rule(bridge=BRIDGES, number=NUMBERS)
    def cancel(self, bridge: int, number: int) -> None:
        if (job := self._pick(number)) and (request := self.bridges[bridge].cancel(job.job_id)):
            self.given_up.add(request)

    @rule(bridge=BRIDGES, lost=st.integers(1, 3), caller=CALLERS, key=KEYS, body=BODIES)
    def cancel_a_lost_job(self, bridge: int, lost: int, caller: str, key: str, body: int) -> None:
        """A client cancels the job that it knows, and by then its id may be another's."""
        jobs = self.cluster.unsaved(lost)
        self.bridges[bridge].look()
        self.crash(lost)
        self.post(1 - bridge, caller, key, body)
        if jobs and (request := self.bridges[bridge].cancel(jobs[0].job_id)):
            self.given_up.add(request)

    # What the cluster and its admins do.

    @rule(reads_first=st.booleans(), nodes_are_up=st.booleans())
    def change_mood(self, reads_first: bool, nodes_are_up: bool) -> None:
        self.cluster.reads_first, self.cluster.nodes_are_up = reads_first, nodes_are_up

    @rule(seconds=st.sampled_from([0.1, 1.5, 11.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    @rule(number=NUMBERS, state=st.sampled_from(["COMPLETED", "FAILED"]))
    def end_job(self, number: int, state: str) -> None:
        if (job := self._pick(number)) and job.state == "RUNNING":
            self.cluster.memory.put(job.job_id, {"state": state, "end_time": int(self.clock.now_seconds)})

    @rule(number=NUMBERS)
    def forget_job(self, number: int) -> None:
        """And all that ended earlier: the controller does so `MinJobAge` after their ends."""
        if (job := self._pick(number)) and has_ended(job):
            for bridge in self.bridges:  # they look twice in MinJobAge
                bridge.look()
            for other in self.cluster.jobs():
                if has_ended(other) and (other.end_time or 0) <= (job.end_time or 0):
                    self.cluster.memory.forget(other.job_id)

    @rule(number=NUMBERS)
    def cancel_as_admin(self, number: int) -> None:
        job = self._pick(number)
        if job and not has_ended(job):
            self.cluster.memory.put(job.job_id, {"state": "CANCELLED", "end_time": int(self.clock.now_seconds)})
            self.given_up.add(self.cluster.request_of(job.job_id))

    @rule(number=NUMBERS, comment=st.sampled_from(["x", "project 7: {} (checked)"]))
    def change_comment(self, number: int, comment: str) -> None:
        if job := self._pick(number):
            for bridge in self.bridges:  # a bridge that has never seen the job, and has not submitted it, cannot know
                bridge.look()
            self.cluster.memory.put(job.job_id, {"comment": comment.format(job.comment)})

    @rule(number=NUMBERS)
    def copy_job(self, number: int) -> None:
        if (job := self._pick(number)) and not has_ended(job):
            copy = copied(self.cluster.memory.descriptors[job.job_id])
            self.cluster.submit_by_hand(copy)

    @rule(lost=st.integers(0, 3))
    def crash(self, lost: int) -> None:
        jobs = self.cluster.unsaved(lost)
        self._note_unseen_ends(jobs)
        self.cluster.crash(jobs)

    # What bridges do.

    @rule(bridge=BRIDGES)
    def recover(self, bridge: int) -> None:
        self.bridges[bridge].recovery.check()

    @rule(bridge=BRIDGES)
    def look(self, bridge: int) -> None:
        self.bridges[bridge].look()
        for job_id, comment in self._promised_by(bridge):
            job = self._find(job_id)
            if job is not None and self.cluster.memory.descriptors[job_id].comment == comment:
                view = self.bridges[bridge].cache.find(job_id)
                assert view is not None, f"the bridge does not know its job {job_id} any more"
                assert not view.is_lost, f"the bridge lost sight of its job {job_id}"

    @rule(bridge=BRIDGES)
    def restart_bridge(self, bridge: int) -> None:
        """Nothing is saved: from then on it knows what the cluster tells."""
        for job in self.cluster.jobs():
            if not own_text(job.comment):
                self.unprovable.add(self.cluster.request_of(job.job_id))
        past = self.cluster.known_to_accounting()
        self.unprovable |= {request for request in self.cluster.runs.keys() - past if not self._has_job(request)}
        self.promised = {place: promise for place, promise in self.promised.items() if promise[1] != bridge}
        self.unwatched |= self.bridges[bridge].watched_requests() - self.bridges[1 - bridge].watched_requests()
        self.bridges[bridge] = SimulatedBridge(self.cluster)
        for _ in range(2):
            self.bridges[bridge].recovery.check()

    # The promise.

    @invariant()
    def no_request_runs_twice(self) -> None:
        for request, runs in self.cluster.runs.items():
            assert runs <= 1 or request in self.unprovable, f"{request} ran {runs} times"

    @invariant()
    def no_promised_job_is_cancelled(self) -> None:
        for (job_id, comment), (request, _) in self.promised.items():
            job = self._find(job_id)
            if job is not None and self.cluster.memory.descriptors[job_id].comment == comment:
                is_asked_for = request in self.given_up or request in self.unprovable
                assert job.state != "CANCELLED" or is_asked_for, f"job {job_id} was promised, and cancelled"

    @invariant()
    def no_foreign_job_is_cancelled(self) -> None:
        for job_id in self.cluster.foreign_ids:
            job = self._find(job_id)
            is_original_unknown = self.cluster.request_of(job_id) in self.unprovable
            is_cancelled = job is not None and job.state == "CANCELLED"
            assert not is_cancelled or is_original_unknown, f"job {job_id} is another program's, and was cancelled"

    def teardown(self) -> None:
        try:
            if hasattr(self, "cluster"):
                self._no_promise_is_forgotten()
        finally:
            self.stack.close()

    def _no_promise_is_forgotten(self) -> None:
        for _ in range(QUIET_ROUNDS):
            for bridge in self.bridges:
                bridge.recovery.check()
            self.clock.sleep(2.0)
        self.no_request_runs_twice()
        self.no_promised_job_is_cancelled()
        for request, _ in self.promised.values():
            is_settled = self.cluster.runs[request] or request in self.given_up | self.unwatched
            assert is_settled or self._has_job(request), f"{request} was promised and has no job"

    # Helpers.

    def _find(self, job_id: str) -> JobSnapshot | None:
        return next((job for job in self.cluster.jobs() if job.job_id == job_id), None)

    def _pick(self, number: int) -> JobSnapshot | None:
        """One of the bridges' jobs."""
        jobs = [job for job in self.cluster.jobs() if job.job_id not in self.cluster.foreign_ids]
        return jobs[number % len(jobs)] if jobs else None

    def _has_job(self, request: Request) -> bool:
        own = (job for job in self.cluster.jobs() if job.job_id not in self.cluster.foreign_ids)
        return any(self.cluster.request_of(job.job_id) == request for job in own)

    def _promised_by(self, bridge: int) -> list[tuple[str, str]]:
        return [place for place, (_, promiser) in self.promised.items() if promiser == bridge]

    def _note_unseen_ends(self, lost: list[JobSnapshot]) -> None:
        """What ended just before a crash, and not all bridges have seen. (Accounting tells only those that ask.)"""
        for job in lost:
            metadata = self.cluster.metadata_of(job.job_id)
            is_seen = all(bridge.has_seen_end_of(metadata) for bridge in self.bridges)
            if has_ended(job) and not is_seen:
                self.unprovable.add(self.cluster.request_of(job.job_id))


def play(steps: int, chosen_seed: int, **options: Any) -> None:
    """Play so many steps."""
    runs = settings(
        max_examples=steps // STEPS_OF_A_RUN,
        stateful_step_count=STEPS_OF_A_RUN,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    run_state_machine_as_test(seed(chosen_seed)(Promise), settings=runs)
