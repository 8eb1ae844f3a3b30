"""Calls of earlier versions: today's server answers yesterday's client, and today's client understands its server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import streamer_client.events
from streamer_client import CallRefused, StreamError, stream_call
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed

from streamer.bus.cloudevents import outgoing
from streamer.bus.topics import Topics
from tests.compatibility.recorded import VERSIONS, Conversation, Json, bus, conversations, events, schema
from tests.compatibility.test_schemas import validator
from tests.nodes import serve, url

EVERY = [one for version in VERSIONS for one in conversations(version)]
ACCEPTED = [one for one in EVERY if one.closed == 1000]
REFUSED = [one for one in EVERY if one.closed != 1000]


def of(conversation: Conversation) -> str:
    return f"{conversation.version}-{conversation.name}"


def lacks(then: Any, now: Any, path: str = "") -> list[str]:
    """Return what a message had and has not now, or has as something else; what is new does not count."""
    if isinstance(then, dict):
        if not isinstance(now, dict):
            return [f"{path} is no object"]
        gone = [f"{path}.{name} is gone" for name in then if name not in now]
        return gone + [
            one for name in then.keys() & now.keys() for one in lacks(then[name], now[name], f"{path}.{name}")
        ]
    numbers = (int, float)
    alike = isinstance(now, type(then)) or (
        isinstance(then, numbers) and isinstance(now, numbers) and bool not in {type(then), type(now)}
    )
    return [] if alike else [f"{path} was {then!r} and is {now!r}"]


def last(said: list[Json], kind: str) -> Json:
    """Return the last message of a kind, or the last event of a type."""
    return [one for one in said if kind in {one["type"], one.get("event", {}).get("type")}][-1]


def kinds(said: list[Json]) -> set[str]:
    return {one.get("event", one)["type"] for one in said}


async def answer(address: str, sent: list[Json | bytes]) -> tuple[list[Json], int | None]:
    """Say what was said then; return what is answered now, and the close code."""
    said: list[Json] = []
    async with connect(address, compression=None, max_size=None) as socket:

        async def speak() -> None:
            for message in sent:
                await socket.send(message if isinstance(message, bytes) else json.dumps(message))

        speaking = asyncio.create_task(speak())
        try:
            while True:
                said.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            code = socket.close_code
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
    return said, code


async def test_todays_server_answers_every_client_of_then_as_it_was_answered(tmp_path: Path) -> None:
    async with serve(tmp_path, emotion__partial_every_ms=1000) as server:
        for conversation in EVERY:
            said, code = await answer(url(server), conversation.sent)
            name = of(conversation)
            assert code == conversation.closed, (name, said)
            assert kinds(said) == kinds(conversation.said), name
            for kind in kinds(said):
                assert lacks(last(conversation.said, kind), last(said, kind)) == [], name
            for message in said:  # a reader of then holds it to the schemas of then
                validator(conversation.version, f"native/{message['type']}.json").validate(message)
            if code != 1000:
                assert said[-1]["code"] == conversation.said[-1]["code"], name


class Then:
    """A server that says what was said then: what it says before the call's end at once, the rest after `stop`."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.heard: list[Json | bytes] = []

    async def __call__(self, socket: ServerConnection) -> None:
        *first, end = self._conversation.said
        async for message in socket:
            self.heard.append(json.loads(message) if isinstance(message, str) else message)
            if len(self.heard) == 1:
                for one in first:
                    await socket.send(json.dumps(one))
            if end["type"] == "error" or message == '{"type":"stop"}':
                await socket.send(json.dumps(end))
                await socket.close(self._conversation.closed)
                return


async def call(conversation: Conversation) -> tuple[Then, list[Any], int]:
    server = Then(conversation)
    async with listen(server, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        to = f"ws://127.0.0.1:{port}"
        async with stream_call(to, call_id="x", roles=["customer", "agent"], rate_hz=8000, notice=True) as stream:
            await stream.send(bytes(320))
            for say in (stream.pause, stream.resume, stream.notice, stream.withdraw):
                await say()
            await stream.gap(20)
            ended = await stream.stop()
            return server, [event async for event in stream], ended.utterances


@pytest.mark.parametrize("conversation", ACCEPTED, ids=of)
async def test_todays_client_understands_a_call_with_the_server_of_then(conversation: Conversation) -> None:
    server, heard, utterances = await call(conversation)
    then = [message["event"] for message in conversation.said if message["type"] == "event"]
    assert [json.loads(streamer_client.events.encode(event)) for event in heard] == then
    assert utterances == conversation.said[-1]["utterances"]
    for message in (one for one in server.heard if isinstance(one, dict)):  # and the server of then understands it
        validator(conversation.version, f"native/{message['type']}.json").validate(message)
    sent = {one["type"] for one in server.heard if isinstance(one, dict)}
    assert sent == {"start", "pause", "resume", "notice", "withdraw", "gap", "stop"}


@pytest.mark.parametrize("conversation", REFUSED, ids=of)
async def test_todays_client_is_refused_in_words_by_the_server_of_then(conversation: Conversation) -> None:
    accepted_first = conversation.said[0]["type"] == "ready"
    with pytest.raises(StreamError if accepted_first else CallRefused) as refusal:
        await call(conversation)
    assert refusal.value.code == conversation.said[-1]["code"]
    assert conversation.said[-1]["message"] in str(refusal.value)


@pytest.mark.parametrize("version", VERSIONS)
def test_todays_client_reads_every_event_of_then_and_loses_nothing_of_it(version: str) -> None:
    for payload in events(version):
        event = streamer_client.events.decode(json.dumps(payload))
        assert not isinstance(event, streamer_client.events.UnknownEvent)
        assert json.loads(streamer_client.events.encode(event)) == payload


@pytest.mark.parametrize("version", VERSIONS)
def test_todays_server_publishes_where_and_how_the_server_of_then_did(version: str) -> None:
    for line in bus(version):
        if line["payload"] is None:
            assert (line["retain"], line["topic"].rpartition("/")[2]) == (True, "state")
            continue
        event = streamer_client.events.decode(json.dumps(line["payload"]))
        assert not isinstance(event, streamer_client.events.UnknownEvent)
        message = outgoing(event, Topics())
        assert (message.topic, message.qos, message.retain) == (line["topic"], line["qos"], line["retain"])


@pytest.mark.parametrize("version", VERSIONS)
def test_an_event_of_a_later_version_is_passed_over_by_its_type(version: str) -> None:
    later = events(version)[0] | {"type": "emotion-streamer.utterance.v2", "data": {"quite": "different"}}
    assert isinstance(streamer_client.events.decode(json.dumps(later)), streamer_client.events.UnknownEvent)
    assert not validator(None, "event.json").is_valid(later)
    assert schema(version, "native/start.json")["properties"]["version"]["const"] == 1


def test_the_comparison_sees_what_is_gone_and_what_is_of_another_type() -> None:
    then = {"a": 1, "b": {"c": "x"}, "d": True}
    assert lacks(then, {"a": 1.5, "b": {"c": "y", "new": 1}, "d": False, "e": None}) == []
    found = lacks(then, {"a": "1", "b": {}, "d": 1})
    assert sorted(found) == [".a was 1 and is '1'", ".b.c is gone", ".d was True and is 1"]
    assert lacks(then, {"a": 1, "b": 2}) == [".d is gone", ".b is no object"]
