"""waitress, told to answer in our words what it refuses by itself: bad HTTP, and bodies beyond its own limit."""

import json
from typing import Any
from uuid import uuid4

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from bridge.errors import BodyTooLargeError, BridgeError, InternalError, MalformedRequestError
from bridge.problems import PROBLEM_MEDIA_TYPE, problem_document


class ProblemTask(ErrorTask):
    """Answers a request that never reaches the application."""

    def execute(self) -> None:
        """See the class."""
        request: Any = self.request  # an HTTPRequestParser, without `path` where it could not read so far
        error: BridgeError
        if request.error.code >= InternalError.status:
            error = InternalError("This is a bug in the bridge; the log holds its cause.")
        elif request.error.code == BodyTooLargeError.status:
            error = BodyTooLargeError("The body is larger than any address takes.")
        else:
            error = MalformedRequestError(f"This is not HTTP that the service reads: {request.error.body}.")
        request_id = uuid4().hex
        body = json.dumps(problem_document(error, getattr(request, "path", ""), request_id)).encode()
        self.status = f"{error.status} {error.title}"
        self.response_headers = [("Content-Type", PROBLEM_MEDIA_TYPE), ("X-Request-ID", request_id)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class ProblemChannel(HTTPChannel):
    """A connection whose refusals are problems."""

    error_task_class = ProblemTask
