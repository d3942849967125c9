"""The page for people: what browsers load. It shows what the routes answer, and asks nothing else."""
