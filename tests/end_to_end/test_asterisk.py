"""Asterisk's chan_websocket as a real one speaks: a socket for each party, tails of any size, an end without a word."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, alaw, linear, mulaw, resampled
from tests.end_to_end.speaking import Json, Outcome, Sent, cut, essence, hear, say

LEGS = {"in": 0, "out": 1}
"""Leg of the customer's channel to channel of the recording."""

NO_GRACE = "[audio]\njoin_grace_s = 0\n"
"""A call is over with its last socket, so that tests need not wait for another one."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pbx(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A node that takes calls of an Asterisk and waits for none to come back."""
    node = Node(tmp_path_factory.mktemp("pbx"), broker.url, config=NO_GRACE, name="pbx")
    try:
        yield await node.listening()
    finally:
        node.close()


def url(node: Node, query: str = "") -> str:
    return f"ws://127.0.0.1:{node.port}/asterisk{query}"


def media_start(variables: dict[str, str] | None = None, form: str = "ulaw") -> Json:
    return {
        "event": "MEDIA_START",
        "connection_id": "emotion",
        "channel": "WebSocket/emotion/0x7f92",
        "channel_id": "pbx-1795328709.0",
        "format": form,
        "optimal_frame_size": 160,
        "ptime": 20,
        "channel_variables": {"MEDIA_WEBSOCKET_CONNECTION_ID": "emotion", **(variables or {})},
    }


def plain_start(channel_id: str) -> str:
    return (
        f"MEDIA_START connection_id:emotion channel:WebSocket/emotion/0x7f92 channel_id:{channel_id} format:ulaw "
        "optimal_frame_size:160 ptime:20"
    )


def tailed(data: bytes) -> Iterator[bytes]:
    """Return data in frames of 20 ms, of which some end a prompt and are short."""
    sizes = random.Random(5)
    while data:
        size = sizes.choice((160,) * 9 + (18, 22, 72, 88, 1))
        yield data[:size]
        data = data[size:]


async def opened(node: Node, query: str = "", **options: Any) -> ClientConnection:
    return await connect(url(node, query), subprotocols=["media"], compression=None, **options)  # type: ignore[list-item]


async def stream(node: Node, *messages: Sent, query: str = "") -> Outcome:
    """Send everything on one socket and close it, as Asterisk does when it hangs up."""
    socket = await opened(node, query)
    await say(socket, *messages)
    await socket.close()
    return await hear(socket)


async def heard(node: Node, broker: Broker, call: str, *messages: Sent, query: str = "") -> list[Json]:
    """Return the utterances of a call of one socket."""
    async with listening(broker, call) as bus:
        await stream(node, *messages, query=query)
        await bus.ended()
    return [essence(event) for event in bus.events("utterance")]


async def test_two_snooped_legs_give_the_same_utterances_and_verdicts_as_natively(
    pbx: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        sockets = [await opened(pbx) for _ in LEGS]
        for socket, (leg, channel) in zip(sockets, LEGS.items(), strict=True):
            await say(socket, media_start({"call": call_id, "leg": leg}), mulaw(recording[:160, channel]))
        await asyncio.gather(
            *(
                say(socket, *tailed(mulaw(recording[160:, channel])))
                for socket, channel in zip(sockets, LEGS.values(), strict=True)
            )
        )
        await asyncio.gather(*(socket.close() for socket in sockets))
        await bus.utterances(len(reference.utterances))
        await bus.ended()
    assert [essence(event) for event in bus.events("utterance")] == reference.utterances
    assert {event["data"]["call"]["dialect"] for event in bus.events("utterance")} == {"asterisk"}
    assert all(socket.subprotocol == "media" for socket in sockets)


@pytest.mark.parametrize("form", ["alaw", "slin", "slin16", "slin48"])
async def test_every_kind_of_format_is_heard(
    pbx: Node, broker: Broker, sentence: Samples, call_id: str, form: str
) -> None:
    encode = alaw if form == "alaw" else linear
    rate_hz = {"slin16": 16_000, "slin48": 48_000}.get(form, 8000)
    samples = sentence[:, :1] if rate_hz == 8000 else resampled(sentence[:, :1], rate_hz)
    start = media_start({"call": call_id, "leg": "in"}, form)
    utterances = await heard(pbx, broker, call_id, start, *cut(encode(samples), 641))
    assert [said["role"] for said in utterances] == ["customer"]


async def test_audio_that_comes_before_its_start_is_not_lost(
    pbx: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    first, *rest = cut(mulaw(sentence[:, 0]), 8000)
    start = media_start({"call": call_id, "leg": "in"})
    assert await heard(pbx, broker, call_id, first, start, *rest) == [verdict]


async def test_the_uris_parameters_name_call_and_leg_where_the_configuration_says_so(
    start_node: StartNode, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    trusting = await start_node(broker.url, config=f'{NO_GRACE}[dialects.asterisk]\nidentity = "uri"\n')
    frames = list(cut(mulaw(sentence[:, 0]), 160))
    query = f"?call={call_id}&leg=in"
    assert await heard(trusting, broker, call_id, plain_start("pbx-1"), *frames, query=query) == [verdict]


async def test_elsewhere_they_may_be_the_previous_calls_and_name_nothing(
    pbx: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    frames = cut(mulaw(sentence[:, 0]), 160)
    assert await heard(pbx, broker, call_id, plain_start(call_id), *frames, query="?call=CA-before&leg=in") == []


async def test_a_pressed_digit_is_nowhere(pbx: Node, broker: Broker, sentence: Samples, call_id: str) -> None:
    frames = list(cut(mulaw(sentence[:, 0]), 160))
    digits = ["DTMF_END digit:# channel_id:pbx-1", {"event": "DTMF_END", "channel_id": "pbx-1", "digit": "#"}]
    async with listening(broker, call_id) as bus:
        await stream(pbx, media_start({"call": call_id, "leg": "in"}), *frames, *digits)
        await bus.ended()
    left = pbx.text() + b"".join(bytes(message.payload) for message in bus.messages).decode()
    assert "#" not in left
    assert "DTMF" not in left


async def test_user_and_password_are_a_keys_id_and_secret(start_node: StartNode, broker: Broker) -> None:
    key = '[[keys]]\nid = "pbx"\nsecret = "pbx-secret"\ntenant = "acme"\ndialects = ["asterisk"]\n'
    node = await start_node(broker.url, config=f"[server]\nrequire_key = true\n{key}")
    right, wrong = (base64.b64encode(said).decode() for said in (b"pbx:pbx-secret", b"pbx:wrong"))
    socket = await opened(node, additional_headers={"Authorization": f"Basic {right}"})
    await socket.close()
    for headers in ({}, {"Authorization": f"Basic {wrong}"}):
        with pytest.raises(InvalidStatus) as refused:
            await opened(node, additional_headers=headers)
        assert refused.value.response.status_code == 401


REFUSED: dict[str, list[Sent]] = {
    "a format that is not taken": [media_start(form="opus")],
    "a start that names nothing": ["MEDIA_START format:ulaw"],
    "two starts": [media_start(), plain_start("pbx-1")],
    "audio without end and no start": [bytes(60_000)] * 4,
    "broken JSON": ["{"],
    "a native start": [json.dumps({"type": "start", "version": 1})],
}


@pytest.mark.parametrize("messages", REFUSED.values(), ids=REFUSED.keys())
async def test_what_asterisk_would_never_send_closes_the_socket_without_a_word(pbx: Node, messages: list[Sent]) -> None:
    socket = await opened(pbx)
    await say(socket, *messages)
    outcome = await hear(socket)
    assert (outcome.said, outcome.code) == ([], 1008)
