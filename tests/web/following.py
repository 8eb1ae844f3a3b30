"""The JavaScript client in Node, as its user has it: the built files, beside mqtt.js; and a broker with WebSocket.

Nothing here may wait for an amount of time: it waits for lines.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker, MakeBroker

ROOT = Path(__file__).parents[2]
WEB = ROOT / "clients/web"
PAGES = ROOT / "clients/python/streamer_client/pages"
_PATIENCE_S = 60
"""Only how long a broken test hangs; no test passes or fails by it."""

Line = dict[str, Any]


def node() -> str:
    """Return the path of Node.js, or skip the test with the reason."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs Node.js 20 (Debian: apt-get install nodejs npm)")
    if not (WEB / "node_modules/mqtt").is_dir():
        pytest.skip("needs mqtt.js: run `npm ci` in clients/web")
    return found


def project(folder: Path) -> Path:
    """Lay out a program's folder: the client in `events`, mqtt.js among its modules."""
    node()
    shutil.copytree(PAGES / "events", folder / "events")
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    shutil.copy(Path(__file__).with_name("follow.mjs"), folder)
    return folder


def with_websocket(make: MakeBroker, *lines: str, persistent: bool = False) -> tuple[Broker, str]:
    """Return a broker and the address of its WebSocket listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = make(*lines, f"listener {port} 127.0.0.1", "protocol websockets", persistent=persistent)
    return broker, f"ws://127.0.0.1:{port}"


class Follower:
    """A program that follows events, and the lines that it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[Line] = []

    @property
    def events(self) -> list[Line]:
        """The events so far."""
        return [line["event"] for line in self.lines if "event" in line]

    async def until(self, enough: Callable[[Line], bool]) -> Line:
        """Return the next line of which this is true."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            while text := await self._process.stdout.readline():
                line: Line = json.loads(text)
                self.lines.append(line)
                if enough(line):
                    return line
        pytest.fail(f"the program ended: {self.lines}")

    async def status(self, status: str) -> Line:
        """Return the next line with that status."""
        return await self.until(lambda line: line.get("status") == status)

    async def count(self, events: int) -> list[Line]:
        """Return the events once there are so many."""
        if len(self.events) < events:
            await self.until(lambda _: len(self.events) >= events)
        return self.events

    async def end(self) -> Line:
        """Have it close the subscription; return its counters. It must end by itself then."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        line = await self.until(lambda line: "counters" in line)
        async with asyncio.timeout(_PATIENCE_S):
            assert await self._process.wait() == 0
        counters: Line = line["counters"]
        return counters


@contextmanager
def plain_site(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port as a user's own web server would; yields its origin."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="plain site")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def following(folder: Path, **options: Any) -> AsyncIterator[Follower]:
    """Run follow.mjs with these options of `subscribe`."""
    process = await asyncio.create_subprocess_exec(
        node(),
        "follow.mjs",
        json.dumps(options),
        cwd=project(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Follower(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
