"""Where a proxy shows the service below a path: the addresses in answers begin with it."""

import falcon

FORWARDED_PREFIX = "bridge.forwarded_prefix"  # in the WSGI environment: what a trusted proxy says

_ADDRESS = b'href":"/jobs/'  # in JSON a quotation mark ends a text: nothing that a client sent can look like this


class PathPrefix:
    """Falcon middleware. Puts the prefix (that of the proxy, or else of the settings) before the addresses of jobs."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def process_response(
        self, request: falcon.Request, response: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Put it there."""
        prefix = request.env.get(FORWARDED_PREFIX, self._prefix)
        if not prefix:
            return
        if location := response.get_header("Location"):
            response.location = prefix + location
        if response.stream is None and (body := response.render_body()):
            response.data = body.replace(_ADDRESS, b'href":"%b/jobs/' % prefix.encode())
