"""How jobs stand: the cached queue, accounting, and plain sentences."""
