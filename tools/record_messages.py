"""Record what a version says and is told, for the tests of later ones: python -m tools.record_messages FOLDER.

A broker, a server and an alert service are started as an operator starts them, calls are made, and every message is
kept as it was: on the bus with topic, QoS and retention, on the calls' sockets in both directions. The JSON Schemas of
the version go along. Run once, before a release (docs/releasing.md); what is recorded then is never recorded again.
This file must never write a message down that no program of ours sent or took.

============== ==================================================================================================
bus.jsonl      what stood on the broker, in order: `topic`, `qos`, `retain`, `payload` (an object, or null: empty)
native.jsonl   conversations on `/v1/stream`, in order: `call`, `from` (`client` or `server`), and `text` (an
               object), `audio` (base64) or `close` (a code)
schema/        clients/schema as it was, without the AsyncAPI document
============== ==================================================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiomqtt
import soundfile
from paho.mqtt.subscribeoptions import SubscribeOptions
from streamer_client.g711 import encode_mulaw
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamer.demo.broker import running_broker

ROOT = Path(__file__).resolve().parent.parent
STREAMER = Path(sys.executable).with_name("streamer")
EXCERPT_S = (0, 14)
"""Of the demo call: the customer says two things in it, the agent one."""
_PIECE_BYTES = 16_000
_WITHIN_S = 60.0
_BEFORE = "before-"
"""How calls begin that are made until the alert service hears them; they are left out."""
_CONFIGURATION = """\
node = "recorder"
[server]
port = 0
admin_port = 0
[emotion]
partial_every_ms = 1000
[log]
format = "json"
"""
_RULES = """\
[[rule]]
name = "somebody-spoke"
role = "customer"
emotions = ["neutral", "happy", "sad", "angry", "fear", "disgust"]
min_confidence = 0.0
count = 1
within_s = 60
cooldown_s = 600
severity = "info"
message = "Somebody spoke."
"""
Json = dict[str, Any]


def excerpt() -> bytes:
    """Return the beginning of the demo call in mu-law, both parties in turn."""
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    begin_s, end_s = EXCERPT_S
    return bytes(encode_mulaw(samples[begin_s * rate_hz : end_s * rate_hz].reshape(-1)))


def _start(name: str, **fields: object) -> Json:
    return {
        "type": "start",
        "version": 1,
        "call_id": name,
        "channels": [{"role": "customer"}, {"role": "agent"}],
        "encoding": "pcmu",
        "sample_rate": 8000,
        "labels": {"queue": "billing"},
        "events": True,
        "notice": True,
        "speed": None,
    } | fields


def conversations() -> dict[str, list[Json | bytes]]:
    """Return what a client says in each conversation: every message there is, and what is refused, and how."""
    audio = excerpt()
    pieces = [audio[begin : begin + _PIECE_BYTES] for begin in range(0, len(audio), _PIECE_BYTES)]
    half = len(pieces) // 2
    stop = {"type": "stop"}
    held: list[Json | bytes] = [{"type": "pause"}, {"type": "resume"}, {"type": "gap", "duration_ms": 1500}]
    return {
        "whole": [_start("whole"), *pieces[:half], *held, *pieces[half:], stop],
        "noticed-later": [_start("noticed-later", notice=False), {"type": "notice"}, stop],
        "withdrawn": [_start("withdrawn"), pieces[0], {"type": "withdraw"}, stop],
        "without-events": [_start("without-events", events=False, speed=100), stop],
        "unknown-encoding": [_start("unknown-encoding", encoding="mp3")],
        "unknown-role": [_start("unknown-role", channels=[{"role": "caller"}])],
        "wrong-rate": [_start("wrong-rate", sample_rate=11_025)],
        "other-version": [_start("other-version", version=2)],
        "audio-first": [b"\x00\x00"],
        "stop-first": [stop],
        "no-such-message": [_start("no-such-message"), {"type": "transfer"}],
        "odd": [_start("odd", encoding="pcm_s16le"), b"\x00\x00\x00", stop],
    }


async def converse(url: str, name: str, said: Sequence[Json | bytes]) -> list[Json]:
    """Have one conversation; return its lines."""
    lines: list[Json] = []
    async with asyncio.timeout(_WITHIN_S), connect(url, compression=None, max_size=None) as socket:
        for message in said:
            if isinstance(message, bytes):
                lines.append({"call": name, "from": "client", "audio": base64.b64encode(message).decode()})
            else:
                lines.append({"call": name, "from": "client", "text": message})

        async def speak() -> None:
            for message in said:
                await socket.send(message if isinstance(message, bytes) else json.dumps(message))

        speaking = asyncio.create_task(speak(), name="speaking")
        try:
            while True:
                lines.append({"call": name, "from": "server", "text": json.loads(await socket.recv())})
        except ConnectionClosed:
            lines.append({"call": name, "from": "server", "close": socket.close_code})
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
    return lines


class _Program:
    """A command of ours, and the line in which it says what is waited for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def until(self, word: str) -> str:
        if self.process.stdout is None:
            raise RuntimeError("the program was started without a pipe: a defect of this tool")
        async with asyncio.timeout(_WITHIN_S):
            while line := (await self.process.stdout.readline()).decode():
                if word in line:
                    return line
        raise RuntimeError(f"the program ended and never said {word!r}")


@asynccontextmanager
async def _started(folder: Path, *arguments: str) -> AsyncIterator[_Program]:
    out = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        STREAMER, *arguments, cwd=folder, stdout=out, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield _Program(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()  # its log, so that it never waits for somebody who reads it


class _Bus:
    """Everything that stands on a broker, from the moment it is followed."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.lines: list[Json] = []
        self._client = client
        self._heard = asyncio.Condition()

    async def follow(self) -> None:
        async for message in self._client.messages:
            payload = json.loads(bytes(message.payload)) if message.payload else None
            line = {"topic": str(message.topic), "qos": message.qos, "retain": message.retain, "payload": payload}
            async with self._heard:
                self.lines.append(line)
                self._heard.notify_all()

    async def until(self, kind: str, fits: Callable[[Json], bool] = lambda _: True) -> Json:
        """Return the first event of a kind whose data fits, once it has been heard."""

        def found() -> Json | None:
            events = [line["payload"] for line in self.lines if line["payload"]]
            of_kind = [one for one in events if one["type"] == f"emotion-streamer.{kind}.v1"]
            return next((one for one in of_kind if fits(one["data"])), None)

        async with asyncio.timeout(_WITHIN_S), self._heard:
            await self._heard.wait_for(lambda: found() is not None)
            event = found()
        if event is None:
            raise RuntimeError("what was heard is gone: a defect of this tool")
        return event


async def record(broker: str, folder: Path) -> tuple[list[Json], list[Json]]:
    """Run it all against a broker; return the lines of the bus and of the sockets.

    Parameters
    ----------
    broker
        URL of one that nobody else uses and that knows MQTT 5, such as Mosquitto.
    folder
        For what the programs keep.
    """
    (folder / "streamer.toml").write_text(_CONFIGURATION, encoding="utf-8")
    (folder / "rules.toml").write_text(_RULES, encoding="utf-8")
    port = int(broker.rpartition(":")[2])
    # Only MQTT 5 tells a subscriber what was retained when it was published.
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        bus = _Bus(client)
        await client.subscribe("emotion/v1/#", options=SubscribeOptions(qos=1, retainAsPublished=True))
        following = asyncio.create_task(bus.follow(), name="bus")
        native: list[Json] = []
        try:
            async with (
                _started(folder, "alerts", "--rules", "rules.toml", "--mqtt", broker),
                _started(folder, "serve", "--mqtt", broker) as server,
            ):
                url = json.loads(await server.until('"listening"'))["url"] + "/v1/stream"
                await bus.until("status", lambda data: data["status"] == "online")
                await _until_alerts_are_raised(url, bus)
                for name, said in conversations().items():
                    native += await converse(url, name, said)
                alert = await bus.until("alert", lambda data: data["call"]["id"] == "whole")
                async with _started(
                    folder, "acknowledge", alert["id"], "--by", "Desk 2", "--note", "Called back.", "--mqtt", broker
                ) as desk:
                    await desk.until("said on the bus")
                await bus.until("acknowledgement")
                server.process.terminate()
                await bus.until("status", lambda data: data["status"] == "offline")
        finally:
            following.cancel()
            await asyncio.wait([following])
    return [line for line in bus.lines if _BEFORE not in json.dumps(line)], native


async def _until_alerts_are_raised(url: str, bus: _Bus) -> None:
    """Make calls until one raises an alert: nothing tells from outside that the service follows."""
    async with asyncio.timeout(_WITHIN_S):
        for n in count():
            name = f"{_BEFORE}{n}"
            await converse(url, name, [_start(name), excerpt(), {"type": "stop"}])
            if any(line["topic"].partition("/alerts/")[1] for line in bus.lines):
                return


def write(folder: Path, bus: Sequence[Json], native: Sequence[Json]) -> None:
    """Write what was recorded, and the schemas."""
    folder.mkdir(parents=True)
    for name, lines in {"bus.jsonl": bus, "native.jsonl": native}.items():
        texts = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines]
        (folder / name).write_text("".join(texts), encoding="utf-8")
    shutil.copytree(ROOT / "clients" / "schema", folder / "schema", ignore=shutil.ignore_patterns("asyncapi*", "*.md"))


def main(arguments: list[str]) -> int:
    """Record; return the exit status."""
    parser = argparse.ArgumentParser(description="Record the messages of this version for the tests of later ones.")
    parser.add_argument("folder", type=Path, help="tests/compatibility/VERSION, which must not exist")
    given = parser.parse_args(arguments)
    if given.folder.exists():
        print(f"{given.folder}: exists; what an earlier version said is never recorded again", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="recorder-") as place, running_broker() as broker:
        bus, native = asyncio.run(record(broker.url, Path(place)))
    write(given.folder, bus, native)
    print(f"{given.folder}: {len(bus)} messages of the bus, {len(native)} lines of the calls' sockets")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
