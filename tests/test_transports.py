"""Either library, the same bytes: the same messages in the same order, the same answers, the same bounds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.frames import Close, Frame, Opcode

from streamer.config import ConfigError, ServerSettings
from streamer.load.holding import MOST_HELD, Holding
from streamer.transports import listener_of
from streamer.wire.events import Message
from tests.transported import LIBRARIES, Listening, Sleepy, Texts, frame, listening, raw

pytest.importorskip("picows", reason="the extra picows is not installed")

both = pytest.mark.parametrize("library", LIBRARIES)
MOST_BYTES = 1024

Sent = tuple[bytes, list[Message]]
"""Bytes of a peer, and the messages in them."""


@st.composite
def pieces(draw: st.DrawFn) -> Sent:
    """A message, perhaps in pieces, perhaps with pings between them."""
    text = draw(st.booleans())
    message: Message = draw(st.text(max_size=200) if text else st.binary(max_size=300))
    data = message.encode() if isinstance(message, str) else message
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    out = b""
    for n, part in enumerate(parts):
        if n and draw(st.booleans()):
            out += frame(Opcode.PING, b"%d" % n)
        opcode = (Opcode.TEXT if text else Opcode.BINARY) if n == 0 else Opcode.CONT
        out += frame(opcode, part, fin=n == len(parts) - 1)
    return out, [message]


control = st.builds(
    lambda opcode, data: (frame(opcode, data), []), st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)
)
ENDS: dict[str, bytes] = {
    "close": frame(Opcode.CLOSE, Close(1000, "bye").serialize()),
    "close of its own": frame(Opcode.CLOSE, Close(4321, "").serialize()),
    "close without a code": frame(Opcode.CLOSE, b""),
    "close in the middle": frame(Opcode.TEXT, b"a", fin=False) + frame(Opcode.CLOSE, Close(1000, "").serialize()),
    "close by a forbidden code": frame(Opcode.CLOSE, b"\x03\xed"),
    "half a code": frame(Opcode.CLOSE, b"\x03"),
    "hangs up": b"",
    "hangs up in a frame": frame(Opcode.BINARY, bytes(100))[:50],
    "no text": frame(Opcode.TEXT, b"\xff"),
    "no text in pieces": frame(Opcode.TEXT, b"\xc3", fin=False) + frame(Opcode.CONT, b"("),
    "unmasked": Frame(Opcode.BINARY, b"abc").serialize(mask=False),
    "reserved bits": b"\xc2\x80\0\0\0\0",
    "unknown kind": b"\x83\x80\0\0\0\0",
    "long ping": b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126),
    "ping in pieces": b"\x09\x80\0\0\0\0",
    "too large": frame(Opcode.BINARY, bytes(MOST_BYTES + 1)),
    "too large by its head": b"\x82\xff" + (2**40).to_bytes(8, "big") + bytes(4),
    "too large and goes on": b"\x82\xff" + (2**40).to_bytes(8, "big") + bytes(1_000_000),
    "too large in pieces": frame(Opcode.BINARY, bytes(MOST_BYTES), fin=False) + frame(Opcode.CONT, b"1"),
    "a piece of nothing": frame(Opcode.CONT, b"1"),
    "two at once": frame(Opcode.BINARY, b"1", fin=False) + frame(Opcode.BINARY, b"2"),
}


HARMLESS = ("close", "close of its own", "close without a code", "hangs up", "hangs up in a frame")


async def said_to(library: str, chunks: list[bytes]) -> tuple[list[Message], list[tuple[Opcode, bytes]]]:
    """Send bytes, hang up, and return what a session saw and what was answered."""
    async with listening(library, server__max_message_bytes=MOST_BYTES) as ours, raw(ours) as peer:
        with suppress(ConnectionError):
            for chunk in chunks:
                peer.writer.write(chunk)
                await peer.writer.drain()
                await asyncio.sleep(0)
            peer.writer.write_eof()
        answers = await peer.frames()
        await ours.ended.wait()
        assert ours.cut == []
        return ours.got, answers


@settings(max_examples=60)
@given(st.lists(pieces() | control, max_size=12), st.sampled_from(sorted(ENDS)), st.data())
def test_the_same_bytes_bring_the_same_messages_and_answers(sent: list[Sent], end: str, data: st.DataObject) -> None:
    stream = b"".join(out for out, _ in sent) + ENDS[end]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    said = [message for _, messages in sent for message in messages]
    seen = [asyncio.run(said_to(library, chunks)) for library in LIBRARIES]
    assert seen[0][0] == said
    if end not in HARMLESS:
        # picows looks at the next frame before it hands one over: a ping right before a broken frame has no answer.
        seen = [(got, [answer for answer in answers if answer[0] is not Opcode.PONG]) for got, answers in seen]
    assert seen[0] == seen[1]


@both
@pytest.mark.parametrize("end", sorted(ENDS))
async def test_each_way_to_end_is_answered_alike(library: str, end: str) -> None:
    expected = {"close": 1000, "close of its own": 4321, "no text": 1007, "no text in pieces": 1007}
    got, answers = await said_to(library, [frame(Opcode.TEXT, b"first") + frame(Opcode.BINARY, b"second") + ENDS[end]])
    assert got == ["first", b"second"]
    if end.startswith("hangs up"):
        assert answers == []
    elif end == "close without a code":
        assert answers == [(Opcode.CLOSE, b"")]
    else:
        code = expected.get(end, 1009 if end.startswith("too large") else 1002)
        assert answers == [(Opcode.CLOSE, code.to_bytes(2, "big"))]


def holding_of(peer: Any) -> Holding:
    """Return what holds the messages of a peer of either library."""
    found = peer._holding if hasattr(peer, "_holding") else peer._connection.holding
    assert isinstance(found, Holding)
    return found


@both
@pytest.mark.parametrize("within", ["too large", "no text", "within one in pieces"])
async def test_what_breaks_the_rules_is_refused_of_a_stream_whose_messages_are_held_too(
    library: str, within: str
) -> None:
    async with listening(library, server__max_message_bytes=MOST_BYTES) as ours:
        ours.ear = Texts(ours.got) if within == "no text" else ours.ear
        kind = Opcode.TEXT if within == "no text" else Opcode.BINARY
        async with raw(ours) as peer:
            peer.writer.write(frame(kind, b"1") + frame(kind, b"2"))
            other = Opcode.BINARY if kind is Opcode.TEXT else Opcode.TEXT
            if within == "within one in pieces":  # and the reader waits again
                peer.writer.write(frame(other, b"a") + frame(kind, b"3", fin=False))
                await ours.got.until("a")
                holding = holding_of(ours.peers.get_nowait())
                while holding.ear is None:  # noqa: ASYNC110 - no event says so
                    await asyncio.sleep(0)
            peer.writer.write(frame(kind, {"too large": bytes(2000), "no text": b"\xff"}.get(within, b"4")))
            codes = [int.from_bytes(data, "big") for opcode, data in await peer.frames() if opcode is Opcode.CLOSE]
        await ours.ended.wait()
        assert codes == [{"too large": 1009, "no text": 1007}.get(within, 1002)]
        assert ours.got[:2] == (["1", "2"] if kind is Opcode.TEXT else [b"1", b"2"])
        assert {"4", b"4", b"3"}.isdisjoint(ours.got)


@asynccontextmanager
async def sleepily(library: str) -> AsyncIterator[tuple[Listening, Sleepy]]:
    async with listening(library) as ours:
        ours.ear = ear = Sleepy(ours.got)
        yield ours, ear


@both
async def test_what_comes_while_a_stream_dozes_stays_in_the_socket_and_is_read_in_its_order(library: str) -> None:
    async with sleepily(library) as (ours, ear), connect(ours.url) as peer:
        said = [bytes([n]) * 300 for n in range(60)]  # more than one portion
        for message in said[:2]:
            await peer.send(message)
        await ear.asleep.wait()
        for message in said[2:]:
            await peer.send(message)
        async with connect(ours.url) as other:  # so long has all that been in the socket
            await (await other.ping())
        held = ear.hand_overs[0].__self__._held  # type: ignore[attr-defined]
        assert (ours.got, held) == (said[:1], said[1:2])
        ear.wakes[0]()
        ear.asleep.clear()
        while ours.got + held != said:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)
        ear.hand_overs[0]()
        assert ours.got == said


@both
async def test_a_stream_that_dozes_is_closed_as_one_that_does_not(library: str) -> None:
    async with sleepily(library) as (ours, ear), connect(ours.url) as peer:
        await peer.send(b"1")
        await peer.send(b"2")
        await ear.asleep.wait()
        await peer.send(b"3")
        closing = asyncio.create_task(ours.peers.get_nowait().close(4000, "why"))
        await asyncio.sleep(0)
        assert not ear.hand_overs[0].__self__._asleep  # type: ignore[attr-defined]
        await closing
        await peer.wait_closed()
        assert (peer.close_code, peer.close_reason) == (4000, "why")
        await ours.ended.wait()


async def test_what_was_read_before_we_cut_a_connection_is_not_lost() -> None:
    async with listening("websockets") as ours:
        ours.ear = ear = Sleepy(ours.got)
        said: list[Message] = [bytes([n]) * 300 for n in range(190)]  # many portions
        async with raw(ours) as peer:
            peer.writer.write(frame(Opcode.BINARY, said[0]))
            await ours.got.until(said[0])
            peer.writer.write(b"".join(frame(Opcode.BINARY, message) for message in said[1:]))
            await ear.asleep.wait()
            connection = ours.peers.get_nowait()._connection  # type: ignore[attr-defined]
            asyncio.get_running_loop().call_soon(ear.hand_overs[0])  # so nothing is held at the moment of the end
            connection.transport.abort()
            await ours.ended.wait()
        n_read = connection.frames_read
        assert n_read > MOST_HELD
        assert ours.got == said[:n_read]
        for hand_over in ear.hand_overs:
            hand_over()  # late, and nobody minds
        assert ours.got == said[:n_read]


def test_a_library_that_is_not_there_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picows", None)
    for name in ("streamer.picows_listener", "streamer.picows_peer"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ConfigError, match=r"emotion-streamer\[picows\]"):
        listener_of(ServerSettings(transport="picows"))
    assert listener_of(ServerSettings()).__name__ == "WebSocketListener"
