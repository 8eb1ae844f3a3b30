"""Health and metrics over HTTP, on a port of their own.

`/livez` answers as long as the process can, `/readyz` says whether new calls are welcome, `/metrics` speaks the
Prometheus text format. The listener is the WebSocket library's own HTTP side, so there is no second server to keep.
This file must never say anything about a call or a person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from streamer.load.guarded import OPEN_WITHIN_S, Guard, GuardedConnection
from streamer.load.strangers import Strangers

READY = "ready"
MOST_ASKING: Final = 100
"""Connections at the same time; where one more comes, the oldest is cut off."""


class Admin:
    """The admin endpoints.

    Parameters
    ----------
    registry
        What `/metrics` shows.
    readiness
        Returns `READY`, or in words why new calls should go elsewhere.
    refresh
        Brings what `/metrics` shows up to date, where that takes asking somebody.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        readiness: Callable[[], str],
        refresh: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._registry = registry
        self._readiness = readiness
        self._refresh = refresh

    async def listen(self, host: str, port: int) -> Server:
        """Start to answer.

        Raises
        ------
        OSError
            The port is taken or not allowed.
        """
        guard = Guard(Strangers(MOST_ASKING), lambda _why: None)
        # create_connection need be no class; the library's types know less.
        return await serve(
            _never,
            host,
            port,
            process_request=self._answer,
            create_connection=partial(GuardedConnection, guard=guard),  # type: ignore[arg-type]
            open_timeout=OPEN_WITHIN_S,
            compression=None,
            ping_interval=None,
        )

    async def _answer(self, _connection: ServerConnection, request: Request) -> Response:
        match request.path.partition("?")[0]:
            case "/livez":
                return _response(HTTPStatus.OK, "live\n")
            case "/readyz":
                word = self._readiness()
                return _response(HTTPStatus.OK if word == READY else HTTPStatus.SERVICE_UNAVAILABLE, f"{word}\n")
            case "/metrics":
                if self._refresh is not None:
                    await self._refresh()
                return _response(HTTPStatus.OK, generate_latest(self._registry), CONTENT_TYPE_LATEST)
            case path:
                return _response(HTTPStatus.NOT_FOUND, f"nothing at {path[:80]}; there are /livez /readyz /metrics\n")


async def _never(_connection: ServerConnection) -> None:
    """No WebSocket is ever opened here: every request is answered before."""


def _response(status: HTTPStatus, body: str | bytes, content_type: str = "text/plain; charset=utf-8") -> Response:
    content = body.encode() if isinstance(body, str) else body
    headers = Headers(
        {"Content-Type": content_type, "Content-Length": str(len(content)), "Connection": "close"},
    )
    return Response(status.value, status.phrase, headers, content)
