"""The real gateway on a private Slurm, in the process of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bridge.slurm.client.slurm_gateway import SlurmGateway
from tests.support.private_slurm import PrivateSlurm


@contextmanager
def running_gateway(slurm: PrivateSlurm, *, workers: int) -> Iterator[SlurmGateway]:
    """A gateway that finds this Slurm and no other."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm.environment.items():
            patch.setenv(name, value)
        gateway = SlurmGateway(slurm_conf_path=slurm.conf_path, workers=workers)
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.close()
