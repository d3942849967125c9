"""What a worker does to find out whether the controller accepts somebody's token."""

import os
from typing import TYPE_CHECKING

from bridge.slurm.messages import Verified, VerifyToken

if TYPE_CHECKING:
    from types import ModuleType

SLURM_PROTOCOL_AUTHENTICATION_ERROR = 1007


def verify_token(pyslurm: "ModuleType", conf_path: str | None, request: VerifyToken) -> Verified:
    """Sign one call with the token: the controller reads who signed before it reads anything else.

    Raises `pyslurm.RPCError` where the controller cannot be asked.
    """
    # libslurm reads the token when it starts, and goes on with that one whatever the variable says later.
    os.putenv("SLURM_JWT", request.token)
    pyslurm.slurm_fini()
    pyslurm.slurm_init(conf_path)
    try:
        pyslurm.slurmctld.Config.load()  # a ping would not try the backup controllers
    except pyslurm.RPCError as error:
        if error.errno == SLURM_PROTOCOL_AUTHENTICATION_ERROR:
            return Verified(is_good=False)
        raise
    return Verified(is_good=True)
