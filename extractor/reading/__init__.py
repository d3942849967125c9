"""Where raw files come from, and what is packed in them."""
