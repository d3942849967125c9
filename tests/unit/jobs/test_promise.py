"""The promise, exactly one job a request, through random stops, crashes, edits and repetitions.

Each run is another one; `--hypothesis-seed` plays the same again. What was found is a case of its own.
"""

import random
from collections.abc import Callable

import pytest

from tests.support.promise_machine import LIMIT, Promise, play

STEPS = 10_000


def test_exactly_one_job_a_request(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    asked_for = request.config.getoption("--hypothesis-seed")
    chosen_seed = random.SystemRandom().randrange(2**32) if asked_for is None else int(asked_for)
    record_property("seed", chosen_seed)
    play(STEPS, chosen_seed)


def test_found_a_look_at_the_moment_of_acceptance_hid_how_the_job_ended() -> None:
    state = Promise()
    state.start(has_accounting=False)
    state.post(bridge=0, caller="ada", key="k1", body=1)
    state.cancel_as_admin(number=0)
    state.post(bridge=0, caller="ada", key="k1", body=1)
    state.post(bridge=1, caller="ada", key="k1", body=1)
    state.crash(lost=1)
    state.teardown()


def test_found_an_id_that_came_again_was_promised_to_the_request_that_had_it_before() -> None:
    state = Promise()
    state.start(has_accounting=False)
    state.post(bridge=0, caller="ada", key="k1", body=1)
    state.post(bridge=0, caller="bob", key="k2", body=2)
    state.end_job(number=1, state="COMPLETED")
    state.look(bridge=1)
    state.crash(lost=2)
    stop_and_repeat(state, bridge=0, caller="ada", key="k1", seconds=1.0)
    state.post_two_bodies_at_the_same_moment(caller="bob", key="k2")
    state.teardown()


@pytest.mark.parametrize(
    ("has_accounting", "started_before", "started_after"),
    [(True, [], []), (True, [], [1]), (False, [0, 1], [1])],
    ids=["accounting", "accounting-and-a-new-bridge", "no-accounting"],
)
def test_found_a_job_that_gave_way_was_told_of_when_the_other_was_lost(
    has_accounting: bool, started_before: list[int], started_after: list[int]
) -> None:
    state = Promise()
    state.start(has_accounting=has_accounting)
    stop_and_repeat(state, bridge=0, caller="bob", key="k1", seconds=1.0)
    for bridge in started_before:
        state.restart_bridge(bridge=bridge)
    state.crash(lost=3)
    for bridge in started_after:
        state.restart_bridge(bridge=bridge)
    stop_and_repeat(state, bridge=0, caller="bob", key="k1", seconds=1.0)
    state.teardown()


def test_found_a_job_whose_id_came_again_was_not_remembered_as_lost() -> None:
    state = Promise()
    state.start(has_accounting=True)
    stop_and_repeat(state, bridge=1, caller="ada", key="k2", seconds=13.0)
    state.look(bridge=0)
    state.look(bridge=1)
    state.crash(lost=3)
    stop_and_repeat(state, bridge=1, caller="bob", key="k2", seconds=2.0, after_the_look=True)
    state.copy_job(number=16)
    state.crash(lost=3)
    stop_and_repeat(state, bridge=0, caller="ada", key="k2", seconds=2.0)
    state.teardown()


def test_found_a_bridge_took_an_earlier_job_with_the_id_of_its_own_for_its_own() -> None:
    state = Promise()
    state.start(has_accounting=True)
    stop_and_repeat(state, bridge=1, caller="ada", key="k2", seconds=13.0)
    state.look(bridge=0)
    state.look(bridge=1)
    state.crash(lost=3)
    stop_and_repeat(state, bridge=0, caller="ada", key="k2", seconds=2.0)
    state.wait(seconds=40.0)
    state.teardown()


@pytest.mark.parametrize("nodes_are_up", [True, False])
def test_found_a_submission_beyond_the_limit_of_requests_came_after_the_repeated_one(nodes_are_up: bool) -> None:
    state = Promise()
    state.start(has_accounting=False, rpc_limit=LIMIT)
    state.change_mood(reads_first=False, nodes_are_up=nodes_are_up)
    state.wait(seconds=40.0)
    state.post_while_submissions_are_held_back(bridge=0, caller="ada", key="k1", body=1, seconds=4.0)
    state.change_mood(reads_first=False, nodes_are_up=True)
    state.wait(seconds=40.0)
    state.teardown()


def stop_and_repeat(
    state: Promise, *, bridge: int, caller: str, key: str, seconds: float, after_the_look: bool = False
) -> None:
    """One request for both bridges, which meet after the controller's stop."""
    state.post_while_the_controller_stops(
        bridge=bridge,
        caller=caller,
        key=key,
        body=1,
        seconds=seconds,
        after_the_look=after_the_look,
        repeats_late=True,
    )
