"""Who the client is where proxies stand in front, and below which path it sees the service, if one of them says so."""

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any
from wsgiref.types import WSGIApplication

from waitress.proxy_headers import proxy_headers_middleware

from bridge.core.text import PATH_PREFIX
from bridge.http.middleware.path_prefix import FORWARDED_PREFIX

BELIEVED_HEADERS = {"x-forwarded-for", "x-forwarded-proto"}


def behind_proxies(app: WSGIApplication, proxies: Collection[str]) -> WSGIApplication:
    """`app`, with `REMOTE_ADDR` and `wsgi.url_scheme` as those peers tell them who are in `proxies`.

    Of several addresses the last is taken, which the proxy itself has seen. `X-Forwarded-Prefix` of these peers is
    believed, too. What other peers say is taken out.
    """
    believing = proxy_headers_middleware(app, trusted_proxy="*", trusted_proxy_headers=BELIEVED_HEADERS)
    ignoring = proxy_headers_middleware(app)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REMOTE_ADDR"] not in proxies:
            return ignoring(environ, start_response)
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "").rstrip("/")
        if re.fullmatch(PATH_PREFIX, prefix):
            environ[FORWARDED_PREFIX] = prefix
        return believing(environ, start_response)

    return answer
