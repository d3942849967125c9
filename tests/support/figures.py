"""Prometheus's text, read as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families

Figures = dict[tuple[str, ...], float]


def read_figures(text: str) -> Figures:
    """Each sample by its name without `tsm_bridge_`, followed by the values of its labels."""
    return {
        (sample.name.removeprefix("tsm_bridge_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
