"""The command `run-qaqc`: which settings apply, and what is said of the result."""

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Engine

from extractor import store
from extractor.errors import ExtractorError
from extractor.logs import logger
from extractor.quality.settings import Config, Period, config_of

if TYPE_CHECKING:
    from extractor.quality.stretches import Tally


def run_qaqc(
    target_uri: str, thing_uuid: UUID, period: Period, settings_name: str | None, project_uuid: UUID | None
) -> None:
    """Label the thing's numbers as its QAQC settings say: those of the period, or those without a label.

    With a project all series that the settings name are labelled; else those that are tested together with one of the
    thing's.

    Raises:
        ExtractorError: thing or settings are not as they must be, or no test could run; no label was written.
    """
    engine = store.connect(target_uri)
    store.create_tables(engine)
    thing = store.find_thing(engine, thing_uuid)
    config = config_of(thing, settings_name, project_uuid)
    if config is None:
        logger.info("thing %s (%s) has no QAQC settings: nothing to do", thing.uuid, thing.name)
        return
    _report(_check(engine, thing, config, period, of_project=project_uuid is not None), config)


def _check(engine: Engine, thing: store.Thing, config: Config, period: Period, *, of_project: bool) -> "Tally":
    # Importing SaQC takes seconds, which a thing without settings need not wait for.
    from extractor.quality import datastore, functions
    from extractor.quality.stretches import Checker, groups

    plan = functions.plan(config)
    with engine.connect() as connection:
        streams = datastore.find(connection, thing, plan.series)
    own = {name for name, stream in streams.items() if stream.thing_id == thing.id}
    names = datastore.one_name_for_each(streams)
    calls = tuple(call.renamed(names) for call in plan.calls if of_project or call.series & own)
    logger.info("checking thing %s (%s) with %s tests", thing.uuid, thing.name, len(calls))
    checker = Checker(engine, streams, config)
    for group in groups(calls):
        checker.check(group, period)
    return checker.tally


def _report(tally: "Tally", config: Config) -> None:
    for call, count in tally.flagged.items():
        logger.info("%s flagged %s values", call, f"{count:,}")
    failures = "; ".join(f"{call}: {reason}" for call, reason in tally.failures.items())
    if failures:
        failures = f"{len(tally.failures)} of {len(config.tests)} tests could not run: {failures}"
    if failures and not tally.labelled:
        raise ExtractorError(f"no observation labelled; {failures}")
    flagged = sum(tally.flagged.values())
    done = f"{tally.labelled:,} observations labelled, {flagged:,} of them flagged"
    if failures:
        logger.warning("%s; %s", done, failures)
    else:
        logger.info("%s", done if tally.labelled else "nothing to do")
