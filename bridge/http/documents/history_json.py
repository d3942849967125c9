"""How the history of jobs looks to a client."""

from datetime import UTC, datetime
from typing import Literal

from bridge.http.documents.page_models import (
    DurationsDocument,
    EndsDocument,
    HistoryDocument,
    PeriodDocument,
    StepSeconds,
)
from bridge.metrics.history import Durations, Ends, JobHistory, Period

HOUR_SECONDS, DAY_SECONDS = 3600, 24 * 3600

Span = Literal["hour", "day"]
_SPANS: dict[Span, tuple[int, StepSeconds]] = {"hour": (HOUR_SECONDS, 60), "day": (DAY_SECONDS, 600)}


def history_document(history: JobHistory, span: Span, looked_at: float, *, is_current: bool) -> HistoryDocument:
    """The answer to `GET /history`; `looked_at`: when the queue stood like this, in seconds since the epoch."""
    span_seconds, step_seconds = _SPANS[span]
    waiting, running = history.now()
    return {
        "as_of": _moment(looked_at),
        "current": is_current,
        "began_at": _moment(history.began_at),
        "waiting": waiting,
        "running": running,
        "last_hour": _ends(_ends_in(history, HOUR_SECONDS)),
        "last_day": _ends(_ends_in(history, DAY_SECONDS)),
        "step_seconds": step_seconds,
        "periods": [_period(period) for period in history.periods(span_seconds, step_seconds)],
    }


def _ends_in(history: JobHistory, seconds: int) -> Ends:
    ends = Ends()
    for period in history.periods(seconds, seconds):
        ends.add(period.ends)
    return ends


def _period(period: Period) -> PeriodDocument:
    return {
        "at": _moment(period.at),
        "waiting": period.waiting,
        "running": period.running,
        **_ends(period.ends),
        "wait_seconds": _durations(period.waits),
        "run_seconds": _durations(period.runs),
    }


def _ends(ends: Ends) -> EndsDocument:
    return {
        "ended_well": ends.ended_well,
        "failed": ends.failed,
        "cancelled": ends.cancelled,
        "unseen": ends.unseen,
    }


def _durations(durations: Durations) -> DurationsDocument:
    if not durations.count:
        return {"mean": None, "longest": None}
    return {"mean": round(durations.total_seconds / durations.count, 1), "longest": durations.longest_seconds}


def _moment(epoch_seconds: float) -> str:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
