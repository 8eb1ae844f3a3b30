"""The same call gives the same utterances and verdicts, however it comes in.

Through the command, the sockets and a real broker. No test here may say which emotion is right: that is the model's
own test.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, alaw, between, linear, mulaw, resampled, silence
from tests.end_to_end.speaking import (
    STOP,
    Outcome,
    Sent,
    at_speed_of_life,
    converse,
    cut,
    essence,
    native_call,
    start,
    twilio_call,
)


def ragged(data: bytes) -> Iterator[bytes]:
    """Return data in messages of 0 to 5000 bytes, odd ones among them."""
    sizes = random.Random(7)
    while data:
        size = sizes.choice((0, 1, 3, 7, 161, 999, 5000))
        yield data[:size]
        data = data[size:]


def test_the_shipped_call_has_utterances_of_the_customer(reference: Outcome) -> None:
    assert reference.code == 1000
    assert len(reference.utterances) >= 5
    assert {said["role"] for said in reference.utterances} == {"customer"}


async def test_native_and_twilio_give_the_same_utterances_and_verdicts(
    node: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        outcome = await converse(node.twilio_url, twilio_call(call_id, recording))
        await bus.ended()
    assert (outcome.said, outcome.code) == ([], 1000)
    assert [essence(event) for event in bus.events("utterance")] == reference.utterances


@pytest.mark.parametrize("ms", [10, 100, 250])
async def test_twilio_may_send_media_of_any_length(
    node: Node, broker: Broker, excerpt: Samples, reference: Outcome, ms: int
) -> None:
    call_id = f"CA-media-of-{ms}-ms"
    async with listening(broker, call_id) as bus:
        await converse(node.twilio_url, twilio_call(call_id, excerpt, ms=ms))
        await bus.ended()
    assert [essence(event) for event in bus.events("utterance")] == reference.within(excerpt)


@pytest.mark.parametrize("size", [159, 3200, 64_000, 2_000_000])
async def test_messages_of_any_size_give_the_same(
    node: Node, excerpt: Samples, reference: Outcome, call_id: str, size: int
) -> None:
    outcome = await native_call(node.url, excerpt, size=size, call_id=call_id)
    assert outcome.utterances == reference.within(excerpt)


async def test_messages_that_cut_samples_in_half_give_the_same(
    node: Node, excerpt: Samples, reference: Outcome, call_id: str
) -> None:
    outcome = await converse(node.url, [start(call_id=call_id), *ragged(linear(excerpt)), STOP])
    assert outcome.utterances == reference.within(excerpt)


async def test_mulaw_gives_the_same_as_linear(node: Node, recording: Samples, reference: Outcome, call_id: str) -> None:
    outcome = await native_call(node.url, recording, encoding="pcmu", size=800, call_id=call_id)
    assert outcome.utterances == reference.utterances


async def test_alaw_gives_nearly_the_same_utterances(
    node: Node, recording: Samples, reference: Outcome, call_id: str
) -> None:
    outcome = await converse(node.url, [start(call_id=call_id, encoding="pcma"), *cut(alaw(recording), 1600), STOP])
    assert_nearly_the_same(outcome, reference)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
async def test_wideband_gives_nearly_the_same_utterances(
    node: Node, recording: Samples, reference: Outcome, call_id: str, rate_hz: int
) -> None:
    outcome = await native_call(
        node.url, resampled(recording, rate_hz), sample_rate=rate_hz, size=rate_hz, call_id=call_id
    )
    assert_nearly_the_same(outcome, reference)


def assert_nearly_the_same(outcome: Outcome, reference: Outcome) -> None:
    """Most utterances begin and end within two frames of their like; a frame at the VAD's edge may fall either way."""
    ours, theirs = outcome.utterances, reference.utterances
    near = [
        said
        for said in ours
        if any(
            abs(said["start_ms"] - other["start_ms"]) <= 40 and abs(said["end_ms"] - other["end_ms"]) <= 40
            for other in theirs
        )
    ]
    assert outcome.code == 1000
    assert abs(len(ours) - len(theirs)) <= 1
    assert len(near) >= 0.75 * len(theirs), (ours, theirs)


async def test_at_the_speed_of_life_natively_and_as_twilio_it_is_the_same_as_fast(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    fast = await native_call(node.url, sentence, call_id=f"{call_id}-fast")
    native: list[Sent] = [start(call_id=f"{call_id}-slow"), *cut(linear(sentence), 640), STOP]
    twilio = twilio_call(call_id, sentence)
    async with listening(broker, call_id) as bus:
        slow, _ = await asyncio.gather(
            converse(node.url, at_speed_of_life(native, 0.020)),
            converse(node.twilio_url, at_speed_of_life(twilio, 0.010)),  # two tracks: two messages in 20 ms
        )
        await bus.ended()
    assert slow.utterances == fast.utterances != []
    assert [essence(event) for event in bus.events("utterance")] == fast.utterances


async def test_what_the_agent_says_yields_no_emotion_but_talk_time(
    node: Node, broker: Broker, recording: Samples, call_id: str
) -> None:
    only_the_agent = recording[:, 1:]
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, only_the_agent, channels=[{"role": "agent"}], call_id=call_id)
        summary = await bus.ended()
    (agent,) = summary["data"]["speakers"]
    assert outcome.events == bus.events("utterance", "partial") == []
    assert outcome.of("ready")[0]["analysed"] == []
    assert (agent["role"], agent["analysed"], agent["emotions"]) == ("agent", False, {})
    assert agent["talk_ms"] > 5000
    assert agent["talk_ms"] + agent["silence_ms"] == summary["data"]["duration_ms"]


async def test_an_unknown_party_yields_no_emotion(node: Node, sentence: Samples, call_id: str) -> None:
    outcome = await native_call(node.url, sentence[:, :1], channels=[{"role": "unknown"}], call_id=call_id)
    assert (outcome.events, outcome.code) == ([], 1000)


async def test_silence_yields_nothing(node: Node, call_id: str) -> None:
    outcome = await native_call(node.url, silence(5000, channels=2), call_id=call_id)
    assert outcome.of("ended") == [{"type": "ended", "utterances": 0}]


async def test_the_agent_is_analysed_only_with_a_lawful_basis_which_is_logged_and_published(
    start_node: StartNode, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    config = '[emotion]\nanalyse = ["customer", "agent"]\nlawful_basis = "medical safety, file 7"\n'
    node = await start_node(broker.url, config=config)
    await node.connected()
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, recording, call_id=call_id)
        await bus.ended()
    (state,) = bus.events("state")
    assert outcome.of("ready")[0]["analysed"] == ["customer", "agent"]
    assert {said["role"] for said in outcome.utterances} == {"customer", "agent"}
    assert [said for said in outcome.utterances if said["role"] == "customer"] == reference.utterances
    assert state["data"]["lawful_basis"] == "medical safety, file 7"
    assert (await node.logged("listening"))["lawful_basis"] == "medical safety, file 7"


async def test_other_calls_at_the_same_time_change_nothing(
    node: Node, recording: Samples, reference: Outcome, call_id: str
) -> None:
    noise = [
        native_call(node.url, between(recording, 9000 * n, 9000 * n + 20_000), call_id=f"{call_id}-{n}")
        for n in range(4)
    ]
    outcome, *_ = await asyncio.gather(native_call(node.url, recording, call_id=call_id), *noise)
    assert outcome.utterances == reference.utterances


async def test_left_and_right_change_places_with_their_roles(
    node: Node, recording: Samples, reference: Outcome, call_id: str
) -> None:
    crossed = await native_call(
        node.url, recording[:, ::-1].copy(), channels=[{"role": "agent"}, {"role": "customer"}], call_id=call_id
    )
    assert crossed.utterances == reference.utterances
    assert {event["data"]["speaker"]["channel"] for event in crossed.events} == {1}


async def test_mulaw_in_single_bytes_gives_the_same(node: Node, sentence: Samples, call_id: str) -> None:
    whole = await native_call(node.url, sentence, encoding="pcmu", call_id=f"{call_id}-whole")
    data = mulaw(sentence)
    bytewise = await converse(
        node.url, [start(call_id=call_id, encoding="pcmu"), *cut(data[:4001], 1), data[4001:], STOP]
    )
    assert bytewise.utterances == whole.utterances
