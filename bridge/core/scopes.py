"""What a caller may do."""

from enum import StrEnum


class Scope(StrEnum):
    """What a caller may do."""

    SUBMIT = "submit"  # new jobs
    READ = "read"  # how jobs stand, and what they printed
    CANCEL = "cancel"
    METRICS = "metrics"  # figures for Prometheus
