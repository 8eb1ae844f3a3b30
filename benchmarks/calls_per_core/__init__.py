"""Calls per core: the server, the bare sinks and peers of other shapes under one load, in one run, in ratios."""
