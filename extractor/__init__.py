"""Reference extractor: raw files into a thing's datastore, quality control on what lies there.

Command-line compatible with tsm-extractor, so that either can be put in the other's place.
"""

__version__ = "1.0.0"
