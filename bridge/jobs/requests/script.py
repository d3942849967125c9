"""Job scripts: one template a kind, rendered once at the start, the same text for every job of the kind. Pure."""

import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import BaseLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, TemplateError

PACKAGE = "jobscripts"


def render_job_script(
    kind: str, extractor_command: Sequence[str], template_folder: Path | None = None, launcher: str = "launch.py"
) -> str:
    """The batch script for jobs of `kind`, from `<kind>.sh.j2` in `template_folder` or in the package.

    `launcher` is the program in the package that the script runs, which starts the extractor.
    A template may use `interpreter` (shell-quoted words), `program` (shell-quoted) and `launcher` (Python source).
    Raises `jinja2.TemplateError` where it is missing, is malformed, uses another name or makes no script.
    """
    loader: BaseLoader = PackageLoader(PACKAGE, "") if template_folder is None else FileSystemLoader(template_folder)
    # The output is a shell script and everything in it is the operator's: HTML escaping would only break it.
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    *interpreter, program = extractor_command
    script = environment.get_template(f"{kind}.sh.j2").render(
        interpreter=shlex.join(interpreter),
        program=shlex.quote(program),
        launcher=(files(PACKAGE) / launcher).read_text(encoding="utf-8").rstrip("\n"),
    )
    if not script.startswith("#!"):
        raise TemplateError(f"{kind}.sh.j2 must begin with #! and an interpreter: Slurm takes no other script")
    return script
