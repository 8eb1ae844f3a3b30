"""jambonz, FreeSWITCH and Vonage as the platforms send them: raw samples, no clock, and an end that is a close."""

from __future__ import annotations

import base64
import hmac
import json
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear, resampled, silence
from tests.end_to_end.speaking import Json, Outcome, Sent, converse, cut, essence, hear, native_call, say

SECRET = "s3cret-of-the-key"
LOCKED = f"""
[server]
require_key = true
[dialects.vonage]
role = "customer"
[[keys]]
id = "acme"
secret = "{SECRET}"
"""


def at(node: Node, path: str) -> str:
    return f"ws://127.0.0.1:{node.port}{path}"


def flushes(samples: Samples, seed: int = 7) -> Iterator[bytes]:
    """Return samples as a send buffer is emptied: 20 ms, seconds at once, half a frame; never an empty message."""
    data, sizes = linear(samples), random.Random(seed)
    while data:
        size = sizes.choice((1, 3, 320, 641, 3200, 32_000, 160_000))
        yield data[:size]
        data = data[size:]


def jambonz_first(call: str, **changes: Any) -> Json:
    return {
        "sampleRate": 8000,
        "mixType": "stereo",
        "callSid": call,
        "direction": "inbound",
        "from": "+15083084809",
        "to": "+15083728299",
        "callerId": "Ann Example",
        "callStatus": "in-progress",
    } | changes


def vonage_first(call: str, rate_hz: int = 8000) -> Json:
    return {"event": "websocket:connected", "content-type": f"audio/l16;rate={rate_hz}", "call-id": call}


async def stream(url: str, messages: Iterable[Sent], **options: Any) -> None:
    """Say everything and hang up, as these platforms do."""
    async with connect(url, compression=None, close_timeout=30, **options) as socket:
        await say(socket, *messages)


async def heard(broker: Broker, call: str, url: str, messages: Iterable[Sent]) -> tuple[list[Json], Json]:
    """Return the utterances and the summary of a stream."""
    async with listening(broker, call) as bus:
        await stream(url, messages)
        summary = await bus.ended()
    return [essence(event) for event in bus.events("utterance")], summary["data"]


class TestTheSameCall:
    """The same utterances and verdicts as natively, however the buffers were emptied."""

    async def test_from_jambonz(
        self, node: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
    ) -> None:
        utterances, summary = await heard(
            broker, call_id, at(node, "/jambonz"), [jambonz_first(call_id), *flushes(recording)]
        )
        assert utterances == reference.utterances
        assert summary["reason"] == "stop"
        assert [speaker["role"] for speaker in summary["speakers"]] == ["customer", "agent"]

    async def test_from_freeswitch_by_the_address_whatever_the_metadata(
        self, node: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
    ) -> None:
        for n, metadata in enumerate([[], ["any text"], ['{"queue":"sales"}']]):
            url = at(node, f"/freeswitch?call={call_id}-{n}&rate=8000&channels=2&roles=customer,agent")
            utterances, _ = await heard(broker, f"{call_id}-{n}", url, [*metadata, *flushes(excerpt)])
            assert utterances == reference.within(excerpt)

    async def test_from_freeswitch_by_metadata_that_comes_behind_the_first_audio(
        self, node: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
    ) -> None:
        first, *rest = cut(linear(excerpt), 321)
        metadata = {"call": call_id, "channels": 2, "roles": ["customer", "agent"]}
        utterances, _ = await heard(broker, call_id, at(node, "/freeswitch"), [first, metadata, *rest])
        assert utterances == reference.within(excerpt)

    async def test_from_vonage_where_only_the_customer_can_be_heard(
        self, start_node: StartNode, broker: Broker, recording: Samples, reference: Outcome, call_id: str
    ) -> None:
        node = await start_node(broker.url, config='[dialects.vonage]\nrole = "customer"\n')
        messages = [vonage_first(call_id), *cut(linear(recording[:, :1]), 320)]
        utterances, summary = await heard(broker, call_id, at(node, "/vonage"), messages)
        assert utterances == reference.utterances
        assert summary["reason"] == "stop"

    async def test_at_16_khz_as_natively_at_16_khz(
        self, node: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        wide = resampled(sentence, 16_000)
        native = await native_call(node.url, wide, sample_rate=16_000, call_id=f"{call_id}-native")
        first = jambonz_first(call_id, sampleRate=16_000)
        utterances, _ = await heard(broker, call_id, at(node, "/jambonz"), [first, *flushes(wide)])
        assert utterances == native.utterances != []

    async def test_with_the_parties_crossed(
        self, node: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str
    ) -> None:
        url = at(node, f"/freeswitch?call={call_id}&roles=agent,customer")
        utterances, _ = await heard(broker, call_id, url, flushes(sentence[:, ::-1]))
        assert utterances == [verdict]


async def test_an_empty_message_brings_the_last_results_while_the_socket_is_still_open(
    node: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    async with listening(broker, call_id) as bus, connect(at(node, "/jambonz")) as socket:
        await say(socket, jambonz_first(call_id), *flushes(sentence), b"", b"")
        await bus.ended()
        await socket.send("a last text")
        await socket.close()
    assert [essence(event) for event in bus.events("utterance")] == [verdict]
    assert socket.close_code == 1000


async def test_the_server_closes_where_the_module_does_not(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        outcome = await converse(at(node, "/jambonz"), [jambonz_first(call_id), linear(sentence), b""])
        await bus.ended()
    assert (outcome.said, outcome.code) == ([], 1000)


async def test_notice_comes_with_the_metadata_or_in_mid_call(
    start_node: StartNode, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    node = await start_node(broker.url, config="[emotion]\nrequire_notice = true\n")
    audio = linear(sentence)
    told = at(node, f"/freeswitch?call={call_id}-told&channels=2")
    calls: dict[str, tuple[str, list[Sent]]] = {
        f"{call_id}-untold": (at(node, "/jambonz"), [jambonz_first(f"{call_id}-untold"), audio]),
        f"{call_id}-first": (at(node, "/jambonz"), [jambonz_first(f"{call_id}-first", notice=True), audio]),
        f"{call_id}-told": (told, ["text", {"type": "notice"}, audio]),
        f"{call_id}-objects": (
            at(node, "/jambonz"),
            [jambonz_first(f"{call_id}-objects", notice=1, withdraw=1), audio],
        ),
    }
    utterances = {}
    for call, (url, messages) in calls.items():
        async with listening(broker, call) as bus:
            await stream(url, messages)
            await bus.cleared()
        utterances[call] = [essence(event) for event in bus.events("utterance")]
    assert utterances == {
        f"{call_id}-untold": [],
        f"{call_id}-first": [verdict],
        f"{call_id}-told": [verdict],
        f"{call_id}-objects": [],
    }


async def test_nothing_of_who_called_whom_and_no_digit_is_left_anywhere(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    digits = [
        {"event": "dtmf", "dtmf": "98431277", "duration": "1600"},
        {"event": "websocket:dtmf", "digit": "98431277", "duration": 260},
    ]
    calls = [
        (at(node, "/jambonz"), [jambonz_first(f"{call_id}-1"), linear(sentence), *digits]),
        (at(node, f"/freeswitch?call={call_id}-2&caller=15083084809"), [linear(sentence[:, :1]), *digits]),
        (at(node, "/vonage"), [vonage_first(f"{call_id}-3") | {"from": "15083084809"}, *digits]),
    ]
    async with listening(broker, "+") as bus:
        for url, messages in calls:
            await stream(url, messages)
        await bus.until(lambda: f"{call_id}-3" in [event["data"]["call"]["id"] for event in bus.events("ended")])
    left = node.text() + b"".join(bytes(message.payload) for message in bus.messages).decode()
    for word in ("98431277", "15083084809", "15083728299", "Ann Example"):
        assert word not in left


async def test_a_mix_is_not_analysed_and_the_log_says_so(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url)
    utterances, summary = await heard(
        broker, call_id, at(node, "/vonage"), [vonage_first(call_id), *cut(linear(sentence[:, :1]), 320)]
    )
    assert utterances == []
    assert summary["speakers"][0]["talk_ms"] > 0
    line = await node.logged("calls of this platform are not analysed")
    assert "emotion.lawful_basis" in line["remedy"]


async def test_a_mix_is_analysed_where_the_configuration_says_why_it_may_be(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    config = '[emotion]\nanalyse = ["customer", "unknown"]\nlawful_basis = "medical safety, file 7"\n'
    node = await start_node(broker.url, config=config)
    utterances, _ = await heard(
        broker, call_id, at(node, "/vonage"), [vonage_first(call_id), *cut(linear(sentence[:, :1]), 320)]
    )
    assert [said["role"] for said in utterances] == ["unknown"]


async def test_a_call_that_nobody_named_is_one_and_the_log_says_so(
    start_node: StartNode, broker: Broker, sentence: Samples
) -> None:
    node = await start_node(broker.url)
    async with listening(broker, "+") as bus:
        await stream(at(node, "/freeswitch?roles=customer,agent"), [linear(sentence)])
        summary = await bus.ended()
    line = await node.logged("call without an id")
    assert summary["data"]["call"]["id"] == line["call"]


@asynccontextmanager
async def opened(url: str, offered: list[str] | None = None, **headers: str) -> Any:
    subprotocols = [Subprotocol(name) for name in offered] if offered else None
    async with connect(url, subprotocols=subprotocols, additional_headers=headers) as socket:
        yield socket


@pytest.mark.parametrize("path", ["/jambonz", "/freeswitch"])
@pytest.mark.parametrize("offered", ["audio.jambonz.org", "audio.drachtio.org"])
async def test_the_modules_subprotocol_is_selected(node: Node, path: str, offered: str) -> None:
    async with opened(at(node, path), ["another", offered]) as socket:
        assert socket.subprotocol == offered


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def signed(secret: str) -> str:
    parts: list[Json] = [{"alg": "HS256", "typ": "JWT"}, {"iat": int(time.time()), "iss": "Vonage"}]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    signature = hmac.digest(secret.encode(), text.encode(), "sha256")
    return f"Bearer {text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_each_platforms_credentials_open_and_no_others(start_node: StartNode, broker: Broker) -> None:
    node = await start_node(broker.url, config=LOCKED)
    good = {
        "/jambonz": [basic("acme", SECRET)],
        "/freeswitch": [basic("acme", SECRET), f"Bearer {SECRET}"],
        "/vonage": [SECRET, f"Bearer {SECRET}", signed(SECRET)],
    }
    bad = {
        "/jambonz": [f"Bearer {SECRET}", basic("other", SECRET)],
        "/freeswitch": [basic("acme", "wrong"), SECRET],
        "/vonage": [basic("acme", SECRET), signed("wrong")],
    }
    for path, values in good.items():
        for value in values:
            async with opened(at(node, path), Authorization=value) as socket:
                assert socket.protocol.handshake_exc is None
    for path, values in bad.items():
        with pytest.raises(InvalidStatus, match="401"):
            async with opened(at(node, path)):
                pass
        for value in values:
            with pytest.raises(InvalidStatus, match="401"):
                async with opened(at(node, path), Authorization=value):
                    pass
    assert SECRET not in node.text()


AUDIO = linear(silence(100, channels=2))

REFUSED: dict[str, tuple[str, list[Sent]]] = {
    "audio before jambonz describes the call": ("/jambonz", [AUDIO]),
    "a first message that is no JSON": ("/jambonz", ["hello"]),
    "a call without an id": ("/jambonz", [{"sampleRate": 8000, "mixType": "mono"}]),
    "a rate that cannot be": ("/jambonz", [jambonz_first("CA-refused", sampleRate=64_000)]),
    "a rate in the address that cannot be": ("/freeswitch?call=CA-refused&rate=64000", [AUDIO]),
    "roles that are none": ("/freeswitch?call=CA-refused&roles=boss", [AUDIO]),
    "audio before Vonage connected": ("/vonage", [AUDIO]),
    "another encoding": ("/vonage", [vonage_first("CA-refused") | {"content-type": "audio/opus"}]),
    "connected twice": ("/vonage", [vonage_first("CA-refused"), vonage_first("CA-refused")]),
    "text that is no JSON": ("/vonage", [vonage_first("CA-refused"), "hello"]),
}


@pytest.mark.parametrize(("path", "messages"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_the_platforms_would_never_send_closes_the_stream_without_a_word(
    node: Node, path: str, messages: list[Sent]
) -> None:
    async with connect(at(node, path)) as socket:
        await say(socket, *messages)
        outcome = await hear(socket)
    assert (outcome.said, outcome.code) == ([], 1008)
    assert outcome.reason


async def test_a_socket_that_breaks_ends_the_call(node: Node, broker: Broker, sentence: Samples, call_id: str) -> None:
    async with listening(broker, call_id) as bus:
        socket = await connect(at(node, "/jambonz"))
        await say(socket, jambonz_first(call_id), *flushes(sentence))
        await bus.utterances(1)
        socket.transport.abort()
        await bus.ended()
        await socket.wait_closed()
