"""A WebSocket at the door: which paths there are, who gets in, and what is said to the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from streamer import doorway as doorway_module
from streamer import entrance as entrance_module
from streamer import listener as listener_module
from streamer.auth import Pass, Refusal
from streamer.config import load
from streamer.load.pacing import Turnstile
from streamer.server import Server
from streamer.session import Session
from streamer.wire.twilio_signature import signature
from tests.certificates import authority, client_context, signed
from tests.nodes import AS_CRM, CRM, closing, ready, readyz, send_stop, serve, url


@pytest.fixture(params=["websockets", "picows"])
def serving(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a node: `async with serving(server__max_calls=1) as server`; with both libraries, one after the other."""
    if request.param == "picows":
        pytest.importorskip("picows", reason="the extra picows is not installed")
    return partial(serve, tmp_path, server__transport=request.param)


async def test_an_unknown_path_is_told_the_known_ones(serving) -> None:
    async with serving() as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect(url(server, "/v2/stream"))
        assert caught.value.response.status_code == 404
        assert b"/v1/stream" in (caught.value.response.body or b"")


async def test_a_trailing_slash_and_a_query_are_no_other_path(serving) -> None:
    async with serving() as server, connect(url(server, "/v1/stream/?x=1")) as socket:
        assert (await ready(socket))["type"] == "ready"


async def test_a_wrong_signature_is_refused_before_the_upgrade(serving, tmp_path: Path) -> None:
    config = tmp_path / "keys.toml"
    config.write_text('[[keys]]\nid = "tw"\nsecret = "token"\ndialects = ["twilio"]\n', encoding="utf-8")
    keys = load(config, {}, {}).keys
    async with serving(keys=[{"id": key.id, "secret": key.secret, "dialects": key.dialects} for key in keys]) as server:
        for given in ({}, {"X-Twilio-Signature": "AAAA"}):
            with capture_logs() as logs, pytest.raises(InvalidStatus) as caught:
                await connect(url(server, "/twilio"), additional_headers=given)
            assert caught.value.response.status_code == 403
            assert "connection refused" in [log["event"] for log in logs]
            assert "token" not in repr(logs).replace("auth token", "")
        right = signature("token", f"wss://127.0.0.1:{server.port}/twilio")
        async with connect(url(server, "/twilio"), additional_headers={"X-Twilio-Signature": right}) as socket:
            await socket.send('{"event":"connected"}')


async def test_each_dialect_has_its_own_longest_message(serving) -> None:
    async with serving(server__max_message_bytes=100_000, dialects__twilio__max_message_bytes=2000) as server:
        for path, size in (("/v1/stream", 100_001), ("/twilio", 2001)):
            async with connect(url(server, path)) as socket:
                await socket.send("x" * size)
                assert await closing(socket) == 1009


async def test_a_page_shows_its_key_as_a_subprotocol_and_never_hears_it(serving) -> None:
    page = {"origin": "https://desk.example.com", "subprotocols": ["bearer.of-the-crm", "emotion-streamer.v1"]}
    async with serving(keys=[CRM], server__require_key=True, server__origins=["https://desk.example.com"]) as server:
        with capture_logs() as logs:
            async with connect(url(server), **page) as socket:
                assert (await ready(socket))["type"] == "ready"
                assert socket.subprotocol == "emotion-streamer.v1"
                assert socket.response is not None
                assert "of-the-crm" not in repr(socket.response)
                assert next(iter(server._sessions))._admitted == Pass("acme", "crm")
            for change, status in (
                ({"origin": "https://evil.example.com"}, 403),
                ({"subprotocols": ["bearer.of-the-crn", "emotion-streamer.v1"]}, 401),
                ({"subprotocols": ["bearer.of-the-crm"]}, 401),
            ):
                with pytest.raises(InvalidStatus) as caught:
                    await connect(url(server), **page | change)
                assert caught.value.response.status_code == status
                assert b"of-the-cr" not in (caught.value.response.body or b"")
        assert "of-the-cr" not in repr(logs)


async def test_who_guesses_too_often_is_answered_unseen_and_logged_no_more(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (listener_module, doorway_module):
        monkeypatch.setattr(module, "address_of", lambda _: "192.0.2.1")
    async with serving(keys=[CRM], server__auth_failures_per_minute=2) as server:
        with capture_logs() as logs:
            for status in (401, 401, 429, 429):
                with pytest.raises(InvalidStatus) as caught:
                    await connect(url(server), additional_headers={"Authorization": "Bearer guessed"})
                assert caught.value.response.status_code == status
        assert [log["event"] for log in logs].count("connection refused") == 2
        with pytest.raises(InvalidStatus, match="429"):
            await connect(url(server), additional_headers=AS_CRM)


async def test_a_header_that_comes_twice_is_no_key(serving) -> None:
    async with serving(keys=[CRM]) as server:
        twice = [("Authorization", "Bearer of-the-crm"), ("Authorization", "Bearer of-the-crm")]
        with pytest.raises(InvalidStatus, match="401"):
            await connect(url(server), additional_headers=twice)


async def test_refusals_wait_their_time_and_where_a_flood_waits_the_next_do_not(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, sleep = asyncio.Event(), asyncio.sleep

    async def wait(delay_s: float) -> None:
        await (over.wait() if delay_s > 900 else sleep(delay_s))

    late = Refusal(HTTPStatus.UNAUTHORIZED, "wrong", "no", after_s=1000)

    async def refused(server: Server) -> int:
        with pytest.raises(InvalidStatus) as caught:
            await connect(url(server))
        return caught.value.response.status_code

    async with serving() as server:
        monkeypatch.setattr(server._doors, "knock", lambda *_: late)
        monkeypatch.setattr(entrance_module, "WAITING_REFUSALS", 2)
        monkeypatch.setattr(asyncio, "sleep", wait)
        waiting = [asyncio.create_task(refused(server)) for _ in range(2)]
        while server._entrance.refusals_waiting < 2:
            await sleep(0)
        assert await refused(server) == 429
        assert not any(task.done() for task in waiting)
        over.set()
        assert await asyncio.gather(*waiting) == [401, 401]
        assert server._entrance.refusals_waiting == 0
        monkeypatch.undo()


async def test_with_a_certificate_the_listener_speaks_tls_and_nothing_else(serving, tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    ours = signed(ca, tmp_path, "calls.example.com")
    with capture_logs() as logs:
        async with serving(server__tls_cert_file=str(ours.cert), server__tls_key_file=str(ours.key)) as server:
            secure = url(server).replace("ws:", "wss:")
            async with connect(secure, ssl=client_context(ca)) as socket:
                assert (await ready(socket))["type"] == "ready"
                await send_stop(socket)
                assert json.loads(await socket.recv())["type"] == "ended"
            with pytest.raises((InvalidMessage, OSError)):
                await connect(url(server))
            assert await readyz(server) == "200 ready"
    (listening,) = [log for log in logs if log["event"] == "listening"]
    assert listening["url"].startswith("wss://")


async def test_a_clients_certificate_opens_as_the_key_that_names_it(serving, tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    ours, pbx, crm, stranger = (signed(ca, tmp_path, name) for name in ("calls", "pbx.example.com", "crm", "stranger"))
    flags = {
        "server__tls_cert_file": str(ours.cert),
        "server__tls_key_file": str(ours.key),
        "server__tls_client_ca_file": str(ca.cert),
        "server__require_key": True,
        "keys": [
            {"id": "by-name", "certificate": "pbx.example.com", "tenant": "one"},
            {"id": "by-print", "certificate": crm.fingerprint.upper(), "tenant": "two"},
        ],
    }
    async with serving(**flags) as server:
        secure = url(server).replace("ws:", "wss:")
        for shows, admitted in ((pbx, Pass("one", "by-name")), (crm, Pass("two", "by-print"))):
            async with connect(secure, ssl=client_context(ca, shows)) as socket:
                assert (await ready(socket))["type"] == "ready"
                assert [session._admitted for session in server._sessions] == [admitted]
                await send_stop(socket)
            while server._sessions:
                await readyz(server)
        with capture_logs() as logs, pytest.raises(InvalidStatus, match="401"):
            await connect(secure, ssl=client_context(ca, stranger))
        assert [log["certificate"] for log in logs if log["event"] == "connection refused"] == [stranger.fingerprint]
        with pytest.raises((InvalidMessage, OSError)):
            await connect(secure, ssl=client_context(ca))


async def test_a_call_that_is_ended_while_nobody_reads_it_harms_nothing(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, go_on = asyncio.Event(), asyncio.Event()
    real = Session._feed

    async def feed(session: Session, event: Any) -> bool:
        at_work.set()
        await go_on.wait()
        return await real(session, event)

    monkeypatch.setattr(Session, "_feed", feed)
    async with serving(server__drain_s=0) as server, connect(url(server)) as socket:
        await ready(socket)
        with capture_logs() as logs:
            await socket.send(bytes(3200))
            await at_work.wait()
            for _ in range(40):  # more than the library's own queue holds
                await socket.send(bytes(3200))
            server.drain()
            assert json.loads(await socket.recv())["code"] == "draining"
            go_on.set()
            assert await closing(socket) == 1001
    assert [log["event"] for log in logs if log["log_level"] == "error"] == []


async def test_who_sends_more_than_may_be_is_read_more_slowly_and_loses_nothing(serving) -> None:
    async with serving(limits__messages_per_second=100) as server, connect(url(server)) as socket:
        assert (await ready(socket))["type"] == "ready"
        for _ in range(200):
            await socket.send(bytes(32))
        await send_stop(socket)
        assert json.loads(await socket.recv()) == {"type": "ended", "utterances": 0}
        registry = server._metrics.registry
        assert (registry.get_sample_value("streamer_held_back_seconds_total") or 0) > 0
        assert registry.get_sample_value("streamer_audio_seconds_total") == pytest.approx(200 * 32 / 16_000)


async def test_a_message_in_pieces_counts_for_each_of_them(serving) -> None:
    async with serving(limits__messages_per_second=100) as server, connect(url(server)) as socket:
        assert (await ready(socket))["type"] == "ready"
        await socket.send([bytes(32)] * 110)
        await send_stop(socket)
        assert json.loads(await socket.recv())["type"] == "ended"
        assert (server._metrics.registry.get_sample_value("streamer_held_back_seconds_total") or 0) > 0


async def test_who_never_speaks_makes_room_for_who_does_and_a_call_is_no_stranger(serving) -> None:
    async with serving(limits__max_waiting=2) as server, connect(url(server)) as call:
        assert (await ready(call))["type"] == "ready"
        silent = [await connect(url(server)) for _ in range(2)]
        async with connect(url(server)) as late:
            assert (await ready(late))["type"] == "ready"
            assert await closing(silent[0]) == 1006
            assert len(server._guard.strangers) == 1
        await send_stop(call)
        assert json.loads(await call.recv())["type"] == "ended"
        cut = server._metrics.registry.get_sample_value("streamer_connections_cut_total", {"reason": "crowd"})
        assert cut == 1
        await silent[1].close()


async def test_where_too_many_connect_at_once_the_others_have_their_turn_or_are_told_to_come_again(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        turns = iter([False, True])

        async def enter(_: Turnstile) -> bool:
            return next(turns)

        monkeypatch.setattr(Turnstile, "enter", enter)
        with pytest.raises(InvalidStatus, match="503"):
            await connect(url(server))
        async with connect(url(server)) as socket:
            assert (await ready(socket))["type"] == "ready"
        cut = server._metrics.registry.get_sample_value("streamer_connections_cut_total", {"reason": "storm"})
        assert cut == 1
