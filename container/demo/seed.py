"""`seed.py TARGET_URI`: makes the demo's thing, with its parser and QAQC settings, known to a datastore."""

import sys
from uuid import UUID

from extractor.errors import ExtractorError
from extractor.store import add_thing, connect, create_tables, find_thing

THING = UUID("ce2b4fb6-d9de-11eb-a236-125e5a40a845")
PROPERTIES = {
    "parsers": [
        {
            "type": "CsvParser",
            "settings": {
                "delimiter": ",",
                "header": 1,
                "timestamp_column": 1,
                "timestamp_format": "%Y/%m/%d %H:%M:%S",
            },
        }
    ],
    "QAQC": {
        "default": 0,
        "configs": [
            {
                "type": "SaQC",
                "name": "plausible temperatures",
                "context_window": "4D",
                # Degrees Fahrenheit; San Francisco's rare cold nights and warm days lie outside.
                "tests": [{"position": 0, "function": "flagRange", "kwargs": {"min": 46, "max": 65}}],
            }
        ],
    },
}

if __name__ == "__main__":
    datastore = connect(sys.argv[1])
    create_tables(datastore)
    try:
        find_thing(datastore, THING)
    except ExtractorError:
        add_thing(datastore, THING, "San Francisco, air temperature", PROPERTIES)
