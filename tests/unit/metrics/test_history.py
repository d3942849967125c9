"""What became of jobs, minute by minute: each start and end once, and gaps where nothing was seen."""

from typing import Any

from bridge.jobs.status.job_changes import JobChange
from bridge.jobs.status.job_view import Job
from bridge.metrics.history import MINUTES_MAX, Durations, JobHistory, Period
from bridge.metrics.queue_tally import QueueTally
from tests.support.samples import bridge_metadata, running_job

BEGAN_AT = 1_767_323_040  # a whole minute


class Looks:
    """A history, and the looks at the queue that it hears of; the clock moves by hand."""

    def __init__(self) -> None:
        self.at = BEGAN_AT
        self.tally = QueueTally()
        self.history = JobHistory(self.tally, clock=lambda: self.at)

    def show(self, *changes: JobChange) -> None:
        self.tally.observe(changes)
        self.history.observe(changes)

    @property
    def minutes(self) -> list[Period]:
        return self.history.periods(3600, 60)


def job(state: str, **fields: Any) -> Job:
    ran = {} if state == "PENDING" else {"start_time": BEGAN_AT + 5, "nodes": "n1"}
    times = {"submit_time": BEGAN_AT + 1, "end_time": None, "start_time": None, "nodes": None, **ran}
    return Job(running_job(state=state, **{**times, **fields}), bridge_metadata())


def ended(state: str, **fields: Any) -> Job:
    return job(state, end_time=BEGAN_AT + 12, **fields)


def test_a_jobs_life_is_counted_once() -> None:
    looks = Looks()
    waits, runs, over = job("PENDING"), job("RUNNING"), ended("COMPLETED")
    looks.show(JobChange(None, waits))
    assert (looks.minutes[0].waiting, looks.minutes[0].running) == (1, 0)
    looks.show(JobChange(waits, runs))
    assert (looks.minutes[0].waiting, looks.minutes[0].running) == (0, 1)
    looks.at += 60
    looks.show(JobChange(runs, over, is_end=True))
    looks.show(JobChange(over, None))
    first, second = looks.minutes
    assert (first.waits, first.runs) == (Durations(1, 4, 4), Durations())
    assert (second.waits, second.runs) == (Durations(), Durations(1, 7, 7))
    assert [(minute.ends.ended_well, minute.ends.failed) for minute in looks.minutes] == [(0, 0), (1, 0)]


def test_a_job_that_was_only_seen_over_has_waited_and_run() -> None:
    looks = Looks()
    looks.show(JobChange(None, ended("TIMEOUT"), is_end=True))
    (minute,) = looks.minutes
    assert (minute.ends.failed, minute.waits.count, minute.runs.count) == (1, 1, 1)


def test_what_was_before_the_start_is_not_counted() -> None:
    looks = Looks()
    looks.show(JobChange(None, job("RUNNING", start_time=BEGAN_AT - 5)), JobChange(None, ended("FAILED", start_time=1)))
    (minute,) = looks.minutes
    assert (minute.running, minute.waits.count, minute.ends.failed) == (1, 0, 0)


def test_how_jobs_end() -> None:
    looks = Looks()
    never_ran = {"nodes": None, "start_time": None}
    looks.show(
        JobChange(None, ended("CANCELLED", **never_ran), is_end=True),
        JobChange(None, ended("OUT_OF_MEMORY"), is_end=True),
        JobChange(job("RUNNING"), None),
    )
    (minute,) = looks.minutes
    ends = minute.ends
    assert (ends.ended_well, ends.failed, ends.cancelled, ends.unseen, minute.runs.count) == (0, 1, 1, 1, 1)


def test_a_minute_without_a_look_is_missing() -> None:
    looks = Looks()
    for passed in (0, 60, 240):
        looks.at = BEGAN_AT + passed
        looks.show()
    assert [minute.at - BEGAN_AT for minute in looks.minutes] == [0, 60, 240]


def test_minutes_are_put_together_and_forgotten_after_a_day() -> None:
    looks = Looks()
    for minute in range(MINUTES_MAX + 20):
        looks.at = BEGAN_AT + 60 * minute
        looks.show(JobChange(None, ended("FAILED"), is_end=True))
    steps = looks.history.periods(24 * 3600, 600)
    assert sum(step.ends.failed for step in steps) == MINUTES_MAX
    assert {step.ends.failed for step in steps[1:-1]} == {10}
    assert [step.at % 600 for step in steps] == [0] * len(steps)
    assert sum(minute.ends.failed for minute in looks.minutes) == 60
