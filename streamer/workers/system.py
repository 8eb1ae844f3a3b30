"""Whether this system can do what several processes on one port need; one process needs nothing of it.

The supervisor hands connections over on Unix sockets, and outbox files are known to be in use by locks of POSIX. This
file must never import what it asks for.
"""

from __future__ import annotations

import asyncio
import os
import socket
from importlib.util import find_spec

from streamer.config import ConfigError


def missing() -> list[str]:
    """Return what this system lacks; empty where several workers can run."""
    there = {
        "Unix sockets (AF_UNIX)": hasattr(socket, "AF_UNIX") and hasattr(asyncio, "start_unix_server"),
        "handing sockets over (SCM_RIGHTS)": hasattr(socket, "recv_fds"),
        "inherited file descriptors": os.name == "posix",
        "locks of files (fcntl)": find_spec("fcntl") is not None,
    }
    return [what for what, is_there in there.items() if not is_there]


def check_system() -> None:
    """Refuse several workers where they cannot be.

    Raises
    ------
    ConfigError
        Something is missing; names it.
    """
    if lacks := missing():
        raise ConfigError(
            f"server.workers: several processes on one port need {', '.join(lacks)}, which this system does not have; "
            "set it to 1, or run several nodes behind a load balancer"
        )
