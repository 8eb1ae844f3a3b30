"""A node of several processes: one that listens and counts, and workers that serve the calls."""
