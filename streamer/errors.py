"""The root of every error that is the operator's to mend; commands print it as one line.

This file must never hold behaviour, and an error raised with it must say what came, what was expected, what to do.
"""


class StreamerError(Exception):
    """Something the operator can put right: configuration, model, ports, outbox, broker."""
