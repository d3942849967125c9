"""These tests need a real Slurm; without pyslurm they are not collected."""

from tests.conftest import HAS_PYSLURM

collect_ignore_glob = [] if HAS_PYSLURM else ["test_*.py"]
