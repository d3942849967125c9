"""An HTTP service in front of a Slurm cluster, for time series management (TSM)."""
