"""Who the client is where proxies stand in front: from `X-Forwarded-For`, if it comes from one of them."""

from collections.abc import Callable, Collection, Iterable
from typing import Any
from wsgiref.types import WSGIApplication

from waitress.proxy_headers import proxy_headers_middleware

BELIEVED_HEADERS = {"x-forwarded-for", "x-forwarded-proto"}


def behind_proxies(app: WSGIApplication, proxies: Collection[str]) -> WSGIApplication:
    """`app`, with `REMOTE_ADDR` and `wsgi.url_scheme` as those peers tell them who are in `proxies`.

    Of several addresses the last is taken, which the proxy itself has seen. What other peers say is taken out.
    """
    believing = proxy_headers_middleware(app, trusted_proxy="*", trusted_proxy_headers=BELIEVED_HEADERS)
    ignoring = proxy_headers_middleware(app)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        chosen = believing if environ["REMOTE_ADDR"] in proxies else ignoring
        return chosen(environ, start_response)

    return answer
