"""What runs on the compute node: one script template a job kind, and the launcher they all share."""
