"""What every layer may use; it knows neither HTTP nor Slurm."""
