"""What goes over the wire: bodies, query strings, answers."""
