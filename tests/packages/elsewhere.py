"""The command `streamer` on a system that has nothing of what only Linux or only POSIX has: for tests, run as a script.

What Windows and others do not have is taken away before anything of ours is imported: modules, names, and what a loop
cannot do there. It shows that nothing needs them. It does not show that another system behaves as Linux does otherwise.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

MODULES = ("fcntl", "resource", "uvloop", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline")
"""Of these the standard library does without some itself."""
_OF_OTHERS = {"pwd", "grp", "termios", "getuid", "geteuid", "statvfs"}
"""Used by the standard library and others where the name of the system says so, which cannot be feigned: they stay."""
NAMES = {
    signal: ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGPIPE", "SIGCHLD", "pthread_sigmask", "sigwait"),
    socket: ("SO_REUSEPORT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "send_fds", "recv_fds"),
    os: ("sched_getaffinity", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY", "getuid", "geteuid", "fork", "statvfs"),
    asyncio: ("start_unix_server", "open_unix_connection"),
}


def _cannot(*_: object) -> None:
    raise NotImplementedError


def leave_linux() -> None:
    """Take it all away from this process."""
    for module in MODULES:
        if module not in _OF_OTHERS:
            sys.modules[module] = None  # type: ignore[assignment]
    for place, names in NAMES.items():
        for name in names:
            if hasattr(place, name) and name not in _OF_OTHERS:
                delattr(place, name)
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on; it asks for the affinity where there was one at import
        os.process_cpu_count = os.cpu_count
    os.supports_effective_ids.clear()
    asyncio.SelectorEventLoop.add_signal_handler = _cannot  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    leave_linux()
    from streamer.cli import main

    main()
