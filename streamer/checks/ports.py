"""Can the server listen where the configuration says.

A port that a running streamer has is in order: `check` is for machines in service, too. This file must never keep a
port: it is let go before anything is said.
"""

from __future__ import annotations

import errno
import http.client
import os
import socket
from collections.abc import Iterator
from typing import Final

import msgspec

from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings

_ANSWERS_WITHIN_S: Final = 2.0
_OURS: Final = b"streamer_calls_active"
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared with, not bound
_FIRST_UNPRIVILEGED: Final = 1024


class Door(msgspec.Struct, frozen=True):
    """Where the server wants to listen."""

    key: str
    """Of the configuration."""
    host: str
    port: int


def check(settings: Settings) -> list[Outcome]:
    """Return one outcome for all ports, or one for each that cannot be had."""
    doors = list(wanted(settings))
    taken = {door: problem for door in doors if (problem := _try(door)) is not None}
    if taken and all(problem.errno == errno.EADDRINUSE for problem in taken.values()) and _is_streamer(doors):
        return [Outcome("ports", Level.OK, f"{_listed(taken)}: a running streamer has them")]
    if taken:
        return [Outcome("ports", Level.WRONG, explain(door, problem)) for door, problem in taken.items()]
    return [Outcome("ports", Level.OK, f"{_listed(doors)}: free")]


def wanted(settings: Settings) -> Iterator[Door]:
    """Yield where the server will listen; the health port stands second."""
    server, audiosocket = settings.server, settings.dialects.audiosocket
    yield Door("server.port", server.host, server.port)
    yield Door("server.admin_port", server.admin_host or server.host, server.admin_port)
    if audiosocket.port:
        yield Door("dialects.audiosocket.port", audiosocket.host or server.host, audiosocket.port)


def explain(door: Door, problem: OSError) -> str:
    """Return why a port cannot be had, and what to do; pure."""
    where = f"{door.host}:{door.port}"
    match problem.errno:
        case errno.EADDRINUSE:
            return f"{where} is in use by another program; stop it (ss -ltnp shows it), or change {door.key}"
        case errno.EACCES if door.port < _FIRST_UNPRIVILEGED:
            return (
                f"{where}: ports below {_FIRST_UNPRIVILEGED} are not for this user; choose another with {door.key}, or "
                "allow it (AmbientCapabilities=CAP_NET_BIND_SERVICE)"
            )
        case errno.EADDRNOTAVAIL:
            return f"{where}: no address of this machine; change {door.key.rpartition('.')[0]}.host"
        case _:
            why = os.strerror(problem.errno) if problem.errno and problem.errno > 0 else problem
            return f"{where}: {why}; change {door.key} or the host beside it"


def _try(door: Door) -> OSError | None:
    """Return why a port cannot be had; None where it can."""
    try:
        places = socket.getaddrinfo(door.host, door.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in places:
            with socket.socket(family, kind, protocol) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind(address)
                listener.listen(1)
    except OSError as problem:
        return problem
    return None


def _is_streamer(doors: list[Door]) -> bool:
    """Return whether a streamer answers at the health port."""
    admin = doors[1]
    connection = http.client.HTTPConnection(
        _EVERYWHERE.get(admin.host, admin.host), admin.port, timeout=_ANSWERS_WITHIN_S
    )
    try:
        connection.request("GET", "/metrics")
        return _OURS in connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listed(doors: Iterator[Door] | list[Door] | dict[Door, OSError]) -> str:
    return ", ".join(f"{door.host}:{door.port or 'any'}" for door in doors)
