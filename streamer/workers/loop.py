"""A worker's event loop: what listens on a port here gets the connections that the supervisor accepted there.

Whatever opens a server on this loop, WebSocket or plain TCP, with TLS or without, works as it does in a process of its
own; only where connections come from differs. This file must never bind a port, and never lose count of a connection:
the supervisor gives the next one to the worker that has the fewest.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import structlog

try:
    from uvloop import Loop as _Loop
except ImportError:  # pragma: no cover - where it is not installed
    from asyncio import SelectorEventLoop as _Loop  # type: ignore[assignment]

_TLS = ("ssl_handshake_timeout", "ssl_shutdown_timeout")

log = structlog.get_logger()


class _Bound:
    """A socket of the supervisor's, of which its port is known here."""

    family = socket.AF_INET

    def __init__(self, host: str, port: int) -> None:
        self._name = host, port

    def getsockname(self) -> tuple[str, int]:
        return self._name


class Listener(asyncio.AbstractServer):
    """Where connections to one port are taken."""

    def __init__(self, loop: WorkerLoop, host: str, port: int) -> None:
        self._loop = loop
        self._is_serving = True
        self.sockets = (_Bound(host, port),)

    def close(self) -> None:
        """Take no more."""
        self._is_serving = False

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether connections are taken."""
        return self._is_serving

    async def start_serving(self) -> None:
        """Do nothing: connections come when they come."""

    async def serve_forever(self) -> None:
        """Do nothing: whoever opened it waits for something else."""

    def close_clients(self) -> None:
        """Do nothing: whoever serves a connection closes it."""

    def abort_clients(self) -> None:
        """Do nothing, as `close_clients`."""

    async def wait_closed(self) -> None:
        """Return at once: there is no socket that would have to be closed."""


class WorkerLoop(_Loop):
    """The loop of a process that does not listen itself."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners: dict[int, tuple[Listener, Callable[[], asyncio.BaseProtocol], dict[str, Any]]] = {}
        self.connections = 0
        """How many are open, from the moment they were handed over."""
        self.nobody = asyncio.Event()
        """Set while none is."""
        self.nobody.set()
        self.on_gone: Callable[[], None] = lambda: None
        """Told each time that one is closed."""

    async def create_server(  # type: ignore[override] # of all that the loops can do, what the listeners use
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: object = None,
        **others: Any,  # noqa: ANN401 - as the library's
    ) -> Listener:
        """Take the connections to a port, from now on."""
        listener = Listener(self, host or "", port or 0)
        options = {name: value for name, value in others.items() if ssl and name in _TLS}
        self._listeners[port or 0] = listener, protocol_factory, {"ssl": ssl, **options}
        return listener

    async def take(self, port: int, connection: socket.socket) -> None:
        """Serve a connection.

        Parameters
        ----------
        port
            To which it came.
        connection
            Accepted already, and given away with this call.
        """
        self.connections += 1
        self.nobody.clear()
        gone = _Once(self._count_gone)
        listener, factory, options = self._listeners.get(port, (None, None, {}))
        if listener is None or factory is None or not listener.is_serving():
            connection.close()
            gone()
            return
        try:
            connection.setblocking(False)  # noqa: FBT003 - the library's own parameter
            await self.connect_accepted_socket(_told(factory, gone), connection, **options)
        except OSError as problem:  # it went while it was handed over, or its TLS handshake failed
            log.debug("a connection was lost before it began", problem=str(problem))
            connection.close()
            gone()

    def _count_gone(self) -> None:
        self.connections -= 1
        if not self.connections:
            self.nobody.set()
        self.on_gone()


class _Once:
    """Calls a function the first time that it is called."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()


def _told(factory: Callable[[], asyncio.BaseProtocol], gone: Callable[[], None]) -> Callable[[], asyncio.BaseProtocol]:
    """Return a factory of protocols that say, besides what they do, when their connection is gone."""

    def make() -> asyncio.BaseProtocol:
        protocol = factory()
        lost = protocol.connection_lost

        def connection_lost(problem: Exception | None) -> None:
            try:
                lost(problem)
            finally:
                gone()

        protocol.connection_lost = connection_lost  # type: ignore[method-assign, assignment]
        return protocol

    return make
