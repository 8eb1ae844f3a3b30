"""What tests of sessions and calls share: peers made of a list or a queue, dialects made of a few lines, and services.

Everything but the socket and the broker is real. Nothing here may wait for an amount of time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from streamer.auth import Pass
from streamer.bus.bus import Bus
from streamer.config import load
from streamer.emotion.batcher import Batcher
from streamer.emotion.model import EmotionModel
from streamer.limits import Admission
from streamer.load.shedding import Shedding
from streamer.metrics import Metrics
from streamer.session import Services
from streamer.wire.events import Fault, Message, Reply, Start, Stop, WireEvent
from streamer.wire.native import Native

ADMITTED = Pass(tenant="acme", key_id="k")
STOP = '{"type":"stop"}'


def start(**more: Any) -> str:
    """Return a native `start` of two parties that asks for its events."""
    channels = [{"role": "customer"}, {"role": "agent"}]
    base = {"type": "start", "version": 1, "call_id": "CA1", "channels": channels, "encoding": "pcm_s16le"}
    return json.dumps({**base, "sample_rate": 8000, "events": True, "speed": None, **more})


class ListPeer:
    """A peer that says what it was given, and keeps what it is told."""

    def __init__(self, says: Iterable[Message], *, reads: bool = True, stays: bool = False) -> None:
        self.says = list(says)
        self.heard: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.settled = False
        self._reads = reads
        self._stays = stays
        self._gone = asyncio.Event()
        self._told = asyncio.Event()

    async def messages(self) -> AsyncIterator[Message]:
        for message in self.says:
            yield message
            await asyncio.sleep(0)
        if self._stays:
            await self._gone.wait()

    async def send(self, message: Message) -> None:
        if not self._reads:
            await asyncio.Event().wait()
        self.heard.append(json.loads(message))
        self._told.set()

    async def until_told(self, kind: str) -> None:
        """Return once it has been told something of this kind."""
        while kind not in self.kinds():
            self._told.clear()
            await self._told.wait()

    async def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
        self._gone.set()

    def settle(self) -> None:
        self.settled = True

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.heard]


class LivePeer(ListPeer):
    """A peer that says things when the test does, and goes on being read after the end of the call."""

    def __init__(self, *says: Message) -> None:
        super().__init__([])
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._taken = asyncio.Event()
        for message in says:
            self._queue.put_nowait(message)

    async def messages(self) -> AsyncIterator[Message]:
        while self.closed is None:
            message = await self._queue.get()
            if message is None:
                break
            yield message
            if self._queue.empty():
                self._taken.set()

    async def say(self, *messages: Message) -> None:
        """Say it, and return once all of it has been worked through."""
        self._taken.clear()
        for message in messages:
            self._queue.put_nowait(message)
        await self._taken.wait()

    def end_with(self, message: Message) -> None:
        """Say what ends the call; nobody asks for more behind it."""
        self._queue.put_nowait(message)

    def hang_up(self) -> None:
        """Close from this side."""
        self._queue.put_nowait(None)

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, reason)
        self.hang_up()

    async def until_closed(self) -> None:
        """Return once the server has closed from its side."""
        await self._gone.wait()


class NativePart(Native):
    """The native protocol as a platform would speak it that opens a stream for each party."""

    def receive(self, message: Message) -> list[WireEvent]:
        events = super().receive(message)
        return [msgspec.structs.replace(event, is_part=True) if isinstance(event, Start) else event for event in events]


class PeerCloses:
    """A dialect in the manner of AudioHook: it says goodbye in words, is answered, and leaves the closing to the peer.

    Every message is the name of what it means.
    """

    name = "native"
    peer_closes = True
    unknown_events = 0

    def receive(self, message: Message) -> list[WireEvent]:
        """Take one message; `open` is answered without beginning a call."""
        meanings: dict[Message, list[WireEvent]] = {
            "open": [Reply('{"type":"opened"}')],
            "ping": [Reply('{"type":"pong"}')],
            "close": [Stop()],
            "start": [NativePart().receive(start())[0]],
            "alone": [Native().receive(start())[0]],
        }
        return meanings[message]

    def closed(self) -> list[WireEvent]:
        """Return that the call is over, as most platforms that end by closing."""
        return [Stop()]

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:  # noqa: ARG002
        """Return `ready`."""
        return ['{"type":"ready"}']

    def event(self, event: bytes) -> list[Message]:  # noqa: ARG002
        """Return nothing."""
        return []

    def fault(self, fault: Fault) -> list[Message]:
        """Return `disconnect`."""
        return [json.dumps({"type": "disconnect", "code": fault.code})]

    def ended(self, utterances: int) -> list[Message]:  # noqa: ARG002
        """Return `closed`."""
        return ['{"type":"closed"}']


class Clock:
    """Monotonic seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def served(model: EmotionModel, folder: Path) -> AsyncIterator[Callable[..., Any]]:
    """Make services: `await make(max_calls=1, audio__idle_s=9)`; all of one test share an outbox nobody empties."""
    metrics = Metrics(CollectorRegistry())
    batcher = Batcher(model)
    buses: list[Bus] = []

    async def make(
        max_calls: int = 10,
        *,
        of_key: dict[str, int] | None = None,
        of_tenant: dict[str, int] | None = None,
        clock: Callable[[], float] | None = None,
        **flags: Any,
    ) -> Services:
        given = {name.replace("__", "."): value for name, value in flags.items()}
        settings = load(None, {}, {"node": "n", "outbox.path": str(folder / "outbox.sqlite"), **given})
        bus = buses[0] if buses else await Bus.open(settings, metrics)
        buses.append(bus)
        ids = iter(f"S{n}" for n in range(1000))
        return Services(
            settings=settings,
            model=model,
            batcher=batcher,
            bus=bus,
            metrics=metrics,
            admission=Admission(max_calls, of_key, of_tenant),
            shedding=Shedding(settings.limits.shed_lag_ms, settings.limits.shed_queue_ms),
            new_session_id=lambda: next(ids),
            wall_s=lambda: 1_800_000_000.0,
            monotonic_s=clock or asyncio.get_running_loop().time,
        )

    try:
        yield make
    finally:
        await batcher.close()
        if buses:
            await buses[0].close()


async def waiting(its: Services) -> list[Any]:
    """Return all messages that wait in the outbox, in order."""
    return [row.message for row in await its.bus._outbox.pending(0, 10_000)]


async def pending(its: Services) -> list[tuple[str, str]]:
    """Return kind and id of what waits, the state of the call left out: its clearing may take it along."""
    return [(str(message.kind), message.id) for message in await waiting(its) if message.kind != "state"]


def gauge(its: Services, name: str, **labels: str) -> float:
    """Return a figure of the metrics."""
    return its.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0.0
