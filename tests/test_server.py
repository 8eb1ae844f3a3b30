"""A node in this process: who gets in, what the ports answer, how it goes down. No broker: nothing here needs one."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from streamer import server as server_module
from streamer.auth import Pass, Refusal
from streamer.config import ConfigError, load
from streamer.emotion.model import ModelError, locate
from streamer.server import ServeError, Server, node
from streamer.session import Session
from streamer.wire.twilio_signature import signature
from tests.certificates import authority, client_context, signed

START = json.dumps(
    {
        "type": "start",
        "version": 1,
        "call_id": "CA1",
        "channels": [{"role": "customer"}],
        "encoding": "pcm_s16le",
        "sample_rate": 8000,
    }
)


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Any]:
    """Run a node on free ports: `async with serving(server__max_calls=1) as server`."""

    @asynccontextmanager
    async def run(**flags: Any) -> AsyncIterator[Server]:
        given = {name.replace("__", "."): value for name, value in flags.items()}
        base = {
            "node": "n",
            "server.port": 0,
            "server.admin_port": 0,
            "mqtt.url": "mqtt://127.0.0.1:1",
            "outbox.path": str(tmp_path / "outbox.sqlite"),
        }
        async with node(load(None, {}, base | given)) as server:
            task = asyncio.create_task(server.run())
            listening = asyncio.create_task(server.listening.wait())
            await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                listening.cancel()
                task.result()
            try:
                yield server
            finally:
                server.drain()
                server.drain()
                await task

    return run


def url(server: Server, path: str = "/v1/stream") -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


async def ready(socket: ClientConnection) -> dict[str, Any]:
    await socket.send(START)
    return json.loads(await socket.recv())


async def closing(socket: ClientConnection) -> int:
    await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code


async def readyz(server: Server) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.admin_port)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    return answer.split()[1] + " " + answer.rpartition("\r\n")[2].strip()


async def test_a_call_is_taken_and_ended(serving) -> None:
    async with serving() as server, connect(url(server)) as socket:
        assert await readyz(server) == "200 ready"
        assert (await ready(socket))["analysed"] == ["customer"]
        await socket.send(bytes(3200))
        await socket.send('{"type":"stop"}')
        assert json.loads(await socket.recv()) == {"type": "ended", "utterances": 0}
        assert await closing(socket) == 1000


async def test_a_model_for_research_only_is_warned_of_once_and_by_name(serving, tmp_path: Path) -> None:
    folder = tmp_path / "research"
    shutil.copytree(locate("telephone"), folder)
    card = (folder / "model.toml").read_text(encoding="utf-8")
    card = card.replace("commercial_use = true", "commercial_use = false").replace("Apache-2.0", "CC-BY-NC-SA-4.0")
    (folder / "model.toml").write_text(card, encoding="utf-8")

    async def warnings(**flags: str) -> list[str]:
        with capture_logs() as logs:
            async with serving(**flags):
                pass
        return [log["event"] for log in logs if log["log_level"] == "warning" and "research" in log["event"]]

    (said,) = await warnings(emotion__model=str(folder))
    assert said.startswith("model telephone ")
    assert said.endswith(" may be used for research only, not at work: licence CC-BY-NC-SA-4.0")
    assert await warnings() == []


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


async def test_full_is_full_until_a_call_ends(serving) -> None:
    async with serving(server__max_calls=1) as server:
        async with connect(url(server)) as first, connect(url(server)) as second:
            await ready(first)
            assert await readyz(server) == "503 full: 1 calls"
            assert (await ready(second))["code"] == "full"
            assert await closing(second) == 1013
            await first.send('{"type":"stop"}')
            assert await closing(first) == 1000
        async with connect(url(server)) as third:
            assert (await ready(third))["type"] == "ready"


CRM = {"id": "crm", "secret": "of-the-crm", "tenant": "acme", "max_calls": 1}
AS_CRM = {"Authorization": "Bearer of-the-crm"}


async def send_stop(socket: ClientConnection) -> None:
    await socket.send('{"type":"stop"}')


async def send_nonsense(socket: ClientConnection) -> None:
    await socket.send("nonsense")


async def withdraw_and_stop(socket: ClientConnection) -> None:
    await socket.send('{"type":"withdraw"}')
    await send_stop(socket)


async def break_off(socket: ClientConnection) -> None:
    socket.transport.abort()


async def close(socket: ClientConnection) -> None:
    await socket.close()


@pytest.mark.parametrize("end", [send_stop, send_nonsense, withdraw_and_stop, break_off, close])
async def test_a_key_has_its_calls_and_gets_them_back_however_they_end(serving, end: Any) -> None:
    async with serving(keys=[CRM]) as server:
        async with connect(url(server), additional_headers=AS_CRM) as first:
            await ready(first)
            async with connect(url(server), additional_headers=AS_CRM) as second:
                refused = await ready(second)
                assert refused["code"] == "full"
                assert "'crm'" in refused["message"]
                assert "of-the-crm" not in refused["message"]
                assert await closing(second) == 1013
            async with connect(url(server)) as other:
                assert (await ready(other))["type"] == "ready"
            assert await readyz(server) == "200 ready"
            await end(first)
            await first.wait_closed()
        while server._sessions:
            await readyz(server)
        async with connect(url(server), additional_headers=AS_CRM) as third:
            assert (await ready(third))["type"] == "ready"


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
    monkeypatch.setattr(server_module, "_address", lambda _: "192.0.2.1")
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
        monkeypatch.setattr(server_module, "WAITING_REFUSALS", 2)
        monkeypatch.setattr(asyncio, "sleep", wait)
        waiting = [asyncio.create_task(refused(server)) for _ in range(2)]
        while server._refusals_waiting < 2:
            await sleep(0)
        assert await refused(server) == 429
        assert not any(task.done() for task in waiting)
        over.set()
        assert await asyncio.gather(*waiting) == [401, 401]
        assert server._refusals_waiting == 0
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


async def test_a_certificate_that_cannot_be_used_keeps_the_node_from_coming_up(serving, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"server\.tls_cert_file"):
        async with serving(server__tls_cert_file=str(tmp_path / "none.pem")):
            pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


UUID_PACKET = bytes.fromhex("010010") + bytes(range(16))
AUDIO_PACKET = bytes.fromhex("100140") + bytes(320)


async def test_a_call_over_audiosocket_is_a_call_like_any_other(serving) -> None:
    async with serving(dialects__audiosocket__port=free_port(), dialects__audiosocket__tenant="acme") as server:
        with capture_logs() as logs:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.audiosocket_port)
            for piece in (UUID_PACKET[:7], UUID_PACKET[7:] + AUDIO_PACKET, AUDIO_PACKET[:100], AUDIO_PACKET[100:]):
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            while server._sessions:
                await readyz(server)
        (ended,) = [log for log in logs if log["event"] == "call ended"]
        assert (ended["dialect"], ended["tenant"], ended["reason"]) == ("audiosocket", "acme", "stop")
        assert ended["duration_ms"] == 40


async def test_audiosocket_is_off_unless_it_has_a_port(serving) -> None:
    async with serving() as server:
        assert server.audiosocket_port == 0


async def test_an_address_that_may_not_connect_is_hung_up_on_and_logged(serving) -> None:
    # Behind a proxy on this machine its own address proves nothing.
    flags = {"server__require_key": True, "dialects__audiosocket__port": free_port()}
    async with serving(**flags) as server:
        with capture_logs() as logs:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.audiosocket_port)
            assert await reader.read() == b""
            writer.close()
        (refused,) = [log for log in logs if log["event"] == "connection refused"]
        assert refused["reason"] == "address"
        assert "dialects.audiosocket.allow" in refused["message"]
        assert server._sessions == set()


async def test_a_silent_or_nameless_audiosocket_is_ended_and_so_is_one_at_the_drain(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "START_WITHIN_S", 0.2)
    flags = {"dialects__audiosocket__port": free_port(), "audio__idle_s": 0.5, "server__drain_s": 0}
    async with serving(**flags) as server:
        for says in (b"", UUID_PACKET + AUDIO_PACKET):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.audiosocket_port)
            writer.write(says)
            assert await reader.read() == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.audiosocket_port)
        writer.write(UUID_PACKET + AUDIO_PACKET)
        while not any(session.call for session in server._sessions):
            await readyz(server)
        server.drain()
        assert await reader.read() == b""
        writer.close()


async def test_draining_lets_a_call_end_and_takes_no_other(serving) -> None:
    async with serving() as server, connect(url(server)) as old, connect(url(server)) as new:
        await ready(old)
        server.drain()
        assert await readyz(server) == "503 draining"
        assert (await ready(new))["code"] == "draining"
        assert await closing(new) == 1001
        await old.send(bytes(1600))
        await old.send('{"type":"stop"}')
        assert json.loads(await old.recv())["type"] == "ended"


async def test_at_the_limit_of_the_drain_calls_are_ended(serving) -> None:
    async with serving(server__drain_s=0) as server, connect(url(server)) as socket:
        await ready(socket)
        server.drain()
        assert json.loads(await socket.recv())["code"] == "draining"
        assert await closing(socket) == 1001


async def test_a_silent_call_is_ended_but_a_paused_one_is_not(serving) -> None:
    async with (
        serving(audio__idle_s=0.6, audio__stall_ms=100) as server,
        connect(url(server)) as silent,
        connect(url(server)) as paused,
    ):
        await ready(silent)
        await ready(paused)
        await paused.send('{"type":"pause"}')
        assert json.loads(await silent.recv())["code"] == "idle"
        assert await closing(silent) == 1008
        await paused.send('{"type":"resume"}')
        await paused.send('{"type":"stop"}')
        assert json.loads(await paused.recv())["type"] == "ended"


@pytest.mark.parametrize(
    ("broken_part", "logged"),
    [
        ("streamer.wire.native.Native.receive", "a defect of ours in reading a message"),
        ("streamer.session.Session._begin", "stream failed"),
    ],
)
async def test_a_defect_in_one_stream_is_1011_and_harms_no_other(
    serving, monkeypatch: pytest.MonkeyPatch, broken_part: str, logged: str
) -> None:
    async with serving() as server, connect(url(server)) as sound, connect(url(server)) as broken:
        await ready(sound)
        monkeypatch.setattr(broken_part, lambda *_: 1 / 0)
        with capture_logs() as logs:
            await broken.send(START)
            assert await closing(broken) == 1011
            while logged not in [log["event"] for log in logs]:
                await readyz(server)
        monkeypatch.undo()
        await sound.send('{"type":"stop"}')
        assert json.loads(await sound.recv())["type"] == "ended"


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


async def test_a_stream_that_cannot_be_ended_does_not_bring_the_node_down(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "expire", lambda *_: 1 / 0)
    async with serving(audio__idle_s=0.1) as server, connect(url(server)) as socket:
        with capture_logs() as logs:
            await ready(socket)
            while "a stream could not be ended" not in [log["event"] for log in logs]:
                await readyz(server)
            await socket.send('{"type":"stop"}')
            assert json.loads(await socket.recv())["type"] == "ended"
        assert await readyz(server) == "200 ready"


async def test_a_port_that_is_taken_is_one_clear_line(serving) -> None:
    async with serving() as server:
        for flag, port in (
            ("server__port", server.port),
            ("server__admin_port", server.admin_port),
            ("dialects__audiosocket__port", server.port),
        ):
            with pytest.raises(ServeError, match=f"127.0.0.1:{port}: Address already in use"):
                async with serving(**{flag: port, "outbox__path": f"{flag}.sqlite"}):
                    pass


async def test_what_is_missing_keeps_the_node_from_coming_up(serving) -> None:
    with pytest.raises(ModelError):
        async with serving(emotion__model="nowhere"):
            pass
    with pytest.raises(ConfigError, match="speech"):
        async with serving(speech__vad="silero"):
            pass
