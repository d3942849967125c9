"""Says what a run leaves out: a run that silently tests less than it seems to is worse than none."""

import importlib.util

HAS_PYSLURM = importlib.util.find_spec("pyslurm") is not None


def pytest_report_header() -> list[str]:
    """One line at the top of the report."""
    if HAS_PYSLURM:
        return []
    return ["left out: tests/slurm and tests/e2e need a real Slurm; `sudo ./container/test` runs everything"]
