"""What Prometheus may know of a bridge. Names begin with `tsm_bridge_`; no label names a job, a thing or a caller."""
