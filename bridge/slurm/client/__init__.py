"""The web process's side: the workers, and what is asked of them."""
