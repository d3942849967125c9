"""waitress: sockets, connections, threads, start and stop."""
