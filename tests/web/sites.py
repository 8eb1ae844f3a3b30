"""What the tests of the pages stand on: a web server with the strict rules of ours, a wire that can be cut, recordings.

The web server here is small on purpose: files, one Content-Security-Policy, nothing else.
"""

from __future__ import annotations

import asyncio
import mimetypes
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import streamer_client
from numpy.typing import NDArray

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = Path(streamer_client.__file__).with_name("pages")
WEB: Final = ROOT / "clients/web"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob: mediastream:; "
    "connect-src 'self' ws://127.0.0.1:* ws://localhost:*; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
BLANK: Final = b"<!doctype html><html lang=en><title>blank</title>"


@contextmanager
def site(*folders: Path) -> Iterator[str]:
    """Serve the pages, and what lies in further folders, on a free port; yields where: `http://127.0.0.1:port`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.path.partition("?")[0].lstrip("/")
            wanted += "index.html" if wanted.endswith("/") else ""
            found = next((folder / wanted for folder in (PAGES, *folders) if (folder / wanted).is_file()), None)
            body = BLANK if wanted == "blank.html" else found.read_bytes() if found else None
            self.send_response(200 if body is not None else 404)
            kind = mimetypes.guess_type(wanted)[0] or "application/octet-stream"
            self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text") else kind)
            self.send_header("Content-Security-Policy", CSP)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Wire:
    """A connection to the server that a test can clog and cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.refuses = False
        """Whether new connections are cut at once."""
        self.port = 0

    def clog(self) -> None:
        """Take no more bytes from the browser."""
        self._flows.clear()

    def clear(self) -> None:
        """Take them again."""
        self._flows.set()

    def cut(self) -> None:
        """Break every connection without a word."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def serve(self, browser: asyncio.StreamReader, to_browser: asyncio.StreamWriter) -> None:
        if self.refuses:
            to_browser.transport.abort()
            return
        self.connections += 1
        server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {to_browser, to_server}
        both = [
            asyncio.create_task(self._carry(browser, to_server, clogs=True)),
            asyncio.create_task(self._carry(server, to_browser, clogs=False)),
        ]
        self._tasks |= set(both)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._tasks -= set(both)
            for writer in (to_browser, to_server):
                self._open.discard(writer)
                writer.close()

    async def _carry(self, read: asyncio.StreamReader, write: asyncio.StreamWriter, *, clogs: bool) -> None:
        with suppress(ConnectionError):
            while data := await read.read(4096):
                if clogs:
                    await self._flows.wait()
                write.write(data)
                await write.drain()


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """Put a wire in front of a server's port."""
    wire = Wire(port)
    taken = socket.create_server(("127.0.0.1", 0))
    # What is accepted inherits it: else the system would take megabytes before the browser noticed a clogged wire.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener = await asyncio.start_server(wire.serve, sock=taken, limit=8192)
    wire.port = listener.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.clear()
        wire.cut()
        listener.close()
        await listener.wait_closed()


def recording(path: Path, *, from_s: float, to_s: float, channel: int = 0, silence_s: float = 1.0) -> NDArray[np.int16]:
    """Write a part of one side of the demo's call as a WAV file of 8 kHz, silence behind it; return its samples."""
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    part = samples[round(from_s * rate_hz) : round(to_s * rate_hz), channel]
    whole = np.concatenate((part, np.zeros(round(silence_s * rate_hz), np.int16)))
    soundfile.write(path, whole, rate_hz)
    return whole
