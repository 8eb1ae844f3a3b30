"""No telephone number, name, digit, token or audio comes out of a server, whatever goes in and however it fails.

One node, with its log at its most talkative and a secret for every way in, takes calls in every dialect that are full
of planted values, and then everything that can be wrong. What it wrote and said is searched: log, metrics, topics,
payloads and properties on the bus, answers to others, the outbox's files, the folder of temporary files.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
import pytest_asyncio
import soundfile
from streamer_client import dialects
from streamer_client.dialects.speaker import CallOptions, Message, Speaker
from streamer_client.replay import replay
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.conftest import Broker, MakeBroker, collect
from tests.end_to_end.hearing import level
from tests.end_to_end.planting import (
    ALLOWED,
    DIGITS,
    HOSTILE,
    NAME,
    SPELLINGS,
    TOKEN,
    Planted,
    audio_marks,
    found,
    planted,
    spoilt,
)
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear
from tests.end_to_end.speaking import STOP, cut, start
from tests.end_to_end.test_every_dialect import MIXED, free_port, named
from tests.wire.vendors import STREAMS

PLATFORMS = tuple(name for name in dialects.DIALECTS if name != "native")
WITH_TOKEN = ("twilio", "signalwire", "telnyx", "plivo", "exotel")
UNNAMED = ("audiosocket",)
"""It carries neither a label nor an id of its own."""
WRONG = "PLANTED-wrong-secret"
BROKER_PASSWORD = "PLANTED-broker-password"
TOKENS = {name: f"PLANTED-{name}-token" for name in WITH_TOKEN}
SECRETS = {name: f"PLANTED-{name}-secret" for name in dialects.DIALECTS if name != "audiosocket"}
SECRETS["audiohook"] = base64.b64encode(b"PLANTED-audiohook-secret").decode()
AT_ONCE = 16
WHOLE_MS = 3000
"""Every call that goes well is longer."""


def configuration(port: int) -> str:
    """Return a file with a key for every dialect and one allowed label."""
    tables = {name: ['labels = ["queue"]'] for name in dialects.DIALECTS if name not in UNNAMED}
    for name, token in TOKENS.items():
        tables[name].append(f'token = "{token}"')
    tables["audiosocket"] = [f"port = {port}", 'allow = ["127.0.0.1"]']
    tables["audiocodes"].append('participants = { caller = "customer", callee = "agent" }')
    tables["exotel"].append('role = "customer"')
    tables["vonage"].append('role = "customer"')
    keys = [
        f'[[keys]]\nid = "{name}-key"\nsecret = "{secret}"\ndialects = ["{name}"]' for name, secret in SECRETS.items()
    ]
    return "\n".join(
        [
            "[server]\nrequire_key = true\n[audio]\njoin_grace_s = 0.2",
            '[mqtt]\nusername = "streamer"\npassword_file = "broker.password"',
            '[privacy]\naudit_file = "audit.jsonl"',
            '[log]\nlevel = "debug"\nflood_lines = 0\n[emotion]\npartial_every_ms = 500',
            *(f"[dialects.{name}]\n" + "\n".join(lines) for name, lines in tables.items()),
            *keys,
        ]
    )


def key_of(dialect: str) -> str | None:
    """Return the credential of a dialect as a replay takes it."""
    if dialect in UNNAMED:
        return None
    by_id = dialect in {"exotel", "asterisk", "jambonz", "audiohook"}
    return f"{dialect}-key:{SECRETS[dialect]}" if by_id else SECRETS[dialect]


class House:
    """The node under test, its broker, and all that came out of it."""

    def __init__(self, node: Node, broker: Broker, folder: Path, port: int) -> None:
        self.node = node
        self.broker = broker
        self.folder = folder
        self.answers: list[str] = []
        """What a peer heard that had come in rightly."""
        self.refusals: list[str] = []
        """What those heard that were not let in: whoever sent something may get it back, but nobody else's."""
        self.audio: list[bytes] = []
        self._port = port
        self._calls = 0

    def address(self, dialect: str) -> str:
        """Return where a dialect's calls go."""
        return f"tcp://127.0.0.1:{self._port}" if dialect == "audiosocket" else f"ws://127.0.0.1:{self.node.port}"

    async def play(self, monkeypatch: pytest.MonkeyPatch, dialect: str, path: Path, call: str) -> None:
        """Play a call whose every message is planted."""
        told: list[Planted] = []
        real = dialects.load(dialect)

        def speakers(options: CallOptions) -> list[Speaker]:
            told.extend(Planted(dialect, speaker) for speaker in real.speakers(options))
            return list(told)

        with monkeypatch.context() as patched:
            patched.setattr(dialects, "load", lambda _: msgspec.structs.replace(real, speakers=speakers))
            (played,) = await replay(
                [path],
                to=self.address(dialect),
                dialect=dialect,
                call_id=call,
                key=key_of(dialect),
                token=TOKENS.get(dialect),
                notice=True,
                speed=None,
            )
        assert played.error is None, f"{dialect}: {played.error}"
        self.audio += [chunk for speaker in told for chunk in speaker.audio_sent]

    async def play_natively(self, samples: Samples, call: str) -> None:
        """As `play`, and keep what the server answers to this call."""
        pieces = list(cut(linear(samples), 1600))
        self.audio += pieces
        first = start(call_id=call, labels={"queue": ALLOWED, "name": NAME, "ani": SPELLINGS[0], "pressed": DIGITS})
        headers = {"Authorization": f"Bearer {SECRETS['native']}"}
        async with connect(self.node.url, additional_headers=headers, max_size=None) as socket:
            await socket.send(planted(json.dumps(first)))
            for piece in pieces:
                await socket.send(piece)
            await socket.send(planted(json.dumps(STOP)))
            self.answers += await read_to_the_end(socket)

    def speaker(self, dialect: str) -> Speaker:
        """Return the platform's side of a new call with the right credentials."""
        self._calls += 1
        spoken = dialects.load(dialect)
        options = CallOptions(
            url=f"{self.address(dialect)}{spoken.path}",
            call_id=f"hostile-{self._calls}",
            roles=("customer",) if dialect in MIXED else ("customer", "agent"),
            key=key_of(dialect),
            token=TOKENS.get(dialect),
            stream_id=f"{self._calls:032x}",
            now_s=time.time(),
        )
        return spoken.speakers(options)[0]

    async def say(self, dialect: str, messages: Iterable[Message]) -> None:
        """Come in rightly, say something, and close with a hostile reason."""
        speaker = self.speaker(dialect)
        offered: Any = speaker.subprotocols or None
        socket = await connect(
            speaker.url, additional_headers=speaker.headers, subprotocols=offered, compression=None, max_size=None
        )
        reading = asyncio.create_task(read_to_the_end(socket))
        with suppress(ConnectionClosed):
            for message in messages:
                await socket.send(message)
        with suppress(AttributeError):  # of asyncio, where the server has reset what was too large
            await socket.close(1000, HOSTILE[:100])
        await reading

    async def knock(self, path: str, headers: dict[str, str]) -> None:
        """Come with credentials that open nothing, and keep what is answered."""
        try:
            async with connect(f"{self.address('native')}{path}", additional_headers=headers) as socket:
                await socket.close()
        except InvalidHandshake as refused:
            response = getattr(refused, "response", None)
            self.refusals.append(repr(response))
        else:  # where the token comes in the first message, the door is open until then
            assert path.startswith(tuple(f"/{name}?" for name in WITH_TOKEN)), f"{path} let in who showed {headers}"


def places_of(folder: Path) -> dict[str, str]:
    """Return variables by which every file that is made unasked lies in one folder, in no pipeline that hides it."""
    return {"TMPDIR": str(folder), "HOME": str(folder), "XDG_CACHE_HOME": str(folder), "CI": ""}


@pytest_asyncio.fixture
async def house(mosquitto_with: MakeBroker, tmp_path: Path) -> AsyncIterator[House]:
    """A node of its own on a broker of its own; nothing in it may fail."""
    broker = mosquitto_with(persistent=True)
    folder, temporary, port = tmp_path / "node", tmp_path / "temporary", free_port()
    folder.mkdir()
    temporary.mkdir()
    (folder / "broker.password").write_text(BROKER_PASSWORD, encoding="utf-8")
    node = Node(folder, broker.url, config=configuration(port), name="planted", variables=places_of(temporary))
    try:
        await node.listening()
        await node.connected()
        yield House(node, broker, tmp_path, port)
    finally:
        node.close()


async def read_to_the_end(socket: ClientConnection) -> list[str]:
    """Return what the server says until either side closes."""
    said: list[str] = []
    with suppress(ConnectionClosed):
        while True:
            said.append(str(await socket.recv()))
    return said


async def everything_wrong(house: House) -> None:
    """Do in every dialect what a broken or hostile peer would."""
    conversations: list[Any] = []
    for dialect in (name for name in dialects.DIALECTS if name != "audiosocket"):
        opening = house.speaker(dialect).open()
        documented = STREAMS[dialect]
        texts = [HOSTILE, json.dumps(HOSTILE), json.dumps([HOSTILE]), json.dumps({"type": HOSTILE, "event": HOSTILE})]
        for wrong in texts:
            conversations += [(dialect, [wrong]), (dialect, [*opening, wrong]), (dialect, [*documented[:2], wrong])]
        conversations.append((dialect, [*opening, HOSTILE.encode() * 3, json.dumps({"x": HOSTILE * 200_000})]))
        for stream in (opening, documented):
            for at, message in enumerate(stream):
                conversations += [(dialect, [*stream[:at], wrong, *stream[at + 1 :]]) for wrong in spoilt(message)]
    turn = asyncio.Semaphore(AT_ONCE)

    async def say(dialect: str, messages: list[Message]) -> None:
        async with turn:
            await house.say(dialect, messages)

    await asyncio.gather(*(say(*conversation) for conversation in conversations))
    for platform in PLATFORMS:
        if platform != "audiosocket":
            for headers in wrong_credentials(house, platform):
                await house.knock(f"{dialects.load(platform).path}?token={WRONG}&caller={SPELLINGS[0]}", headers)
    await house.knock(f"/v1/stream?key={WRONG}", {"Sec-WebSocket-Protocol": f"emotion-streamer.v1, bearer.{WRONG}"})
    await house.knock(f"/v1/stream/{WRONG}", {})
    for port in (house.node.port, house.node.admin_port, house._port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{TOKEN} HTTP/1.1\r\nX-Name: {NAME}\r\n{HOSTILE}\r\n\r\n".encode())
        writer.write_eof()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()


def wrong_credentials(house: House, dialect: str) -> Iterable[dict[str, str]]:
    """Give what a stranger would show, in the manner of each platform."""
    basic = base64.b64encode(f"{NAME}:{WRONG}".encode()).decode()
    shown = house.speaker(dialect).headers
    for name in shown:
        yield {**shown, name: f"{WRONG} {HOSTILE}"}
    for value in (WRONG, f"Bearer {WRONG}", f"Basic {basic}", f"Basic {WRONG}"):
        yield {"Authorization": value}
    yield {"X-API-KEY": WRONG, "Signature-Input": f'sig1=("{TOKEN}");keyid="{WRONG}"', "Signature": f"sig1=:{basic}:"}
    yield {"X-Twilio-Signature": WRONG, "x-telnyx-streaming-auth-token": WRONG, "User-Agent": HOSTILE}
    yield {"Origin": f"https://{NAME}.example/?to={SPELLINGS[0]}"}


def written(message: aiomqtt.Message) -> bytes:
    """Return all that a subscriber sees of a message."""
    properties = json.dumps(getattr(message.properties, "UserProperty", []), ensure_ascii=False)
    return b"\n".join([str(message.topic).encode(), bytes(message.payload), properties.encode()])


def ended(messages: list[aiomqtt.Message]) -> list[dict[str, Any]]:
    """Return the summaries of calls whose id says that they went well."""
    summaries = [json.loads(one.payload)["data"] for one in messages if level(one) == "ended"]
    return [one for one in summaries if not one["call"]["id"].startswith("hostile")]


async def test_nothing_that_is_planted_comes_out(
    house: House, recording_of: Any, sentence: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with collect(house.broker, "#") as heard:
        for dialect in PLATFORMS:
            path = recording_of(sentence[:, :1] if dialect in MIXED else sentence)
            await house.play(monkeypatch, dialect, path, f"good-{dialect}")
            await house.play(monkeypatch, dialect, path, f"{dialect}-of-{SPELLINGS[0]}")
        await house.play_natively(sentence, "good-native")
        await house.play_natively(sentence, SPELLINGS[2])
        await everything_wrong(house)
        good = {named(name, f"good-{name}") for name in dialects.DIALECTS}
        await heard.until(lambda messages: good <= {one["call"]["id"] for one in ended(messages)})
        _, metrics = await house.node.get("/metrics")

        await asyncio.to_thread(house.broker.stop)
        await house.play_natively(sentence, "waits-in-the-outbox")
        outbox = {path.name: path.read_bytes() for path in (house.folder / "node").glob("outbox*")}
        await asyncio.to_thread(house.broker.start)
        await heard.until(lambda messages: any(one["call"]["id"] == "waits-in-the-outbox" for one in ended(messages)))
    house.node.terminate()
    assert await house.node.ended() == 0

    places = {
        "the log": house.node.text().encode(),
        "the log as it is written": json.dumps(house.node.log).encode(),
        "metrics": metrics.encode(),
        "the bus": b"\n".join(map(written, heard.messages)),
        "answers": "\n".join(house.answers).encode(),
        "the audit file": (house.folder / "node" / "audit.jsonl").read_bytes(),
        **outbox,
    }
    secrets = [*SECRETS.values(), *TOKENS.values(), WRONG, BROKER_PASSWORD]
    secrets += [base64.b64encode(f"{name}-key:{secret}".encode()).decode() for name, secret in SECRETS.items()]
    leaks = found(places, secrets, audio_marks(house.audio))
    assert not leaks, "\n".join(leaks)
    assert not [secret for secret in (*SECRETS.values(), *TOKENS.values()) if secret in repr(house.refusals)]
    assert list((house.folder / "temporary").iterdir()) == []
    known = {"streamer.toml", "broker.password", "audit.jsonl"}
    assert {path.name for path in (house.folder / "node").iterdir()} - known <= {"outbox.sqlite", *outbox}

    # The search would have found it, and there was something to be found.
    summaries = [one for one in ended(heard.messages) if one["duration_ms"] > WHOLE_MS]
    ids = [one["call"]["id"] for one in summaries]
    assert [ids.count(one) for one in (*good, "waits-in-the-outbox")] == [1] * (len(dialects.DIALECTS) + 1)
    numbered = {one["call"]["dialect"] for one in summaries if re.search(r"(^|-)n-[0-9a-f]{16}$", one["call"]["id"])}
    assert numbered == set(dialects.DIALECTS) - set(UNNAMED), "each had a number for an id"
    labelled = {one["call"]["dialect"] for one in summaries if one["call"]["labels"] == {"queue": ALLOWED}}
    assert labelled == set(dialects.DIALECTS) - set(UNNAMED)
    assert ALLOWED.encode() in b"".join(outbox.values())
    assert len(house.audio) > len(summaries)
    assert found({"x": HOSTILE.encode() + house.audio[0]}, [TOKEN], [house.audio[0]])
    assert "stream refused" in house.node.text()
    assert "connection refused" in house.node.text()
    harm = [line["event"] for line in house.node.log if line.get("level") in {"error", "critical"}]
    assert harm == [], harm[-10:]


@pytest.fixture
def recording_of(tmp_path: Path) -> Any:
    """Write samples to a file: `recording_of(samples)`."""

    def write(samples: Samples) -> Path:
        path = tmp_path / f"{samples.shape[1]}.wav"
        soundfile.write(path, samples, 8000, subtype="PCM_16")
        return path

    return write
