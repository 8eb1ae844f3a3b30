"""A node in this process: calls are taken, counted and ended, and how it goes down; nothing here needs a broker."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect

from streamer import watch as watch_module
from streamer.access import tls as tls_module
from streamer.config import ConfigError
from streamer.emotion.model import ModelError, locate
from streamer.service import ServeError
from tests.certificates import authority, client_context, signed
from tests.nodes import AS_CRM, CRM, START, closing, ready, readyz, send_stop, serve, url


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Any]:
    """Run a node: `async with serving(server__max_calls=1) as server`."""
    return partial(serve, tmp_path)


async def test_a_call_is_taken_and_ended(serving) -> None:
    async with serving() as server, connect(url(server)) as socket:
        assert await readyz(server) == "200 ready"
        server._bus._outbox.strained = True
        assert (await readyz(server)).startswith("503 outbox: its disk fails")
        server._bus._outbox.strained = False
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
HANGUP_PACKET = bytes(3)


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


async def test_a_tunnel_with_a_certificate_that_a_key_names_brings_audiosocket_calls_of_its_tenant(
    serving, tmp_path: Path
) -> None:
    ca = authority(tmp_path, "ca")
    ours, pbx, other = (signed(ca, tmp_path, name) for name in ("calls.example.com", "pbx.example.com", "other"))
    flags = {
        "server__tls_cert_file": str(ours.cert),
        "server__tls_key_file": str(ours.key),
        "server__tls_client_ca_file": str(ca.cert),
        "server__require_key": True,
        "dialects__audiosocket__port": free_port(),
        "dialects__audiosocket__tls": True,
        "keys": [{"id": "pbx", "certificate": "pbx.example.com", "tenant": "acme", "dialects": ["audiosocket"]}],
    }
    async with serving(**flags) as server:
        with capture_logs() as logs:
            for shows in (pbx, other):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", server.audiosocket_port, ssl=client_context(ca, shows)
                )
                writer.write(UUID_PACKET + AUDIO_PACKET + HANGUP_PACKET)
                assert await reader.read() == b""
                writer.close()
            while server._sessions:
                await readyz(server)
            # Plain TCP is no TLS; it is hung up on, and never comes as far as a dialect.
            reader, writer = await asyncio.open_connection("127.0.0.1", server.audiosocket_port)
            writer.write(UUID_PACKET + AUDIO_PACKET)
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
        (ended,) = [log for log in logs if log["event"] == "call ended"]
        assert (ended["dialect"], ended["tenant"]) == ("audiosocket", "acme")
        (refused,) = [log for log in logs if log["event"] == "connection refused"]
        assert (refused["reason"], refused["certificate"]) == ("address", other.fingerprint)
        (failed,) = [log for log in logs if log["event"] == "TLS handshake failed"]
        assert failed["reason"] in {"plain", "other"}


async def test_a_renewed_certificate_is_shown_to_who_comes_next_and_the_call_that_is_on_goes_on(
    serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_module, "LOOK_S", 0.01)
    ca = authority(tmp_path, "ca")
    first, second = signed(ca, tmp_path, "first"), signed(ca, tmp_path, "second")
    both = tmp_path / "both.pem"
    both.write_bytes(first.cert.read_bytes() + first.key.read_bytes())
    async with serving(server__tls_cert_file=str(both)) as server:
        wss = url(server).replace("ws:", "wss:")

        async def shown() -> str:
            async with connect(wss, ssl=client_context(ca)) as other:
                return hashlib.sha256(
                    other.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
                ).hexdigest()

        async with connect(wss, ssl=client_context(ca)) as socket:
            await ready(socket)
            assert await shown() == first.fingerprint
            new = tmp_path / "new.pem"
            new.write_bytes(second.cert.read_bytes() + second.key.read_bytes())
            new.replace(both)
            while await shown() != second.fingerprint:
                pass
            await socket.send(bytes(3200))
            await send_stop(socket)
            assert json.loads(await socket.recv())["type"] == "ended"


async def test_the_admin_port_may_listen_elsewhere_than_the_calls(serving) -> None:
    async with serving(server__admin_host="127.0.0.2") as server:
        reader, writer = await asyncio.open_connection("127.0.0.2", server.admin_port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).endswith(b"live\n")
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.admin_port)


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
    monkeypatch.setattr(watch_module, "START_WITHIN_S", 0.2)
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


async def test_a_port_that_is_taken_is_one_clear_line(serving, tmp_path: Path) -> None:
    async with serving() as server:
        for flag, port in (
            ("server__port", server.port),
            ("server__admin_port", server.admin_port),
            ("dialects__audiosocket__port", server.port),
        ):
            with pytest.raises(ServeError, match=f"127.0.0.1:{port}: Address already in use"):
                async with serving(**{flag: port, "outbox__path": str(tmp_path / f"{flag}.sqlite")}):
                    pass


async def test_what_is_missing_keeps_the_node_from_coming_up(serving) -> None:
    with pytest.raises(ModelError):
        async with serving(emotion__model="nowhere"):
            pass
    with pytest.raises(ConfigError, match="speech"):
        async with serving(speech__vad="silero"):
            pass
