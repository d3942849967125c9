"""The child process that talks to Slurm: the only package that imports pyslurm."""
