"""Where jobs may connect. Pure."""
