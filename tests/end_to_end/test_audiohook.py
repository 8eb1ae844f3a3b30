"""Genesys AudioHook as the platform speaks it: sessions opened, paused, probed, refused, and closed by the platform."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.conftest import Broker
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples, linear, mulaw
from tests.end_to_end.speaking import Json, Outcome, essence

ORGANIZATION = "d7934305-0972-4844-938e-9060eef73d05"
SESSION = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
CORRELATION = "e160e428-53e2-487c-977d-96989bf5c99d"
NOBODY = "00000000-0000-0000-0000-000000000000"
API_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
SIGNED = f"""
[server]
public_url = "wss://calls.example.com"
[[keys]]
id = "{API_KEY}"
secret = "{SECRET}"
tenant = "acme"
dialects = ["audiohook"]
"""
NAMED = {
    "Audiohook-Organization-Id": ORGANIZATION,
    "Audiohook-Session-Id": SESSION,
    "Audiohook-Correlation-Id": CORRELATION,
}
PARTICIPANT = {"id": CORRELATION, "ani": "+15555551234", "aniName": "Ann Example", "dnis": "+18005556789"}


def offer(*channels: str, media_format: str = "PCMU") -> Json:
    return {"type": "audio", "format": media_format, "channels": channels, "rate": 8000}


STEREO = [offer("external", "internal"), offer("external"), offer("internal")]


def signature(*, age_s: int = 0, secret: str = SECRET, authority: str = "calls.example.com") -> dict[str, str]:
    """Return the headers of a request that Genesys signed so long ago."""
    names = {**NAMED, "X-API-KEY": API_KEY}
    covered = {"@request-target": "/audiohook", "@authority": authority}
    covered |= {name.lower(): value for name, value in names.items()}
    created, nonce = int(time.time()) - age_s, secrets.token_urlsafe(18)
    listed = " ".join(f'"{name}"' for name in covered)
    parameters = (
        f'({listed});keyid="{API_KEY}";nonce="{nonce}";alg="hmac-sha256";created={created};expires={created + 30}'
    )
    lines = [f'"{name}": {value}' for name, value in covered.items()] + [f'"@signature-params": {parameters}']
    made = base64.b64encode(hmac.digest(base64.b64decode(secret), "\n".join(lines).encode(), "sha256")).decode()
    return {**names, "Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{made}:"}


class Session:
    """The platform's side of one socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.said: list[Json] = []
        self.seq = 0
        self.sent = 0
        """Samples, per channel."""

    async def say(self, kind: str, parameters: Mapping[str, Any] | None = None, **changes: Any) -> None:
        self.seq += 1
        message = {
            "version": "2",
            "id": SESSION,
            "type": kind,
            "seq": self.seq,
            "serverseq": self.said[-1]["seq"] if self.said else 0,
            "position": f"PT{self.sent / 8000:g}S",
            "parameters": parameters or {},
        }
        await self.socket.send(json.dumps({**message, **changes}))

    async def hear(self, kind: str) -> Json:
        """Return the next message of a type; those before it are kept as well."""
        while True:
            message: Json = json.loads(await self.socket.recv())
            self.said.append(message)
            if message["type"] == kind:
                return message

    async def open(self, call: str, media: Iterable[Json] = STEREO, **changes: Any) -> Json:
        given = {"organizationId": ORGANIZATION, "conversationId": call, "participant": PARTICIPANT, "media": [*media]}
        await self.say("open", {**given, **changes})
        return await self.hear("opened")

    async def play(self, samples: Samples, *, size: int = 3200, encode: Any = mulaw) -> None:
        data = encode(samples)
        for begin in range(0, len(data), size):
            await self.socket.send(data[begin : begin + size])
        self.sent += len(samples)

    async def close(self, reason: str = "end") -> None:
        """Run the platform's close transaction, then close the socket as it does."""
        await self.say("close", {"reason": reason})
        await self.hear("closed")
        await self.socket.close()

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.said]


def url(node: Node) -> str:
    return f"ws://127.0.0.1:{node.port}/audiohook"


@asynccontextmanager
async def session(node: Node, headers: Mapping[str, str] = NAMED) -> AsyncIterator[Session]:
    async with connect(url(node), additional_headers=headers, compression=None, ping_interval=None) as socket:
        yield Session(socket)


class TestTheSameCall:
    """What Genesys sends gives what our own protocol gives."""

    @pytest.mark.parametrize("size", [7, 333, 3200, 100_000])
    async def test_in_pieces_of_any_size(  # noqa: PLR0917 - fixtures
        self, node: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str, size: int
    ) -> None:
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id)
            await genesys.play(sentence, size=size)
            await genesys.close()
            summary = await bus.ended()
        assert [essence(event) for event in bus.events("utterance")] == [verdict]
        assert summary["data"]["reason"] == "stop"
        assert [speaker["lost_ms"] for speaker in summary["data"]["speakers"]] == [0, 0]
        assert genesys.kinds == ["opened", "closed"]
        assert genesys.said[-1]["clientseq"] == genesys.seq

    async def test_with_the_sides_the_other_way_round(
        self, node: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus, session(node) as genesys:
            opened = await genesys.open(call_id, [offer("internal", "external")])
            await genesys.play(recording[:, ::-1])
            await genesys.close()
            await bus.ended()
        heard = [essence(event) for event in bus.events("utterance")]
        assert opened["parameters"]["media"] == [json.loads(json.dumps(offer("internal", "external")))]
        assert heard == reference.utterances
        assert {event["data"]["speaker"]["channel"] for event in bus.events("utterance")} == {1}

    async def test_linear_and_of_one_side_alone(
        self, node: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id, [offer("external", media_format="L16")])
            await genesys.play(sentence[:, :1], encode=linear, size=777)
            await genesys.close()
            await bus.ended()
        assert [essence(event) for event in bus.events("utterance")] == [verdict]


class TestAnswers:
    """What must be answered; that `opened` waits for nothing is a matter of order (tests/platforms)."""

    async def test_pings_are_answered_while_the_call_is_heard(
        self, node: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id)
            for _ in range(3):
                await genesys.say("ping", {"rtt": "PT0.0016S"})
                await genesys.play(sentence)
                pong = await genesys.hear("pong")
                assert pong["clientseq"] == genesys.seq
            await genesys.close()
            await bus.ended()
        assert [message["seq"] for message in genesys.said] == [1, 2, 3, 4, 5]

    async def test_a_connection_probe_is_answered_and_leaves_no_trace(self, node: Node, broker: Broker) -> None:
        async with listening(broker, "+") as bus, session(node) as genesys:
            opened = await genesys.open(NOBODY, participant={"id": NOBODY, "ani": "", "aniName": "", "dnis": ""})
            await genesys.close()
        assert opened["parameters"]["media"] == []
        assert NOBODY not in json.dumps([str(message.topic) for message in bus.messages])
        assert not [line for line in node.log if line.get("call") == NOBODY]

    async def test_verdicts_go_back_where_the_configuration_says_so(
        self, start_node: StartNode, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        node = await start_node(broker.url, config="[dialects.audiohook]\nevents = true\n")
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id)
            await genesys.say("ping")
            await genesys.play(sentence)
            await genesys.close()
            await bus.ended()
        (published,) = bus.events("utterance")
        (entity,) = genesys.said[2]["parameters"]["entities"]
        assert genesys.kinds == ["opened", "pong", "event", "closed"]
        assert [message["seq"] for message in genesys.said] == [1, 2, 3, 4]
        assert entity["type"] == "x-emotion"
        assert entity["data"]["label"] == published["data"]["emotion"]["top"]
        assert entity["data"]["channelId"] == 0
        assert entity["data"]["offset"] == f"PT{published['data']['utterance']['start_ms'] / 1000:g}S"


class TestClock:
    """Pauses, what was left out, and what was lost."""

    async def test_after_a_pause_the_call_goes_on_where_the_platform_is(
        self, node: Node, broker: Broker, sentence: Samples, verdict: Json, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id)
            await genesys.play(sentence)
            await genesys.say("paused")
            genesys.sent += 5 * 8000
            await genesys.say("resumed", {"start": "PT0S", "discarded": "PT5S"})
            await genesys.say("ping")
            await genesys.play(sentence)
            await genesys.close()
            summary = await bus.ended()
        first, second = (essence(event) for event in bus.events("utterance"))
        length_ms = len(sentence) / 8
        assert first == verdict
        assert second["start_ms"] == pytest.approx(first["start_ms"] + length_ms + 5000, abs=40)
        assert summary["data"]["duration_ms"] == pytest.approx(2 * length_ms + 5000, abs=40)
        assert [speaker["lost_ms"] for speaker in summary["data"]["speakers"]] == [0, 0]

    async def test_what_the_platform_sent_and_we_never_got_is_counted_and_moves_nothing(
        self, node: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id)
            await genesys.play(sentence)
            genesys.sent += 8000
            await genesys.say("ping")
            await genesys.play(sentence)
            await genesys.close()
            summary = await bus.ended()
        first, second = (essence(event) for event in bus.events("utterance"))
        assert second["start_ms"] == pytest.approx(first["start_ms"] + len(sentence) / 8 + 1000, abs=40)
        assert [speaker["lost_ms"] for speaker in summary["data"]["speakers"]] == [1000, 1000]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def signed(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A node that knows the client secret of an integration and the URL that it was given."""
    node = Node(tmp_path_factory.mktemp("signed"), broker.url, config=SIGNED, name="signed-audiohook")
    try:
        yield await node.listening()
    finally:
        node.close()


class TestSignature:
    """Who may come in is decided before the upgrade."""

    @pytest.mark.parametrize(
        ("headers", "says"),
        [
            (lambda: NAMED, "X-API-KEY"),
            (lambda: {**NAMED, "X-API-KEY": API_KEY}, "not signed"),
            (lambda: signature(secret="b2YgYW5vdGhlcg=="), "does not match"),
            (lambda: signature(authority="elsewhere.example.com"), "does not match"),
            (lambda: signature(age_s=60), "expired"),
            (lambda: signature(age_s=-60), "future"),
            (lambda: signature() | {"Audiohook-Organization-Id": SESSION}, "does not match"),
        ],
        ids=["no key", "unsigned", "another secret", "another host", "expired", "of tomorrow", "another organisation"],
    )
    async def test_a_request_that_genesys_did_not_sign_is_refused_with_401(
        self, signed: Node, headers: Any, says: str
    ) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(signed), additional_headers=headers())
        assert refused.value.response.status_code == 401
        assert says in refused.value.response.body.decode()

    async def test_a_signed_request_is_taken_for_its_tenant_and_only_once(
        self, signed: Node, broker: Broker, sentence: Samples, call_id: str
    ) -> None:
        headers = signature()
        async with listening(broker, call_id, tenant="acme") as bus, session(signed, headers) as genesys:
            await genesys.open(call_id)
            await genesys.play(sentence)
            await genesys.close()
            await bus.ended()
        assert {event["data"]["call"]["tenant"] for event in bus.events("utterance")} == {"acme"}
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(signed), additional_headers=headers)
        assert "nonce" in refused.value.response.body.decode()

    async def test_neither_secret_nor_signature_is_ever_logged(self, signed: Node) -> None:
        headers = signature(authority="elsewhere.example.com")
        with pytest.raises(InvalidStatus):
            await connect(url(signed), additional_headers=headers)
        await signed.logged("connection refused")
        for hidden in (SECRET, headers["Signature"], headers["Signature-Input"]):
            assert hidden not in signed.text()


async def farewell(genesys: Session) -> Json:
    """Let the server disconnect, and leave as the platform does."""
    parameters: Json = (await genesys.hear("disconnect"))["parameters"]
    await genesys.close("disconnect")
    return parameters


class TestFaults:
    """What is refused in a session is said in it, and the platform closes."""

    @pytest.mark.parametrize(
        ("kind", "changes", "says"),
        [
            ("ping", {"seq": 7}, "seq"),
            ("ping", {"serverseq": 9}, "serverseq"),
            ("ping", {"id": NOBODY}, "id"),
            ("ping", {"version": "3"}, "version"),
            ("hologram", {}, "hologram"),
        ],
    )
    async def test_a_message_that_cannot_be_right(
        self, node: Node, call_id: str, kind: str, changes: Json, says: str
    ) -> None:
        async with session(node) as genesys:
            await genesys.open(call_id)
            await genesys.say(kind, **changes)
            parameters = await farewell(genesys)
        assert parameters["reason"] == "error"
        assert says in parameters["info"]

    async def test_another_organisation_than_the_headers(self, node: Node, call_id: str) -> None:
        async with session(node) as genesys:
            given = {"organizationId": CORRELATION, "conversationId": call_id, "media": STEREO}
            await genesys.say("open", given)
            assert (await farewell(genesys))["reason"] == "unauthorized"

    async def test_audio_before_opened(self, node: Node) -> None:
        async with session(node) as genesys:
            await genesys.socket.send(bytes(3200))
            assert (await farewell(genesys))["reason"] == "error"

    async def test_audio_in_a_pause(self, node: Node, broker: Broker, call_id: str) -> None:
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id)
            await genesys.say("paused")
            await genesys.socket.send(bytes(3200))
            assert "paused" in (await farewell(genesys))["info"]
            assert (await bus.ended())["data"]["reason"] == "error"

    async def test_what_is_no_json_and_what_is_too_long(self, node: Node) -> None:
        for text in ("hello", "{" + " " * 65_535):
            async with session(node) as genesys:
                await genesys.socket.send(text)
                assert (await farewell(genesys))["reason"] == "error"

    async def test_a_server_that_is_full_says_so_instead_of_opened(
        self, start_node: StartNode, broker: Broker, call_id: str
    ) -> None:
        node = await start_node(broker.url, config="[server]\nmax_calls = 1\n")
        async with session(node) as first, session(node) as second:
            await first.open(call_id)
            await second.say(
                "open", {"organizationId": ORGANIZATION, "conversationId": f"{call_id}-2", "media": STEREO}
            )
            assert (await farewell(second))["reason"] == "error"
            await first.close()
        assert second.kinds == ["disconnect", "closed"]

    async def test_a_session_without_audio_is_disconnected(
        self, start_node: StartNode, broker: Broker, call_id: str
    ) -> None:
        node = await start_node(broker.url, config="[audio]\nidle_s = 0.5\n")
        async with listening(broker, call_id) as bus, session(node) as genesys:
            await genesys.open(call_id)
            assert (await farewell(genesys))["reason"] == "error"
            assert (await bus.ended())["data"]["reason"] == "idle"

    async def test_a_server_that_goes_down_completes_the_session(
        self, start_node: StartNode, broker: Broker, call_id: str
    ) -> None:
        node = await start_node(broker.url, config="[server]\ndrain_s = 0\n")
        async with session(node) as genesys:
            await genesys.open(call_id)
            node.terminate()
            assert (await farewell(genesys))["reason"] == "completed"
        assert await node.ended() == 0


async def test_who_calls_whom_is_nowhere(node: Node, broker: Broker, sentence: Samples, call_id: str) -> None:
    async with listening(broker, call_id) as bus, session(node) as genesys:
        await genesys.open(call_id)
        await genesys.play(sentence)
        await genesys.close()
        await bus.ended()
    left = node.text() + b"".join(bytes(message.payload) for message in bus.messages).decode()
    for private in ("5551234", "5556789", "Ann Example"):
        assert private not in left


async def test_a_socket_that_breaks_ends_the_call(node: Node, broker: Broker, sentence: Samples, call_id: str) -> None:
    async with listening(broker, call_id) as bus, session(node) as genesys:
        await genesys.open(call_id)
        await genesys.play(sentence)
        await bus.utterances(1)
        genesys.socket.transport.abort()
        summary = await bus.ended()
    assert summary["data"]["reason"] == "disconnected"


async def test_twenty_sessions_at_once_are_all_opened_and_closed(
    node: Node, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async def one(number: int) -> list[str]:
        async with session(node) as genesys:
            await genesys.open(f"{call_id}-{number}")
            await genesys.play(sentence)
            await genesys.close()
        return genesys.kinds

    async with listening(broker, "+") as bus:
        kinds = await asyncio.gather(*map(one, range(20)))
        await bus.until(lambda: len(bus.events("ended")) == 20)
    assert kinds == [["opened", "closed"]] * 20
