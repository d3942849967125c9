"""Jobs that ended badly: for which cause, and how they run again."""
