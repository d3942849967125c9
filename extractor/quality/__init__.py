"""Quality control by SaQC: settings, series of the datastore, tests, labels.

`command` puts the steps together; `checks` runs the tests.
"""
