"""The generator against a real server and a real broker, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from streamer.bench import frames
from streamer.bench.generator import Generator, GeneratorError, Line
from streamer.bench.outcome import Outcome
from streamer.bench.plan import Plan
from tests.conftest import Broker
from tests.nodes import serve as serve_node


def plan(port: int, mqtt_port: int, **more: object) -> Plan:
    """A load of little more than a turn."""
    given = {"calls": 2, "seconds": 4.0, "spread_s": 0.5, "warm_s": 0.5, "patience_s": 60.0} | more
    return Plan(port=port, mqtt_port=mqtt_port, **given)


async def run(made: Plan) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    return await asyncio.to_thread(Generator(made, said.append).run), said


@pytest.mark.parametrize(("dialect", "frame_ms"), [("twilio", 20), ("native", 100)])
async def test_what_is_said_in_made_up_calls_is_heard_on_mqtt(tmp_path, mosquitto: Broker, dialect, frame_ms) -> None:
    async with serve_node(tmp_path, mqtt__url=mosquitto.url) as server:
        found, said = await run(plan(server.port, mosquitto.port, dialect=dialect, frame_ms=frame_ms))
    assert said == ["begin", "end"]
    assert found.expected >= 2
    assert (found.lost, found.twice, found.unexpected, found.cut, found.stuck) == (0, 0, 0, 0, 0)
    assert found.legs == 4
    assert found.frames == (4 if dialect == "twilio" else 2) * 4000 // frame_ms


@contextmanager
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


async def test_a_server_that_refuses_is_said(mosquitto: Broker) -> None:
    async def refuse(connection: ServerConnection, _request: object) -> object:
        return connection.respond(403, "no\n")

    async def never(_connection: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(GeneratorError, match="403"):
            await run(plan(port, mosquitto.port))


def test_a_server_that_is_not_there_is_said(mosquitto: Broker) -> None:
    with pytest.raises(GeneratorError, match="no connection to the server"):
        Generator(plan(1, mosquitto.port), lambda _: None).run()


async def test_calls_that_the_server_ends_are_counted_and_what_they_owed_is_lost(mosquitto: Broker) -> None:
    async def hang_up(connection: ServerConnection) -> None:
        await connection.recv()

    async with serve(hang_up, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        found, _ = await run(plan(port, mosquitto.port, patience_s=0.0))
    assert found.cut == 2
    assert found.lost == found.expected > 0


@pytest.fixture
def pair() -> Iterator[tuple[Line, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - the library's signature
    with ours, theirs:
        yield Line(ours), theirs


def test_a_ping_is_answered(pair: tuple[Line, socket.socket]) -> None:
    line, theirs = pair
    theirs.sendall(Frame(Opcode.PING, b"there?").serialize(mask=False))
    line.hear()
    assert theirs.recv(100) == frames.made(frames.PONG, b"there?")
    assert not line.is_cut


def test_nothing_to_hear_is_no_hanging_up(pair: tuple[Line, socket.socket]) -> None:
    line, _ = pair
    line.hear()
    assert not line.is_cut


@pytest.mark.parametrize("said", [Frame(Opcode.CLOSE, b"").serialize(mask=False), b""])
def test_a_goodbye_and_the_end_of_the_stream_are_noticed(pair: tuple[Line, socket.socket], said: bytes) -> None:
    line, theirs = pair
    theirs.sendall(said)
    theirs.close()
    line.hear()
    assert line.is_cut


def test_what_the_kernel_does_not_take_is_kept_in_order_and_sent_later(pair: tuple[Line, socket.socket]) -> None:
    line, theirs = pair
    sent = bytearray()
    while not line.unsent:
        block = len(sent).to_bytes(8, "big") * 1000
        line.send(block)
        sent += block
    heard = bytearray()

    def read() -> None:
        while len(heard) < len(sent) + 4:
            heard.extend(theirs.recv(1 << 16))

    reading = threading.Thread(target=read)
    reading.start()
    line.send(b"last")
    while line.unsent:
        line.send(b"")
    reading.join()
    assert bytes(heard) == bytes(sent) + b"last"


def test_sending_to_one_who_has_gone_is_noticed(pair: tuple[Line, socket.socket]) -> None:
    line, theirs = pair
    theirs.close()
    line.send(b"x")
    assert line.is_cut


async def test_as_a_program_it_says_each_stage_and_the_outcome(tmp_path, mosquitto: Broker) -> None:
    async with serve_node(tmp_path, mqtt__url=mosquitto.url) as server:
        told = msgspec.json.encode(plan(server.port, mosquitto.port, calls=1, seconds=1.0)) + b"\n"
        command = [sys.executable, "-m", "streamer.bench.generator"]
        done = await asyncio.to_thread(subprocess.run, command, input=told, capture_output=True, check=True)
    begin, end, last = done.stdout.splitlines()
    assert [json.loads(begin), json.loads(end)] == [{"at": "begin"}, {"at": "end"}]
    assert msgspec.json.decode(last, type=Outcome).legs == 2


def test_as_a_program_it_ends_with_a_line_where_there_is_no_server(mosquitto: Broker) -> None:
    command = [sys.executable, "-m", "streamer.bench.generator"]
    told = msgspec.json.encode(plan(1, mosquitto.port)) + b"\n"
    done = subprocess.run(command, input=told, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"no connection to the server")
    assert done.stdout == b""
