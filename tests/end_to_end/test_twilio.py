"""Twilio Media Streams as the platform sends them, and as bad networks and strangers do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, silence
from tests.end_to_end.speaking import (
    Json,
    Outcome,
    converse,
    essence,
    say,
    twilio_call,
    twilio_media,
    twilio_start,
    twilio_stop,
)

TOKEN = "12345-of-the-account"
SIGNED = f"""
[server]
public_url = "wss://calls.example.com"
[[keys]]
id = "twilio"
secret = "{TOKEN}"
tenant = "acme"
dialects = ["twilio"]
"""


def signature(url: str, token: str = TOKEN) -> dict[str, str]:
    """Return the header that Twilio signs an upgrade with, in lower case as it comes."""
    digest = hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()
    return {"x-twilio-signature": base64.b64encode(digest).decode()}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def signed(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A node that knows the account's auth token and the URL of the TwiML."""
    node = Node(tmp_path_factory.mktemp("signed"), broker.url, config=SIGNED, name="signed")
    try:
        yield await node.listening()
    finally:
        node.close()


class TestSignature:
    """Who may come in is decided before the upgrade."""

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-twilio-signature": ""},
            {"x-twilio-signature": "bm8="},
            signature("wss://calls.example.com/twilio", token="of another account"),
            signature("wss://elsewhere.example.com/twilio"),
            signature("https://calls.example.com/twilio"),
        ],
        ids=["missing", "empty", "wrong", "another account's", "of another host", "of another scheme"],
    )
    async def test_a_request_that_twilio_did_not_sign_is_refused_with_403(
        self, signed: Node, headers: dict[str, str]
    ) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(signed.twilio_url, additional_headers=headers)
        assert refused.value.response.status_code == 403
        assert "ignature" in refused.value.response.body.decode()

    @pytest.mark.parametrize(
        "url", ["wss://calls.example.com/twilio", "wss://calls.example.com:443/twilio"], ids=["bare", "with port"]
    )
    async def test_a_signed_request_is_taken_for_its_tenant(
        self, signed: Node, broker: Broker, sentence: Samples, call_id: str, url: str
    ) -> None:
        async with listening(broker, call_id, tenant="acme") as bus:
            outcome = await converse(signed.twilio_url, twilio_call(call_id, sentence), headers=signature(url))
            await bus.ended()
        assert outcome.code == 1000
        assert {event["data"]["call"]["tenant"] for event in bus.events("utterance")} == {"acme"}

    async def test_forwarded_headers_are_not_believed(self, signed: Node) -> None:
        forged = signature("wss://evil.example.com/twilio") | {
            "x-forwarded-host": "evil.example.com",
            "x-forwarded-proto": "wss",
        }
        with pytest.raises(InvalidStatus):
            await connect(signed.twilio_url, additional_headers=forged)

    async def test_the_secret_and_the_signature_are_never_logged(self, signed: Node) -> None:
        header = signature("wss://elsewhere.example.com/twilio")
        with pytest.raises(InvalidStatus):
            await connect(signed.twilio_url, additional_headers=header)
        await signed.logged("connection refused")
        assert TOKEN not in signed.text()
        assert header["x-twilio-signature"] not in signed.text()


class TestToken:
    """Defence in depth: a token in `customParameters`."""

    async def test_a_stream_without_the_right_token_is_closed_and_leaves_no_trace(
        self, start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        node = await start_node(broker.url, config='[dialects.twilio]\ntoken = "c0ffee"\n')
        async with listening(broker, call_id) as bus:
            wrong = await converse(node.twilio_url, twilio_call(call_id, sentence, parameters={"token": "tea"}))
            missing = await converse(node.twilio_url, twilio_call(call_id, sentence))
            right = await converse(node.twilio_url, twilio_call(call_id, sentence, parameters={"token": "c0ffee"}))
            await bus.ended()
        assert (wrong.code, missing.code, right.code) == (1008, 1008, 1000)
        assert len(bus.events("ended")) == 1
        assert "c0ffee" not in node.text()
        assert b"c0ffee" not in b"".join(bytes(message.payload) for message in bus.messages)


async def test_numbers_may_come_as_numbers_or_as_text(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    messages = twilio_call(call_id, sentence)
    for message in messages:
        if "sequenceNumber" in message:
            message["sequenceNumber"] = int(message["sequenceNumber"])
        if message["event"] == "media":
            message["media"]["timestamp"] = int(message["media"]["timestamp"])
            message["media"]["chunk"] = int(message["media"]["chunk"])
        if message["event"] == "start":
            message["start"]["mediaFormat"] |= {"sampleRate": "8000", "channels": "1"}
    as_numbers = await heard(node, broker, f"{call_id}", messages)
    as_text = await heard(node, broker, f"{call_id}-text", twilio_call(f"{call_id}-text", sentence))
    assert as_numbers == as_text != []


async def heard(node: Node, broker: Broker, call: str, messages: list[Any]) -> list[Json]:
    """Return the utterances of a stream."""
    async with listening(broker, call) as bus:
        await converse(node.twilio_url, messages)
        await bus.ended()
    return [essence(event) for event in bus.events("utterance")]


async def test_one_track_alone_is_a_call(
    node: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    media = twilio_media(recording[:, :1], ["inbound"])
    messages = [*twilio_start(call_id, ["inbound"]), *media, twilio_stop(call_id, len(media) + 2)]
    assert await heard(node, broker, call_id, messages) == reference.utterances


async def test_which_track_is_the_customer_is_configuration(
    start_node: StartNode, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    roles = '[dialects.twilio]\nroles = { inbound = "agent", outbound = "customer" }\n'
    node = await start_node(broker.url, config=roles)
    crossed = await heard(node, broker, call_id, twilio_call(call_id, recording[:, ::-1]))
    assert crossed == reference.utterances


class TestBadNetworks:
    """Messages that come late, twice, in another order or never."""

    async def test_media_that_changed_places_are_put_in_order(
        self, node: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
    ) -> None:
        first, *media, last = twilio_call(call_id, excerpt)[1:]
        rng = random.Random(3)
        # Each may fall up to 60 ms behind its place.
        shuffled = [media[0], *sorted(media[1:], key=lambda one: int(one["sequenceNumber"]) + rng.uniform(0, 6))]
        async with listening(broker, call_id) as bus:
            await converse(node.twilio_url, [first, *shuffled, last])
            summary = await bus.ended()
        utterances = [essence(event) for event in bus.events("utterance")]
        assert shuffled != media
        assert utterances == reference.within(excerpt)
        assert [speaker["lost_ms"] for speaker in summary["data"]["speakers"]] == [0, 0]

    async def test_media_that_come_twice_count_once(
        self, node: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
    ) -> None:
        first, *media, last = twilio_call(call_id, excerpt)[1:]
        async with listening(broker, call_id) as bus:
            await converse(node.twilio_url, [first, *(one for message in media for one in (message, message)), last])
            summary = await bus.ended()
        utterances = [essence(event) for event in bus.events("utterance")]
        assert utterances == reference.within(excerpt)
        assert summary["data"]["duration_ms"] == len(excerpt) / 8

    async def test_media_that_never_came_are_counted_and_move_nothing(
        self, node: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
    ) -> None:
        said = reference.utterances[0]
        middle = (said["start_ms"] + said["end_ms"]) // 2 // 20 * 20
        messages = [
            message
            for message in twilio_call(call_id, excerpt)
            if message["event"] != "media"
            or message["media"]["track"] == "outbound"
            or not middle <= int(message["media"]["timestamp"]) < middle + 60
        ]
        async with listening(broker, call_id) as bus:
            await converse(node.twilio_url, messages)
            summary = await bus.ended()
        damaged = bus.events("utterance")[0]["data"]
        assert damaged["quality"]["lost_ms"] == 60
        assert damaged["utterance"]["start_ms"] == said["start_ms"]
        assert damaged["utterance"]["end_ms"] == pytest.approx(said["end_ms"], abs=40)
        assert [speaker["lost_ms"] for speaker in summary["data"]["speakers"]] == [60, 0]
        ended = await node.logged("call ended", lambda line: line["call"] == call_id)
        assert ended["missing_messages"] == 3

    async def test_a_stream_that_begins_late_in_the_call_stands_where_it_says(
        self, node: Node, broker: Broker, excerpt: Samples, reference: Outcome, call_id: str
    ) -> None:
        messages = twilio_call(call_id, excerpt)
        for message in messages:
            if message["event"] == "media":
                message["media"]["timestamp"] = str(int(message["media"]["timestamp"]) + 5000)
        utterances = await heard(node, broker, call_id, messages)
        first = reference.utterances[0]
        assert utterances[0]["start_ms"] == first["start_ms"] + 5000
        assert utterances[0]["end_ms"] == first["end_ms"] + 5000

    async def test_a_socket_that_breaks_ends_the_call(
        self, node: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus:
            socket = await connect(node.twilio_url)
            await say(socket, *twilio_call(call_id, sentence)[:-1])
            await bus.utterances(1)
            socket.transport.abort()
            summary = await bus.ended()
            await socket.wait_closed()
        assert summary["data"]["reason"] == "disconnected"


async def test_a_pressed_digit_is_nowhere(node: Node, broker: Broker, sentence: Samples, call_id: str) -> None:
    *messages, last = twilio_call(call_id, sentence)
    for digit in ("98431277", "#"):
        messages.append(
            {
                "event": "dtmf",
                "sequenceNumber": str(len(messages) + 1),
                "streamSid": "MZ1",
                "dtmf": {"track": "inbound_track", "digit": digit},
            }
        )
    async with listening(broker, call_id) as bus:
        outcome = await converse(node.twilio_url, [*messages, last])
        await bus.ended()
    left = node.text() + b"".join(bytes(message.payload) for message in bus.messages).decode()
    assert outcome.code == 1000
    assert "98431277" not in left
    assert "dtmf" not in left
    assert "#" not in left


async def test_events_that_this_version_does_not_know_are_passed_over(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    *messages, last = twilio_call(call_id, sentence)
    news = {"event": "hologram", "streamSid": "MZ1", "hologram": {"depth": "3"}}
    mark = {"event": "mark", "sequenceNumber": "4", "streamSid": "MZ1", "mark": {"name": "m1"}}
    assert await heard(node, broker, call_id, [*messages, news, mark, last])


async def test_a_parameter_says_that_the_person_was_told_and_another_that_he_objects(
    start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
) -> None:
    node = await start_node(broker.url, config="[emotion]\nrequire_notice = true\n")
    told = twilio_call(f"{call_id}-told", sentence, parameters={"notice": "true"})
    objects = twilio_call(f"{call_id}-objects", sentence, parameters={"notice": "true", "withdraw": "true"})
    async with listening(broker, "+") as bus:
        for messages in (objects, twilio_call(f"{call_id}-untold", sentence), told):
            assert (await converse(node.twilio_url, messages)).code == 1000
        await bus.until(lambda: f"{call_id}-told" in [event["data"]["call"]["id"] for event in bus.events("ended")])
    assert {event["data"]["call"]["id"] for event in bus.events("utterance")} == {f"{call_id}-told"}


CALL = "CA-refused"
STARTED = twilio_start(CALL)
MEDIA = twilio_media(silence(100, channels=2))

REFUSED: dict[str, list[Any]] = {
    "media before start": MEDIA[:1],
    "stop before start": [twilio_stop(CALL, 1)],
    "start twice": [*STARTED, STARTED[1]],
    "media of another stream": [*STARTED, MEDIA[0] | {"streamSid": "MZ9"}],
    "media on a track not announced": [*twilio_start(CALL, ["inbound"]), MEDIA[1]],
    "payload that is no base64": [*STARTED, MEDIA[0] | {"media": MEDIA[0]["media"] | {"payload": "%%%"}}],
    "a time in words": [*STARTED, MEDIA[0] | {"media": MEDIA[0]["media"] | {"timestamp": "soon"}}],
    "audio at 16 kHz": [
        {
            **STARTED[1],
            "start": STARTED[1]["start"]
            | {"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}},
        }
    ],
    "another encoding": [
        {
            **STARTED[1],
            "start": STARTED[1]["start"]
            | {"mediaFormat": {"encoding": "audio/opus", "sampleRate": 8000, "channels": 1}},
        }
    ],
    "no tracks": twilio_start(CALL, []),
    "binary": [*STARTED, bytes(160)],
    "no JSON": ["hello"],
    "no event": ["{}"],
    "a native start": ['{"type":"start","version":1}'],
}


@pytest.mark.parametrize("messages", REFUSED.values(), ids=REFUSED.keys())
async def test_what_twilio_would_never_send_closes_the_stream_without_a_word(node: Node, messages: list[Any]) -> None:
    outcome = await converse(node.twilio_url, messages)
    assert (outcome.said, outcome.code) == ([], 1008)
    assert outcome.reason


async def test_a_message_far_larger_than_twilio_sends_is_too_big(node: Node) -> None:
    outcome = await converse(node.twilio_url, [*STARTED, '{"event":"media","x":"' + "x" * 1_000_000 + '"}'])
    assert outcome.code == 1009
