"""A worker in this process, with a supervisor's ledger at the other end of its channels. No broker is needed."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streamer.config import Settings, load
from streamer.emotion.model import ModelError
from streamer.workers import worker as module
from streamer.workers.assignment import Assignment, Order
from streamer.workers.channel import Reports, pack, send_order
from streamer.workers.figures import unpacked
from streamer.workers.ledger import Ledger
from streamer.workers.loop import WorkerLoop
from streamer.workers.worker import serve

CALLS, AUDIO, ADMIN = 8765, 8766, 9464


class Head:
    """The supervisor's end: a thread that answers, and what it was told."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.ledger = Ledger()
        self.remembered: dict[str, str] = {}
        self.told: list[list[Any]] = []
        self._changed = threading.Condition()
        self._over = False
        self.orders, self.its_orders = socket.socketpair()
        self._channel, self.its_channel = socket.socketpair()
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()

    def order(self, order: Order, connection: socket.socket | None = None) -> None:
        assert send_order(self.orders, order, connection)

    async def connection(self, order: Order = Order.CALLS) -> socket.socket:
        """Hand over one end of a connection; return the other."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
        with far:
            self.order(order, far)
        return near

    async def until_told(self, verb: str, *what: object) -> list[Any]:
        def wait() -> list[Any]:
            with self._changed:
                assert self._changed.wait_for(lambda: self._over or self._found([verb, *what]), 60), self.told
                return (self._found([verb, *what]) or [[]])[-1]

        return await asyncio.to_thread(wait)

    def stop_waiting(self) -> None:
        """Let go of who waits for words that cannot come any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def close(self) -> None:
        for one in (self.orders, self.its_orders, self.its_channel):
            one.close()
        self._thread.join()
        self._channel.close()

    def _found(self, said: list[Any]) -> list[list[Any]]:
        return [one for one in self.told if one[: len(said)] == said]

    def _hear(self) -> None:
        unpacker, buffer = msgspec.msgpack.Decoder(), b""
        while data := self._channel.recv(65_536):
            buffer += data
            while len(buffer) >= 4 and len(buffer) >= (end := 4 + int.from_bytes(buffer[:4])):
                said, buffer = unpacker.decode(buffer[4:end]), buffer[end:]
                answer = self._answer(said)
                with self._changed:
                    self.told.append(said)
                    self._changed.notify_all()
                if answer is not None:
                    self._channel.sendall(pack(answer[0]))

    def _answer(self, said: list[Any]) -> list[Any] | None:
        number = self.assignment.number
        match said:
            case ["assignment"]:
                return [self.assignment]
            case ["take", limits]:
                return [self.ledger.take(number, limits)]
            case ["give", names]:
                self.ledger.give_back(number, names)
            case ["claim", name]:
                return [self.ledger.claim(number, name)]
            case ["disclaim", name]:
                self.ledger.disclaim(number, name)
            case ["remember", name, value]:
                self.remembered[name] = value
            case ["forget", name]:
                self.remembered.pop(name, None)
            case ["recall", name]:
                return [self.remembered.get(name)]
        return None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    flags = {"node": "n", "mqtt.url": "mqtt://127.0.0.1:1", "outbox.path": str(tmp_path / "outbox.sqlite")}
    return load(None, {}, flags | {"server.workers": 2, "server.max_calls": 1, "dialects.audiosocket.port": 1})


@pytest.fixture
def assignment(settings: Settings, tmp_path: Path) -> Assignment:
    return Assignment(
        number=3,
        settings=settings,
        ports=(CALLS, AUDIO, ADMIN),
        place=1,
        outbox=str(tmp_path / "outbox-w1.sqlite"),
        salt="salt",
        folder=str(tmp_path),
        announces=True,
    )


Story = Callable[[Head], Coroutine[Any, Any, None]]


def told(story: Story, assignment: Assignment) -> list[dict[str, Any]]:
    """Run a worker while a story is told to it; the story ends it. Return its log."""
    head = Head(assignment)
    loop = WorkerLoop()

    async def both() -> None:
        working = asyncio.create_task(serve(loop, head.its_orders, Reports(head.its_channel), assignment))
        listening = asyncio.create_task(head.until_told("listening"))
        await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await story(head)
        head.stop_waiting()
        await working

    with capture_logs() as logs:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(both())
        finally:
            head.close()
    return logs


async def begin(head: Head, path: str = "/v1/stream") -> ClientConnection:
    return await connect(f"ws://127.0.0.1:{CALLS}{path}", sock=await head.connection(), compression=None)


def start(call: str = "CA1") -> str:
    return json.dumps(
        {
            "type": "start",
            "version": 1,
            "call_id": call,
            "channels": [{"role": "customer"}],
            "encoding": "pcm_s16le",
            "sample_rate": 8000,
        }
    )


async def answer(socket: ClientConnection, message: str) -> dict[str, Any]:
    await socket.send(message)
    return json.loads(await socket.recv())


async def closing(socket: ClientConnection) -> int | None:
    try:
        while True:
            await socket.recv()
    except ConnectionClosed:
        return socket.close_code


def test_it_serves_what_it_is_given_by_the_nodes_counters_and_goes_when_told(assignment: Assignment) -> None:
    async def story(head: Head) -> None:
        first, second = await begin(head), await begin(head)
        assert (await answer(first, start()))["type"] == "ready"
        assert head.ledger.count("calls") == 1
        assert (await answer(second, start("CA2")))["code"] == "full"
        assert await closing(second) == 1013
        await head.until_told("gone")
        head.order(Order.FIGURES)
        figures = unpacked((await head.until_told("figures"))[1])
        active = next(family for family in figures if family.name == "streamer_calls_active")
        assert sum(sample.value for sample in active.samples) == 1
        head.order(Order.DRAIN)
        head.order(Order.DRAIN)  # from the supervisor only `hurry` hurries
        late = await begin(head)
        assert (await answer(late, start("CA3")))["code"] == "draining"
        assert (await answer(first, '{"type":"stop"}')) == {"type": "ended", "utterances": 0}
        assert await closing(first) == 1000
        await head.until_told("give", ["calls"])
        assert head.ledger.count("calls") == 0

    logs = told(story, assignment)
    assert [line["event"] for line in logs].count("configuration in force") == 1
    in_force = next(line for line in logs if line["event"] == "configuration in force")
    assert in_force["outbox"]["path"] == assignment.settings.outbox.path
    assert logs[-1]["event"] == "stopped"


def test_one_of_the_workers_says_what_is_in_force(assignment: Assignment) -> None:
    async def story(head: Head) -> None:
        head.order(Order.HURRY)
        head.order(Order.HURRY)

    logs = told(story, msgspec.structs.replace(assignment, announces=False))
    assert "configuration in force" not in [line["event"] for line in logs]


def test_retired_it_serves_what_it_has_calls_that_begin_then_included(assignment: Assignment) -> None:
    async def story(head: Head) -> None:
        socket = await begin(head)
        head.order(Order.RETIRE)
        head.order(Order.FIGURES)
        await head.until_told("figures")  # orders are carried out in order
        assert (await answer(socket, start()))["type"] == "ready"
        await socket.send(bytes(3200))
        assert (await answer(socket, '{"type":"stop"}'))["type"] == "ended"
        assert await closing(socket) == 1000

    events = [line["event"] for line in told(story, assignment)]
    assert events.index("retiring") < events.index("call started") < events.index("call ended")


def test_retired_it_gives_no_call_more_than_its_time(assignment: Assignment) -> None:
    settings = assignment.settings
    server = msgspec.structs.replace(settings.server, drain_s=0.1)
    short = msgspec.structs.replace(assignment, settings=msgspec.structs.replace(settings, server=server))

    async def story(head: Head) -> None:
        socket = await begin(head)
        await answer(socket, start())
        head.order(Order.RETIRE)
        assert await closing(socket) == 1001

    told(story, short)


@pytest.mark.parametrize("orders", [[Order.HURRY], [Order.DRAIN, Order.HURRY], [Order.RETIRE, Order.HURRY]])
def test_hurried_it_ends_its_calls_at_once(assignment: Assignment, orders: list[Order]) -> None:
    async def story(head: Head) -> None:
        socket = await begin(head)
        await answer(socket, start())
        for order in orders:
            head.order(order)
        assert await closing(socket) == 1001

    told(story, assignment)


def test_without_its_supervisor_it_lets_its_calls_end(assignment: Assignment) -> None:
    async def story(head: Head) -> None:
        socket = await begin(head)
        await answer(socket, start())
        head.orders.close()
        assert (await answer(socket, '{"type":"stop"}'))["type"] == "ended"

    events = [line["event"] for line in told(story, assignment)]
    assert any(event.startswith("the supervisor is gone") for event in events)


def media_start(leg: str) -> str:
    fields = {"channel_id": leg, "format": "ulaw", "channel_variables": {"call": "CA1", "leg": leg}}
    return json.dumps({"event": "MEDIA_START", "channel": leg, **fields})


def test_the_parts_of_a_call_claim_it_and_share_its_slot(assignment: Assignment) -> None:
    async def story(head: Head) -> None:
        for leg in ("in", "out"):
            socket = await connect(
                f"ws://127.0.0.1:{CALLS}/asterisk", sock=await head.connection(), subprotocols=["media"]
            )
            await socket.send(media_start(leg))
            await head.until_told("claim")
        await head.until_told("take")
        head.order(Order.DRAIN)
        head.order(Order.HURRY)
        await head.until_told("disclaim")

    logs = told(story, assignment)
    assert [line["event"] for line in logs].count("call started") == 1


def test_a_part_of_a_call_that_another_worker_carries_is_handed_to_it(assignment: Assignment, tmp_path: Path) -> None:
    """The other worker is this one's own relay: what matters is that it asks, is refused, and asks again."""
    salted = "default CA1"

    async def story(head: Head) -> None:
        head.ledger.claim(99, salted)
        listener = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "worker-99.sock")
        socket = await connect(f"ws://127.0.0.1:{CALLS}/asterisk", sock=await head.connection(), subprotocols=["media"])
        await socket.send(media_start("in"))
        await head.until_told("claim", salted)
        assert head.ledger.count("calls") == 0
        head.ledger.forget(99)
        await head.until_told("take")
        listener.close()
        head.order(Order.HURRY)

    told(story, assignment)


def test_one_who_says_nothing_on_a_port_of_parts_is_served_like_anybody(assignment: Assignment, monkeypatch) -> None:
    monkeypatch.setattr(module, "START_WITHIN_S", 0)

    async def story(head: Head) -> None:
        socket = await connect(f"ws://127.0.0.1:{CALLS}/asterisk", sock=await head.connection(), subprotocols=["media"])
        near = await head.connection(Order.AUDIO)
        near.close()
        await socket.close()
        await head.until_told("gone")
        head.order(Order.RETIRE)

    told(story, assignment)


def test_the_formats_of_conversations_are_known_to_all_workers(assignment: Assignment) -> None:
    async def story(head: Head) -> None:
        first = await begin(head, "/audiocodes")
        initiate = {"type": "session.initiate", "conversationId": "c1", "supportedMediaFormats": ["raw/mulaw"]}
        assert (await answer(first, json.dumps(initiate)))["type"] == "session.accepted"
        assert head.remembered == {"c1": "raw/mulaw"}
        first.transport.abort()
        second = await begin(head, "/audiocodes")
        resumed = await answer(second, json.dumps({"type": "session.resume", "conversationId": "c1"}))
        assert resumed["type"] == "session.accepted"
        await second.send(json.dumps({"type": "session.end", "conversationId": "c1"}))
        await head.until_told("forget", "c1")
        head.order(Order.HURRY)

    told(story, assignment)


def test_what_keeps_it_from_beginning_is_an_error_in_words(assignment: Assignment) -> None:
    settings = assignment.settings
    emotion = msgspec.structs.replace(settings.emotion, model="nowhere")
    wrong = msgspec.structs.replace(assignment, settings=msgspec.structs.replace(settings, emotion=emotion))

    async def never(_: Head) -> None:
        raise AssertionError

    with pytest.raises(ModelError, match="nowhere"):
        told(never, wrong)
