"""The HTTP service: routes, documents, and the server."""
