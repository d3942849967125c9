"""What a client may ask for, and the Slurm job that it becomes."""
