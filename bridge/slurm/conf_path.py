"""Where libslurm looks for the cluster's slurm.conf."""

import os
from pathlib import Path

_DEFAULT = "/etc/slurm/slurm.conf"


def conf_path(setting: str | Path | None) -> Path:
    """The file of the setting `slurm_conf_path`, or of `SLURM_CONF`, or Slurm's own."""
    return Path(setting or os.environ.get("SLURM_CONF") or _DEFAULT)
