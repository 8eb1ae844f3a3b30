"""What hostile peers do to a server, one kind after the other: many messages, slow ones, none, and the same again.

    python -m benchmarks.attacks messages --url ws://127.0.0.1:8765 --tcp 8766 --count 20000 --seed 1

Run by `benchmarks/hostile.py`, in a process of its own, so that the good calls are measured by one that has nothing
else to do. Frames are written by hand, masked with zeros: it costs an attacker next to nothing, and the server what it
always costs. Streams are the committed corpus of the fuzz run and what `tests/fuzz` makes of it by chance, from a seed.
Prints what it did as one line of JSON. This file must never attack anything but the address that it is given.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import struct
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from streamer.wire.events import Fault, Message, Stop
from tests.fuzz.fuzz_dialects import CORPUS, SEPARATOR, seeds, spoilt
from tests.wire.conversing import NAMES, path_of, reader
from tests.wire.vendors import HEADERS, STREAMS

PEERS: Final = 64
"""Hostile connections at the same time, where they send."""
PATIENCE_S: Final = 30.0
"""Twice what the server allows who says nothing."""
PER_STREAM: Final = 200
"""Messages that one connection sends at most."""
_TEXT, _BINARY, _PING = 0x1, 0x2, 0x9
_FIN: Final = 0x80
_READS: Final = 0.9
"""Share of them that read what the server says."""
_WAIT_S: Final = 5.0
"""How long one waits for an answer before going on."""


def frame(message: Message, opcode: int | None = None, *, fin: bool = True) -> bytes:
    """Return a message as one masked frame (RFC 6455, section 5.2); a mask of zeros changes no byte."""
    data = message.encode(errors="surrogateescape") if isinstance(message, str) else message
    kind = opcode if opcode is not None else _TEXT if isinstance(message, str) else _BINARY
    first = kind | (_FIN if fin else 0)
    if len(data) < 126:
        head = struct.pack("!BB", first, 0x80 | len(data))
    elif len(data) < 2**16:
        head = struct.pack("!BBH", first, 0x80 | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(data))
    return head + bytes(4) + data


def request(path: str, headers: dict[str, str]) -> bytes:
    """Return the request of a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Line:
    """One connection of an attacker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def is_over(self) -> bool:
        """Whether the server has closed it."""
        return self.reader.at_eof() or self.writer.is_closing()

    async def send(self, data: bytes) -> None:
        """Write, as fast as the server takes it."""
        self.writer.write(data)
        async with asyncio.timeout(_WAIT_S):
            await self.writer.drain()

    async def read_all(self) -> None:
        """Read until it is closed."""
        with suppress(OSError):
            while await self.reader.read(65_536):
                pass

    def cut(self) -> None:
        """Vanish without a goodbye."""
        self.writer.transport.abort()


class Attacker:
    """Attacks one server.

    Parameters
    ----------
    url
        Where its WebSockets come in, without a path.
    tcp
        Port of its AudioSocket listener.
    admin
        Its admin port.
    seed
        The same gives the same messages.
    patience_s
        How long one that says nothing, or little, waits to be thrown out.
    """

    def __init__(self, url: str, tcp: int, admin: int, seed: int, patience_s: float = PATIENCE_S) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._tcp, self._admin = tcp, admin
        self._patience_s = patience_s
        self._dice = random.Random(seed)
        self._streams = [*seeds().values(), *(path.read_bytes() for path in sorted(CORPUS.glob("*")))]
        self._readers = {name: reader(name) for name in NAMES}
        self.did: Counter[str] = Counter()

    async def messages(self, count: int) -> None:
        """Send so many hostile messages over all endpoints, each connection until it is ended or has sent enough."""

        async def one() -> None:
            while self.did["messages"] < count:
                await self._stream(count)

        await _all(one() for _ in range(PEERS))

    async def floods(self, count: int) -> None:
        """Begin good calls and then send so many messages of kinds of which no single one is wrong."""
        kinds = (
            (frame(b"12345678", _PING), 100),
            (frame(b"\0"), 100),
            (frame('{"type":"notice"}'), 100),
            (frame('{"type":"gap","duration_ms":1}'), 100),
            (frame(self._dice.randbytes(64_000)), 1),
            (frame(bytes(8_000_000)), 1),
            (frame(b"\0", fin=False) + frame(b"", 0, fin=False) * 98 + frame(b"", 0), 1),
        )

        async def one(number: int) -> None:
            one_message, at_once = kinds[number % len(kinds)]
            while self.did["messages"] < count:
                with suppress(OSError, TimeoutError):
                    line = await self._opened("native")
                    reading = asyncio.create_task(line.read_all()) if number % 2 else None  # half of them never read
                    try:
                        await line.send(frame(str(STREAMS["native"][0])))
                        while not line.is_over and self.did["messages"] < count:
                            await line.send(one_message * at_once)
                            self.did["messages"] += at_once
                    finally:
                        self._end(line, reading)

        await _all(one(number) for number in range(2 * len(kinds)))

    async def silent(self, count: int) -> None:
        """Open so many connections that never speak: plain, upgraded, at the TCP port, at the admin port."""

        async def one(number: int) -> None:
            with suppress(OSError, TimeoutError):
                line = await self._at_a_door(number)
                try:
                    async with asyncio.timeout(self._patience_s):
                        await line.read_all()
                    self.did["thrown out"] += 1
                except TimeoutError:
                    self.did["still there"] += 1
                finally:
                    line.cut()

        await _all(one(number) for number in range(count))

    async def slow(self, count: int) -> None:
        """Open so many connections that speak one byte a second: requests, frames, AudioSocket's, the admin port's."""
        hello = request("/v1/stream", {})
        pieces = frame(b"\0", fin=False), frame(b"\0", 0, fin=False)

        async def one(number: int) -> None:
            with suppress(OSError, TimeoutError):
                line = await self._at_a_door(number)
                reading = asyncio.create_task(line.read_all())
                try:
                    for at in range(round(self._patience_s)):
                        if line.is_over:
                            self.did["thrown out"] += 1
                            break
                        await line.send(hello[at : at + 1] if number % 4 else pieces[min(at, 1)])
                        await asyncio.sleep(1)
                    else:
                        self.did["still there"] += 1
                finally:
                    self._end(line, reading)

        await _all(one(number) for number in range(count))

    async def reconnects(self, count: int) -> None:
        """Connect so many times, in every dialect; begin a call or not, and vanish or say goodbye."""

        async def one() -> None:
            while self.did["connections"] < count:
                name = self._dice.choice(NAMES)
                with suppress(OSError, TimeoutError):
                    line = await self._opened(name)
                    opening = STREAMS[name][: self._dice.randint(0, 3)]
                    await line.send(b"".join(self._written(name, message) for message in opening))
                    if self._dice.random() < 0.5:
                        line.writer.close()
                    else:
                        line.cut()

        await _all(one() for _ in range(PEERS))

    async def _stream(self, count: int) -> None:
        """Send one hostile stream, up to the message at which the server must find fault, and see the end of it."""
        name, messages = self.spoilt_stream()
        with suppress(OSError, TimeoutError):
            line = await self._opened(name)
            reading = asyncio.create_task(line.read_all()) if self._dice.random() < _READS else None
            try:
                for message in messages:
                    if line.is_over or self.did["messages"] >= count:
                        break
                    await line.send(self._written(name, message))
                    self.did["messages"] += 1
                if reading is not None:
                    line.writer.write_eof()  # else a reset would take along what the server has not read yet
                    await asyncio.wait({reading}, timeout=_WAIT_S)
            finally:
                self._end(line, reading)

    def spoilt_stream(self) -> tuple[str, list[Message]]:
        """Return a dialect and a stream of it that chance has changed, not longer than the dialect hears it out."""
        head, *records = spoilt(self._dice.choice(self._streams), self._dice, self._streams).split(SEPARATOR)
        name = head.decode(errors="replace")
        name = name if name in NAMES else self._dice.choice(NAMES)
        given = list(map(_message, records)) or [b""]
        dialect = self._readers[name](path_of(name), HEADERS.get(name, {}))
        heard: list[Message] = []
        for number in range(PER_STREAM):
            # Behind its end the stream goes on with messages out of its middle.
            message = given[number] if number < len(given) else self._dice.choice(given)
            heard.append(message)
            if any(isinstance(event, Fault | Stop) for event in dialect.receive(message)):
                break
        return name, heard

    def _end(self, line: Line, reading: asyncio.Task[None] | None) -> None:
        line.cut()
        if reading is not None:
            reading.cancel()

    def _written(self, name: str, message: Message) -> bytes:
        if name == "audiosocket":
            return message.encode() if isinstance(message, str) else message
        return frame(message)

    async def _connected(self, port: int) -> Line:
        async with asyncio.timeout(_WAIT_S):
            line = Line(*await asyncio.open_connection(self._host, port))
        self.did["connections"] += 1
        return line

    async def _at_a_door(self, number: int) -> Line:
        """Return a connection at one of the four: upgraded, not upgraded, the TCP port, the admin port."""
        if number % 4 == 0:
            return await self._opened(tuple(STREAMS)[number // 4 % len(STREAMS)])
        return await self._connected((self._port, self._tcp, self._admin)[number % 4 - 1])

    async def _opened(self, name: str) -> Line:
        """Return a connection at a dialect's door; upgraded, unless the server thought otherwise."""
        if name == "audiosocket":
            return await self._connected(self._tcp)
        line = await self._connected(self._port)
        await line.send(request(path_of(name), HEADERS.get(name, {})))
        async with asyncio.timeout(_WAIT_S):
            with suppress(asyncio.IncompleteReadError):
                await line.reader.readuntil(b"\r\n\r\n")
        return line


def _message(record: bytes) -> Message:
    kind, body = record[:1], record[1:]
    return body if kind == b"b" else body.decode(errors="replace")


async def _all(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Do all of it at the same time."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


ATTACKS: Final = ("messages", "floods", "silent", "slow", "reconnects")


def main(arguments: Sequence[str] | None = None) -> None:
    """Attack, and say what was done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--tcp", type=int, required=True, help="port of the AudioSocket listener")
    parser.add_argument("--admin", type=int, required=True, help="the admin port")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="s that a silent one stays")
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.nice(10)
    attacker = Attacker(given.url, given.tcp, given.admin, given.seed, given.patience)
    asyncio.run(getattr(attacker, given.attack)(given.count))
    print(json.dumps(attacker.did))


if __name__ == "__main__":
    main()
