"""`GET /metrics`: figures for Prometheus."""

import falcon

from bridge.metrics.metrics import Metrics


class MetricsResource:
    """Asks no other process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 with all of them."""
        response.content_type = "text/plain; version=0.0.4; charset=utf-8"
        response.data = self._metrics.text()

    on_head = on_get
