"""May the process open as many files and sockets as its calls need.

This file must never change a limit: the server raises its own when it starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings
from streamer.descriptors import OF_ITS_OWN, PER_CALL, allowed, needed

BACKLOG: Final = 100
"""Connections that wait to be accepted; what asyncio asks the system for."""
_SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")


def check(settings: Settings) -> list[Outcome]:
    """Return one outcome: the limits of this process, against `server.max_calls`."""
    soft, hard = allowed()
    return [judge(settings, soft, hard, waiting_connections())]


def judge(settings: Settings, soft: float, hard: float, backlog: int | None) -> Outcome:
    """Return what the limits are good for; pure.

    Parameters
    ----------
    settings
        `server.max_calls` and `limits.max_waiting` count.
    soft, hard
        Open files of a process; the server raises the soft limit to the hard one.
    backlog
        `net.core.somaxconn`; None where it cannot be read.
    """
    wanted, calls = needed(settings), settings.server.max_calls
    how = "LimitNOFILE= of the service, or ulimit -Hn"
    if hard < calls + OF_ITS_OWN:
        text = (
            f"{hard:.0f} open files are allowed, {calls} calls need {wanted}: calls would be refused in the middle of "
            f"the day; raise the hard limit ({how}) or lower server.max_calls"
        )
        return Outcome("files", Level.WRONG, text)
    if hard < wanted:
        text = (
            f"{hard:.0f} open files are allowed, {calls} calls may need {wanted} ({PER_CALL} for each on platforms "
            f"with a stream for each party, and limits.max_waiting); raise the hard limit ({how})"
        )
        return Outcome("files", Level.WARN, text)
    if backlog is not None and backlog < BACKLOG:
        text = (
            f"net.core.somaxconn is {backlog}: when many calls come at one moment, some wait a second to be connected; "
            f"set it to {BACKLOG} or more"
        )
        return Outcome("files", Level.WARN, text)
    raised = "" if soft >= wanted else f", to which the server raises its {soft:.0f}"
    return Outcome("files", Level.OK, f"{hard:.0f} open files are allowed{raised}; {calls} calls need {wanted}")


def waiting_connections() -> int | None:
    """Return how many connections the system lets wait to be accepted; None where it does not tell."""
    try:
        return int(_SOMAXCONN.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
