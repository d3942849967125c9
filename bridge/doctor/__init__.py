"""`tsm-bridge doctor`: what keeps a bridge from doing its work, and what to do about it."""
