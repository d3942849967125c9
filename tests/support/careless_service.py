"""The service without what keeps secrets, for a test of the tests: `python -m tests.support.careless_service serve`."""

import shlex
import sys
from typing import Any

from bridge import masking
from bridge.cli import main
from bridge.descriptors import JobFactory
from bridge.middleware import RequestLog


def _take_precautions_out() -> None:
    describe = JobFactory.describe
    log_answer = RequestLog.process_response

    def describe_carelessly(factory: JobFactory, request: Any, comment: Any) -> Any:
        job = describe(factory, request, comment)
        command = f"sh -c 'sleep 30; :' {shlex.quote(request.target)} &\n"
        return job._replace(
            name=f"parse {request.target}",
            script=job.script.replace("exec ", f"{command}exec ", 1),
            environment={**job.environment, "SLURM_UMASK": "0022"},
            stdout_path=job.stdout_path.replace("%x", "parse"),
            stderr_path=job.stderr_path.replace("%x", "parse"),
        )

    def log_carelessly(log: RequestLog, request: Any, *arguments: Any) -> None:
        request.path += str(request.headers)
        log_answer(log, request, *arguments)

    masking.Masker.mask = lambda _masker, text, *, is_end: text  # type: ignore[assignment,method-assign]
    JobFactory.describe = describe_carelessly  # type: ignore[assignment,method-assign]
    RequestLog.process_response = log_carelessly  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    _take_precautions_out()
    sys.exit(main())
