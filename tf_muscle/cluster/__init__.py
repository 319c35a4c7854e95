"""Independent pieces of work, done in this process or by the workers of a Ray cluster."""
