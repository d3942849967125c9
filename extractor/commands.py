"""What the two commands do, from settings to stored result."""

from uuid import UUID

import pandas as pd

from extractor import csv_parser, parsers, sources, store, writer
from extractor.errors import ExtractorError
from extractor.logs import logger
from extractor.mqtt import Broker
from extractor.quality_settings import config_of
from extractor.redaction import without_credentials

DATA_PARSED_TOPIC = "data_parsed"


def parse(parser: str, target_uri: str, source_uri: str, thing_uuid: UUID) -> None:
    """Store the source's observations for the thing.

    Raises:
        ExtractorError: thing, settings or source are not as they must be; nothing was stored.
    """
    engine = store.connect(target_uri)
    store.create_tables(engine)
    thing = store.find_thing(engine, thing_uuid)
    settings = parsers.settings_for(parser, thing.properties)
    origin = without_credentials(source_uri)
    logger.info("parsing %s for thing %s (%s) into %s", origin, thing.uuid, thing.name, store.shown(engine))
    with sources.fetch(source_uri) as path:
        writer.write(engine, thing, csv_parser.read(path, settings), origin)


def announce(broker: Broker, target_uri: str, thing_uuid: UUID) -> None:
    """Tell TSM that the thing has new data, which is what starts its quality control.

    Raises:
        ExtractorError: the broker did not take it. The data is stored all the same.
    """
    try:
        broker.announce(DATA_PARSED_TOPIC, {"thing_uuid": str(thing_uuid), "db_uri": target_uri})
    except ExtractorError as error:
        raise ExtractorError(
            f"{error}: the data is stored, but {DATA_PARSED_TOPIC} was not announced; running this again is safe"
        ) from error


def run_qaqc(target_uri: str, thing_uuid: UUID) -> None:
    """Label the thing's unchecked numbers, as its QAQC settings say.

    Raises:
        ExtractorError: thing or settings are not as they must be, or a test failed; no label was written.
    """
    engine = store.connect(target_uri)
    store.create_tables(engine)
    thing = store.find_thing(engine, thing_uuid)
    config = config_of(thing.properties)
    if config is None:
        logger.info("thing %s (%s) has no QAQC settings: nothing to do", thing.uuid, thing.name)
        return
    # Importing SaQC takes seconds, which parsing need not wait for.
    from extractor import quality, quality_store

    quality.validate(config)
    positions = {test.position for test in config.tests}
    series = quality_store.load(engine, thing, positions, config.context_window)
    for position in sorted(positions - series.keys()):
        logger.warning("position %s of thing %s has no unchecked numbers: its tests do not run", position, thing.uuid)
    if not series:
        logger.info("nothing to do")
        return
    read = sum(len(one.rows) for one in series.values())
    logger.info("checking %s observations of thing %s (%s)", f"{read:,}", thing.uuid, thing.name)
    labels = quality.check({position: one.rows["number"] for position, one in series.items()}, config)
    due = pd.concat(
        [one.rows.assign(label=labels[position]).loc[one.first_unchecked :] for position, one in series.items()]
    )
    count = quality_store.save(engine, thing, due)
    logger.info("%s observations labelled", f"{count:,}")
