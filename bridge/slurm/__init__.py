"""The way to Slurm and back."""
