"""The head of an answer, beside the one that waitress puts together."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from waitress.task import WSGITask

from bridge.http.server.waitress_tasks import AnswerTask


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified", "503 Service Unavailable"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("connection", [{}, {"CONNECTION": "close"}, {"CONNECTION": "Keep-Alive"}])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("content-length", "2"), ("x-request-id", "1")], id="usual"),
        pytest.param([("ETag", "W/1")], id="no-length"),
        pytest.param([("content-length", "2"), ("set-cookie", "a"), ("set-cookie", "b")], id="twice"),
    ],
)
def test_the_head_of_an_answer_is_waitresss(
    status: str, version: str, connection: dict[str, str], headers: list[tuple[str, str]]
) -> None:
    heads = []
    for kind in (AnswerTask, WSGITask):
        channel: Any = SimpleNamespace(server=SimpleNamespace(adj=SimpleNamespace(ident="us")))
        task = kind(channel, cast(Any, SimpleNamespace(version=version, headers=connection)))
        task.status, task.response_headers, task.start_time = status, list(headers), 1_800_000_000
        task.content_length = 2 if len(headers) > 1 else None
        head = task.build_response_header().decode()
        assert head.endswith("\r\n\r\n")
        heads.append((sorted(head.split("\r\n")), task.close_on_finish, task.chunked_response))
    assert heads[0] == heads[1]
