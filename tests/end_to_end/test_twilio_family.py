"""SignalWire, Telnyx, Plivo and Exotel as the platforms send them: one call, the same utterances as natively.

Messages are made here from the vendors' documents; nothing of the project's client is used.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import RATE_HZ, Samples, alaw, linear, mulaw, resampled
from tests.end_to_end.speaking import Json, Outcome, converse, essence, say

TRACKS = ("inbound", "outbound")
Chunk = tuple[int, int, bytes]
"""Track, position in ms, encoded samples."""
NEAR_MS = 40
"""How far an utterance may stand from where it stands natively."""


def cut(samples: Samples, encode: Callable[[Samples], bytes], rate_hz: int, lengths_ms: Sequence[int]) -> list[Chunk]:
    """Return chunks of all tracks, interleaved; their lengths go round."""
    found: list[Chunk] = []
    at, turn = 0, 0
    while at < len(samples):
        step = rate_hz * lengths_ms[turn % len(lengths_ms)] // 1000
        found += [
            (track, at * 1000 // rate_hz, encode(samples[at : at + step, track])) for track in range(samples.shape[1])
        ]
        at, turn = at + step, turn + 1
    return found


def signalwire(call: str, chunks: list[Chunk], encoding: str, rate_hz: int) -> list[Json]:
    start = {
        "streamSid": "7d56",
        "accountSid": "b08d",
        "callSid": call,
        "tracks": list(TRACKS),
        "mediaFormat": {"encoding": encoding, "sampleRate": rate_hz, "channels": 1},
    }
    messages: list[Json] = [
        {"event": "connected", "protocol": "Call", "version": "0.2.0"},
        {"event": "start", "sequenceNumber": "1", "start": start},
    ]
    for n, (track, ms, payload) in enumerate(chunks, 2):
        media = {"track": TRACKS[track], "chunk": str(n // 2), "timestamp": str(ms), "payload": text(payload)}
        messages.append({"event": "media", "sequenceNumber": str(n), "media": media})
    return [*messages, {"event": "stop", "sequenceNumber": str(len(chunks) + 2)}]


def telnyx(call: str, chunks: list[Chunk], encoding: str, rate_hz: int) -> list[Json]:
    form = {"encoding": encoding, "sample_rate": rate_hz, "channels": 1}
    start = {"user_id": "3E6F", "call_control_id": call, "from": "+13122010094", "media_format": form}
    messages: list[Json] = [
        {"event": "connected", "version": "1.0.0"},
        {"event": "start", "sequence_number": "1", "stream_id": "32DE", "start": start},
    ]
    for n, (track, ms, payload) in enumerate(chunks, 2):
        media = {"track": TRACKS[track], "chunk": str(n // 2), "timestamp": str(ms), "payload": text(payload)}
        messages.append({"event": "media", "sequence_number": str(n), "stream_id": "32DE", "media": media})
    stop = {"user_id": "3E6F", "call_control_id": call}
    number = str(len(chunks) + 2)
    return [*messages, {"event": "stop", "sequence_number": number, "stream_id": "32DE", "stop": stop}]


def plivo(call: str, chunks: list[Chunk], encoding: str, rate_hz: int) -> list[Json]:
    start = {
        "callId": call,
        "streamId": "st-1",
        "accountId": "MA1",
        "tracks": list(TRACKS),
        "mediaFormat": {"encoding": encoding, "sampleRate": rate_hz},
    }
    messages: list[Json] = [{"event": "start", "sequenceNumber": 0, "start": start, "extra_headers": '{"token":"t"}'}]
    for n, (track, ms, payload) in enumerate(chunks, 1):
        media = {"track": TRACKS[track], "timestamp": str(ms), "chunk": n // 2, "payload": text(payload)}
        messages.append(
            {"event": "media", "sequenceNumber": n, "streamId": "st-1", "media": media, "extra_headers": "{}"}
        )
    return messages


def exotel(call: str, chunks: list[Chunk], encoding: str, rate_hz: int) -> list[Json]:
    form = {"encoding": encoding, "sample_rate": str(rate_hz), "bit_rate": "16"}
    start = {"stream_sid": "MZx", "call_sid": call, "account_sid": "ACx", "media_format": form}
    messages: list[Json] = [
        {"event": "connected"},
        {"event": "start", "sequence_number": "1", "stream_sid": "MZx", "start": start},
    ]
    for n, (_, ms, payload) in enumerate(chunks, 2):
        media = {"chunk": str(n - 1), "timestamp": str(ms), "payload": text(payload)}
        messages.append({"event": "media", "sequence_number": str(n), "stream_sid": "MZx", "media": media})
    number = str(len(chunks) + 2)
    return [*messages, {"event": "stop", "sequence_number": number, "stream_sid": "MZx", "stop": {"call_sid": call}}]


def text(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


class Way(NamedTuple):
    """A platform in one of its formats."""

    path: str
    messages: Callable[[str, list[Chunk], str, int], list[Json]]
    encoding: str
    encode: Callable[[Samples], bytes]
    rate_hz: int = RATE_HZ
    lengths_ms: tuple[int, ...] = (20,)
    channels: int = 2
    ends: bool = True
    """Whether it says that the call is over; if not, it closes."""
    same: bool = True
    """Whether the samples are those that are heard natively, to the bit."""


WAYS = {
    "signalwire mu-law": Way("/signalwire", signalwire, "audio/x-mulaw", mulaw, lengths_ms=(20, 60, 10)),
    "signalwire linear at 16 kHz": Way("/signalwire", signalwire, "audio/x-L16", linear, 16_000, same=False),
    "telnyx PCMU": Way("/telnyx", telnyx, "PCMU", mulaw),
    "telnyx PCMA": Way("/telnyx", telnyx, "audio/x-alaw", alaw, same=False),
    "plivo linear": Way("/plivo", plivo, "audio/x-l16", linear, lengths_ms=(20, 100, 40), ends=False),
    "exotel linear": Way("/exotel", exotel, "audio/x-raw", linear, lengths_ms=(100,), channels=1),
    "exotel mu-law": Way("/exotel", exotel, "audio/x-mulaw", mulaw, lengths_ms=(100, 20), channels=1),
}

CUSTOMER_ALONE = '[dialects.exotel]\nrole = "customer"\n'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def listener(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A node that takes Exotel's one channel for the customer's."""
    node = Node(tmp_path_factory.mktemp("family"), broker.url, config=CUSTOMER_ALONE, name="family")
    try:
        yield await node.listening()
    finally:
        node.close()


def stream(way: Way, call: str, samples: Samples) -> list[Json]:
    """Return all that a platform sends for a call."""
    heard = samples[:, : way.channels]
    if way.rate_hz != RATE_HZ:
        heard = resampled(heard, way.rate_hz)
    return way.messages(call, cut(heard, way.encode, way.rate_hz, way.lengths_ms), way.encoding, way.rate_hz)


async def spoken(node: Node, broker: Broker, way: Way, call: str, messages: list[Json]) -> tuple[list[Json], Json]:
    """Send a stream in the platform's manner; return utterances and summary."""
    url = f"ws://127.0.0.1:{node.port}{way.path}"
    async with listening(broker, call) as bus:
        if way.ends:
            assert (await converse(url, messages)).code == 1000
        else:
            async with connect(url, compression=None) as socket:
                await say(socket, *messages)
        summary = await bus.ended()
    return [essence(event) for event in bus.events("utterance")], summary


def verdicts_agree(found: list[Json], expected: list[Json], *, same: bool) -> None:
    """Hold utterances against those heard natively."""
    if same:
        assert found == expected
        return
    assert [(one["role"], one["cut"], one["top"]) for one in found] == [
        (one["role"], one["cut"], one["top"]) for one in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one["start_ms"] == pytest.approx(other["start_ms"], abs=NEAR_MS)
        assert one["end_ms"] == pytest.approx(other["end_ms"], abs=NEAR_MS)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_the_same_call_gives_the_same_utterances_as_natively(  # noqa: PLR0917 - fixtures
    listener: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str, way: Way
) -> None:
    found, summary = await spoken(listener, broker, way, call_id, stream(way, call_id, excerpt))
    verdicts_agree(found, reference.within(excerpt), same=way.same)
    assert found
    assert summary["data"]["reason"] == "stop"
    assert summary["data"]["duration_ms"] == pytest.approx(len(excerpt) / 8, abs=20)


@pytest.mark.parametrize("name", ["signalwire mu-law", "telnyx PCMU", "plivo linear", "exotel linear"])
async def test_with_two_percent_lost_utterances_stay_where_they_are(  # noqa: PLR0917 - fixtures
    listener: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str, name: str
) -> None:
    way = WAYS[name]
    whole = stream(way, call_id, excerpt)
    messages = [one for n, one in enumerate(whole) if one["event"] != "media" or n % 50 != 25]
    found, summary = await spoken(listener, broker, way, call_id, messages)
    expected = reference.within(excerpt)
    assert len(messages) < len(whole)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        longest = max(way.lengths_ms)
        assert one["start_ms"] == pytest.approx(other["start_ms"], abs=NEAR_MS + longest)
        assert one["end_ms"] == pytest.approx(other["end_ms"], abs=NEAR_MS + longest)
    assert sum(speaker["lost_ms"] for speaker in summary["data"]["speakers"]) > 0


async def test_what_telnyx_sends_out_of_order_is_heard_in_order(
    listener: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
) -> None:
    way, rng = WAYS["telnyx PCMU"], random.Random(3)
    connected, start, first, *media, stop = stream(way, call_id, excerpt)
    shuffled = sorted(media, key=lambda one: int(one["sequence_number"]) + rng.uniform(0, 7))
    assert shuffled != media
    found, summary = await spoken(listener, broker, way, call_id, [connected, start, first, *shuffled, stop])
    assert found == reference.within(excerpt)
    assert [speaker["lost_ms"] for speaker in summary["data"]["speakers"]] == [0, 0]


async def test_a_call_in_g722_is_decoded(
    listener: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
) -> None:
    g722 = pytest.importorskip("G722")

    def encode(samples: Samples) -> bytes:
        return bytes(coders[len(coders) - 1].encode(samples.tolist()))

    coders: list[Any] = []
    chunks: list[list[Chunk]] = []
    for track in range(2):
        coders.append(g722.G722(16_000, 64_000))
        alone = resampled(excerpt[:, track : track + 1], 16_000)
        chunks.append([(track, ms, data) for _, ms, data in cut(alone, encode, 16_000, (20,))])
    interleaved = [one for pair in zip(*chunks, strict=True) for one in pair]
    way = Way("/telnyx", telnyx, "G722", encode)
    found, _ = await spoken(listener, broker, way, call_id, telnyx(call_id, interleaved, "G722", RATE_HZ))
    expected = reference.within(excerpt)
    assert [(one["role"], one["cut"]) for one in found] == [(one["role"], one["cut"]) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["start_ms"] == pytest.approx(other["start_ms"], abs=NEAR_MS)
        assert one["end_ms"] == pytest.approx(other["end_ms"], abs=NEAR_MS)


KEYS = """
[server]
require_key = true
[[keys]]
id = "one"
secret = "s3cret"
tenant = "acme"
dialects = ["signalwire", "telnyx", "exotel"]
[dialects.plivo]
token = "t"
tenant = "acme"
[dialects.exotel]
role = "customer"
"""
BASIC = {"Authorization": "Basic " + base64.b64encode(b"one:s3cret").decode()}
CREDENTIALS: dict[str, dict[str, str]] = {
    "signalwire mu-law": {"Authorization": "Bearer s3cret"},
    "telnyx PCMU": {"x-telnyx-streaming-auth-token": "s3cret"},
    "plivo linear": {},
    "exotel linear": BASIC,
}


async def test_each_platform_comes_in_by_its_own_means_and_nobody_without(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config=KEYS)
    for n, (name, headers) in enumerate(CREDENTIALS.items()):
        way, call = WAYS[name], f"{call_id}-{n}"
        url = f"ws://127.0.0.1:{node.port}{way.path}"
        messages = stream(way, call, sentence)
        async with listening(broker, call, tenant="acme") as bus:
            async with connect(url, additional_headers=headers, compression=None) as socket:
                await say(socket, *messages)
                if way.ends:
                    with suppress(ConnectionClosed):
                        await socket.recv()
            await bus.ended()
        assert len(bus.events("utterance")) == 1
        if headers:
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            assert refused.value.response.status_code == 401
    wrong = stream(WAYS["plivo linear"], call_id, sentence)
    wrong[0]["extra_headers"] = '{"token":"tea"}'
    outcome = await converse(f"ws://127.0.0.1:{node.port}/plivo", wrong)
    assert (outcome.code, outcome.reason) == (1008, "bad_token")
    assert "s3cret" not in node.text()


async def test_a_format_that_telnyx_may_send_and_nobody_can_read_is_refused_in_words(
    listener: Node, sentence: Samples, call_id: str
) -> None:
    outcome = await converse(
        f"ws://127.0.0.1:{listener.port}/telnyx", telnyx(call_id, cut(sentence, mulaw, 8000, (20,)), "OPUS", 48_000)
    )
    assert (outcome.code, outcome.reason) == (1008, "bad_media_format")
    line = await listener.logged("stream refused", lambda line: line.get("code") == "bad_media_format")
    assert 'codec="PCMU"' in line["message"]
