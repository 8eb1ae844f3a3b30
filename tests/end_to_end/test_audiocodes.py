"""AudioCodes' Bot API as the platform speaks it: it waits for answers, and resumes what was cut off."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear, mulaw
from tests.end_to_end.speaking import Json, Outcome, essence, hear, say, until

NO_GRACE = "[audio]\njoin_grace_s = 0\n"
"""A call is over with its last socket, so that tests need not wait for another one."""
BOTH = '[dialects.audiocodes]\nparticipants = { caller = "customer", callee = "agent" }\n'
OFFERED = ("raw/lpcm16", "raw/lpcm16_8", "raw/mulaw")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bot(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A node that knows a caller and a callee."""
    node = Node(tmp_path_factory.mktemp("bot"), broker.url, config=NO_GRACE + BOTH, name="bot")
    try:
        yield await node.listening()
    finally:
        node.close()


def url(node: Node) -> str:
    return f"ws://127.0.0.1:{node.port}/audiocodes"


class Platform:
    """One socket, as VoiceAI Connect opens it."""

    def __init__(self, socket: ClientConnection, call: str) -> None:
        self.socket = socket
        self._call = call

    @classmethod
    async def of(cls, node: Node, call: str, **options: object) -> Platform:
        return cls(await connect(url(node), compression=None, **options), call)  # type: ignore[arg-type]

    async def say(self, kind: str, **fields: object) -> None:
        await say(self.socket, {"conversationId": self._call, "type": kind, **fields})

    async def begin(self, *formats: str) -> str:
        """Offer a session; return the format that was chosen."""
        offer = {"botName": "listen", "caller": "+12025550123", "expectAudioMessages": True}
        await self.say("session.initiate", **offer, supportedMediaFormats=formats or OFFERED)
        return str((await until(self.socket, "session.accepted"))["mediaFormat"])

    async def stream(self, participant: str) -> None:
        await self.say("userStream.start", participant=participant)
        assert (await until(self.socket, "userStream.started"))["participant"] == participant

    async def audio(self, data: bytes, participant: str, size: int = 160) -> None:
        for begin in range(0, len(data), size):
            chunk = base64.b64encode(data[begin : begin + size]).decode()
            await self.say("userStream.chunk", participant=participant, audioChunk=chunk)

    async def end(self, *participants: str) -> Outcome:
        for participant in participants:
            await self.say("userStream.stop", participant=participant)
            await until(self.socket, "userStream.stopped")
        await self.say("session.end", reasonCode="client-disconnected", reason="Client Side")
        return await hear(self.socket)


async def test_two_participants_give_the_same_utterances_and_verdicts_as_natively(
    bot: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        platform = await Platform.of(bot, call_id)
        assert await platform.begin() == "raw/mulaw"
        for participant in ("caller", "callee"):
            await platform.stream(participant)
        for begin in range(0, len(recording), 1600):
            for channel, participant in enumerate(("caller", "callee")):
                await platform.audio(mulaw(recording[begin : begin + 1600, channel]), participant, size=700)
        outcome = await platform.end("caller", "callee")
        await bus.ended()
    assert (outcome.said, outcome.code) == ([], 1000)
    assert [essence(event) for event in bus.events("utterance")] == reference.utterances
    assert {event["data"]["call"]["dialect"] for event in bus.events("utterance")} == {"audiocodes"}


async def test_a_plain_bots_call_has_one_user_who_is_the_customer(
    start_node: StartNode, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    node = await start_node(broker.url, config=NO_GRACE)
    async with listening(broker, call_id) as bus:
        platform = await Platform.of(node, call_id)
        assert await platform.begin("wav/mulaw", "raw/lpcm16_8") == "raw/lpcm16_8"
        await platform.say("userStream.start")
        assert "participant" not in await until(platform.socket, "userStream.started")
        await platform.audio(linear(sentence[:, :1]), "caller", size=333)
        await platform.end()
        summary = await bus.ended()
    assert [essence(event) for event in bus.events("utterance")] == [verdict]
    assert [speaker["role"] for speaker in summary["data"]["speakers"]] == ["customer"]


async def test_an_agent_who_joins_late_stands_late(bot: Node, broker: Broker, sentence: Samples, call_id: str) -> None:
    customer, agent = (mulaw(sentence[:, channel]) for channel in (0, 1))
    async with listening(broker, call_id) as bus:
        platform = await Platform.of(bot, call_id)
        await platform.begin()
        await platform.stream("caller")
        await platform.audio(customer, "caller")
        await platform.stream("callee")
        await platform.audio(agent, "callee")
        await platform.end("caller", "callee")
        summary = await bus.ended()
    assert summary["data"]["duration_ms"] == pytest.approx(2 * len(sentence) / 8, abs=20)
    assert [speaker["lost_ms"] for speaker in summary["data"]["speakers"]] == [0, 0]


async def test_a_conversation_that_lost_its_socket_goes_on_over_the_next(
    node: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    data = mulaw(sentence[:, 0])
    async with listening(broker, call_id) as bus:
        lost = await Platform.of(node, call_id)
        await lost.begin()
        await lost.stream("caller")
        await lost.audio(data, "caller")
        (first,) = await bus.utterances(1)
        lost.socket.transport.abort()
        await lost.socket.wait_closed()
        platform = await Platform.of(node, call_id)
        await platform.say("session.resume")
        assert (await until(platform.socket, "session.accepted"))["mediaFormat"] == "raw/mulaw"
        await platform.stream("caller")
        await platform.audio(data, "caller")
        await platform.end("caller")
        summary = await bus.ended()
    assert essence(first) == verdict
    assert [event["data"]["utterance"]["n"] for event in bus.events("utterance")] == [1, 2]
    assert summary["data"]["utterances"] == 2
    assert len(bus.events("ended")) == 1


async def test_a_conversation_that_is_not_known_is_declined_in_words(bot: Node) -> None:
    platform = await Platform.of(bot, "of-another-server")
    await platform.say("session.resume")
    outcome = await hear(platform.socket)
    assert [message["type"] for message in outcome.said] == ["session.error"]
    assert outcome.code == 1008


async def test_a_probe_of_the_connection_is_answered_and_is_no_call(bot: Node) -> None:
    platform = await Platform.of(bot, "probe")
    await platform.say("connection.validate")
    assert (await until(platform.socket, "connection.validated"))["success"] is True
    await platform.socket.close()
    assert "probe" not in bot.text()


async def test_a_pressed_digit_and_the_callers_number_are_nowhere(
    bot: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(broker, call_id) as bus:
        platform = await Platform.of(bot, call_id)
        await platform.begin()
        await platform.stream("caller")
        await platform.audio(mulaw(sentence[:, 0]), "caller")
        await platform.say("activities", activities=[{"type": "event", "name": "dtmf", "value": "#"}])
        await platform.end("caller")
        await bus.ended()
    left = bot.text() + b"".join(bytes(message.payload) for message in bus.messages).decode()
    assert "#" not in left
    assert "dtmf" not in left
    assert "2025550123" not in left


async def test_a_parameter_says_that_the_person_was_told(
    start_node: StartNode, broker: Broker, sentence: Samples, verdict: Json, call_id: str
) -> None:
    node = await start_node(broker.url, config=f"[emotion]\nrequire_notice = true\n{NO_GRACE}")
    async with listening(broker, "+") as bus:
        for call, parameters in ((f"{call_id}-untold", {}), (call_id, {"notice": "true"})):
            platform = await Platform.of(node, call)
            await platform.begin()
            await platform.say("activities", activities=[{"type": "event", "name": "start", "parameters": parameters}])
            await platform.stream("caller")
            await platform.audio(mulaw(sentence[:, 0]), "caller")
            await platform.end("caller")
        await bus.until(lambda: call_id in [event["data"]["call"]["id"] for event in bus.events("ended")])
    assert [essence(event) for event in bus.events("utterance")] == [verdict]


async def test_the_bots_token_is_a_key(start_node: StartNode, broker: Broker) -> None:
    key = '[[keys]]\nid = "vaic"\nsecret = "bot-token"\ntenant = "acme"\ndialects = ["audiocodes"]\n'
    node = await start_node(broker.url, config=f"[server]\nrequire_key = true\n{key}")
    platform = await Platform.of(node, "C1", additional_headers={"Authorization": "Bearer bot-token"})
    assert await platform.begin() == "raw/mulaw"
    await platform.socket.close()
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused:
            await Platform.of(node, "C1", additional_headers=headers)
        assert refused.value.response.status_code == 401


REFUSED: dict[str, list[Json | str | bytes]] = {
    "audio before the session": [{"type": "userStream.chunk", "audioChunk": ""}],
    "no format that is taken": [
        {"type": "session.initiate", "conversationId": "C1", "supportedMediaFormats": ["wav/mulaw"]}
    ],
    "a participant who is not configured": [
        {"type": "session.initiate", "conversationId": "C1", "supportedMediaFormats": ["raw/mulaw"]},
        {"type": "userStream.start", "participant": "supervisor"},
    ],
    "binary": [bytes(160)],
    "no JSON": ["hello"],
    "a native start": [json.dumps({"type": "start", "version": 1}), "[]"],
}


@pytest.mark.parametrize("messages", REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_served_is_refused_in_the_platforms_own_words(
    bot: Node, messages: list[Json | str | bytes]
) -> None:
    socket = await connect(url(bot), compression=None)
    await say(socket, *messages)
    outcome = await hear(socket)
    assert outcome.said[-1]["type"] == "session.error"
    assert outcome.said[-1]["reason"]
    assert outcome.code == 1008
