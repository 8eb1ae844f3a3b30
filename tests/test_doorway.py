"""A connection before its WebSocket: both libraries refuse in the same words, and neither holds more than a request."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode

from streamer.load.guarded import MAX_HEAD_BYTES
from streamer.load.portions import PORTION_BYTES
from tests.transported import HELLO, LIBRARIES, frame, listening, raw

pytest.importorskip("picows", reason="the extra picows is not installed")

both = pytest.mark.parametrize("library", LIBRARIES)


@both
async def test_a_request_that_does_not_end_is_cut_off(library: str) -> None:
    async with listening(library) as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.listener.port)
        writer.write(HELLO)
        for _ in range(MAX_HEAD_BYTES // 4000 + 1):
            writer.write(b"X-More: " + b"x" * 4000 + b"\r\n")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert ours.cut == ["head"]


@both
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/stream HTTP/1.1\r\nHost: a\r\n\r\n", b"426"),
        (HELLO.replace(b"AAAA", b"A") + b"\r\n", b"400"),
        (HELLO.replace(b"GET /v1/stream", b"GET /nowhere") + b"\r\n", b"404"),
        (HELLO + b"X: " + b"x" * 9000 + b"\r\n\r\n", b"431"),
        (b"nonsense\r\n\r\n", b""),
    ],
)
async def test_what_is_no_good_request_is_answered_in_words(library: str, request_: bytes, status: bytes) -> None:
    async with listening(library) as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.listener.port)
        for n in range(len(request_)):
            writer.write(request_[n : n + 1])
            if n % 50 == 0:
                await asyncio.sleep(0)
        answer = await reader.read()
        assert answer[9:12] == status
        writer.close()
        assert ours.peers.empty()


@both
async def test_frames_that_come_with_the_request_are_read(library: str) -> None:
    early = frame(Opcode.BINARY, b"early") + frame(Opcode.TEXT, b"bird")
    async with listening(library) as ours, raw(ours, early) as peer:
        await peer.close()
        await ours.ended.wait()
        assert ours.got == [b"early", "bird"]


async def test_with_picows_who_floods_before_he_is_answered_is_cut_off() -> None:
    async with listening("picows") as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.listener.port)
        writer.write(HELLO + b"\r\n" + bytes(PORTION_BYTES + 1))
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert ours.cut == ["head"]


@both
async def test_where_too_many_say_nothing_the_oldest_goes_and_who_has_gone_is_forgotten(library: str) -> None:
    async with listening(library, most=2) as ours:
        silent = []
        for n in range(2):
            silent.append(await asyncio.open_connection("127.0.0.1", ours.listener.port))
            while len(ours.guard.strangers) <= n:  # noqa: ASYNC110 - nothing there could tell us
                await asyncio.sleep(0)
        async with connect(ours.url) as late:
            with suppress(ConnectionResetError):
                assert await silent[0][0].read() == b""
            assert ours.cut == ["crowd"]
            (await ours.peers.get()).settle()
            assert len(ours.guard.strangers) == 1
            await (await late.ping())
        for _, writer in silent:
            writer.close()
        while len(ours.guard.strangers):  # noqa: ASYNC110 - nothing there could tell us
            await asyncio.sleep(0)


@both
async def test_a_defect_in_deciding_is_our_fault_and_in_the_log(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(library) as ours:

        async def broken(*_: object) -> None:
            raise RuntimeError("defect")

        monkeypatch.setattr(ours.entrance, "decide", broken)
        with pytest.raises(InvalidStatus, match="500"):
            await connect(ours.url)
