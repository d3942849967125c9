"""Measurements of this bridge beside slurmrestd and the Flask + sbatch demo: ratios taken in one run."""
