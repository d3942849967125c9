"""Everything that talks to Slurm."""
