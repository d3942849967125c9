"""What a worker does to find out whether the controller accepts somebody's token."""

import os
from typing import TYPE_CHECKING

from bridge.slurm.messages import Verified, VerifyToken

if TYPE_CHECKING:
    from types import ModuleType

SLURM_PROTOCOL_AUTHENTICATION_ERROR = 1007


class TokenVerifier:
    """Signs one call with each token: the controller reads who signed before it reads anything else."""

    def __init__(self, pyslurm: "ModuleType", conf_path: str | None) -> None:
        self._pyslurm = pyslurm
        self._conf_path = conf_path
        self._has_seen_a_no = False

    def verify(self, request: VerifyToken) -> Verified:
        """The controller's word.

        Raises `pyslurm.RPCError` where it cannot be asked, and `RuntimeError` where its yes means nothing: a libslurm
        that signed with something else than the token would be accepted whatever the token is.
        """
        is_good = self._accepts(request.token)
        self._has_seen_a_no |= not is_good
        if not self._has_seen_a_no:
            self._has_seen_a_no = not self._accepts(_with_another_signature(request.token))
        if not self._has_seen_a_no:
            raise RuntimeError("Slurm accepts tokens with a wrong signature")
        return Verified(is_good)

    def _accepts(self, token: str) -> bool:
        # libslurm reads the token when it starts, and goes on with that one whatever the variable says later.
        os.environ["SLURM_JWT"] = token
        self._pyslurm.slurm_fini()
        self._pyslurm.slurm_init(self._conf_path)
        try:
            self._pyslurm.slurmctld.Config.load()  # a ping would not try the backup controllers
        except self._pyslurm.RPCError as error:
            if error.errno == SLURM_PROTOCOL_AUTHENTICATION_ERROR:
                return False
            raise
        return True


def _with_another_signature(token: str) -> str:
    return token.rpartition(".")[0] + "." + "A" * 43  # as long as one of HS256
