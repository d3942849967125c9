"""What jobs have printed."""
