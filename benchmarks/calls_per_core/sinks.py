"""Bare sinks: what receiving costs when nothing is done with it. Run as a program: ``sinks websockets --port 9000``.

The floor that the server is held against. They take what the server's own listener takes, with its settings, and throw
it away. This file must never do more, nor less: no message may be left unread.
"""

from __future__ import annotations

import argparse
import asyncio

import uvloop


async def websockets_sink(port: int) -> None:
    """Take messages as `streamer.listener` does, and drop them."""
    from websockets.asyncio.server import ServerConnection, serve  # noqa: PLC0415 - the other sink has no use for it

    async def drop(connection: ServerConnection) -> None:
        async for _message in connection:
            pass

    async with serve(drop, "127.0.0.1", port, compression=None, ping_timeout=None, server_header=None):
        print("listening", flush=True)
        await asyncio.get_running_loop().create_future()


async def picows_sink(port: int) -> None:
    """Take frames where picows hands them over, and drop them."""
    from picows import WSFrame, WSListener, WSTransport, WSUpgradeRequest, ws_create_server  # noqa: PLC0415 - as above

    class Drop(WSListener):  # type: ignore[misc]
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            """Drop it."""

    def made(_request: WSUpgradeRequest) -> WSListener:
        return Drop()

    server = await ws_create_server(made, "127.0.0.1", port)
    print("listening", flush=True)
    await server.serve_forever()


def main() -> None:
    """Run one until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("library", choices=("websockets", "picows"))
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    uvloop.run({"websockets": websockets_sink, "picows": picows_sink}[asked.library](asked.port))


if __name__ == "__main__":
    main()
