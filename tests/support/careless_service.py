"""The service without what keeps secrets, for a test of the tests: `python -m tests.support.careless_service serve`."""

import shlex
import sys
from typing import Any

from msgspec.structs import replace

from bridge.cli.main import main
from bridge.http.middleware.request_log import RequestLog
from bridge.jobs.output import masking
from bridge.jobs.requests.factory import JobFactory


def _take_precautions_out() -> None:
    describe = JobFactory.describe
    log_answer = RequestLog.process_response

    def describe_carelessly(factory: JobFactory, request: Any, *identity: Any) -> Any:
        job, metadata = describe(factory, request, *identity)
        command = f"sh -c 'sleep 30; :' {shlex.quote(request.target)} &\n"
        careless = replace(
            job,
            name=f"parse {request.target}",
            script=job.script.replace("exec ", f"{command}exec ", 1).replace("    keep_secrets_in(", "    print("),
            environment={**job.environment, "SLURM_UMASK": "0022"},
        )
        return careless, metadata

    def log_carelessly(log: RequestLog, request: Any, *arguments: Any) -> None:
        request.path += str(request.headers)
        log_answer(log, request, *arguments)

    masking.Masker.mask = lambda _masker, text, *, is_end: text  # type: ignore[assignment,method-assign]
    JobFactory.describe = describe_carelessly  # type: ignore[assignment,method-assign]
    RequestLog.process_response = log_carelessly  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    _take_precautions_out()
    sys.exit(main())
