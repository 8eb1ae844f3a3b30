"""What tests of the alerts share: a receiver of webhooks that behaves as told, and TOML with a place to send to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

import pytest

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    """One request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server that keeps what it is told, and answers with the next of its answers, the last one for ever."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answers: list[bytes | Answer] = field(default_factory=lambda: [b"HTTP/1.1 204 No Content\r\n\r\n"])

    def url(self, path: str = "/hook", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            originals = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head[1:] if line}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append(Request(head[0], originals, body))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if callable(answer):
                await answer(reader, writer)
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has gone: what some tests are about
        finally:
            writer.close()


@asynccontextmanager
async def receive(tls: SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@pytest.fixture
def receiving() -> Callable[..., object]:
    """Start a receiver: `async with receiving() as receiver`."""
    return receive
