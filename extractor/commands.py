"""What `parse` does, from settings to stored observations."""

import logging
from uuid import UUID

from extractor import parsers, store
from extractor.errors import ExtractorError
from extractor.logs import logger
from extractor.mqtt import Broker
from extractor.reading import sources, unpacking
from extractor.redaction import without_credentials
from extractor.storing import writer

DATA_PARSED_TOPIC = "data_parsed"


def parse(parser: str, target_uri: str, source_uri: str, thing_uuid: UUID) -> None:
    """Store the source's observations for the thing.

    Raises:
        ExtractorError: thing, settings or source are not as they must be; nothing was stored.
    """
    engine = store.connect(target_uri)
    store.create_tables(engine)
    thing = store.find_thing(engine, thing_uuid)
    reader = parsers.parser_for(parser, thing.properties)
    origin = without_credentials(source_uri)
    logger.info("parsing %s for thing %s (%s) into %s", origin, thing.uuid, thing.name, store.shown(engine))
    with sources.fetch(source_uri) as path, unpacking.opened(path) as stream:
        stored = writer.write(engine, thing, reader.report.watch(reader.read(stream)), origin)
    remarks = [*stored.warnings, *reader.report.sentences()]
    counts = [f"{stored.count:,} observations stored for thing {thing.uuid}", *stored.sentences()]
    logger.log(logging.WARNING if remarks else logging.INFO, "%s", ", ".join([*counts, *remarks]))


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
