"""Observations of a file on their way into the datastore; `writer` puts the steps together."""
