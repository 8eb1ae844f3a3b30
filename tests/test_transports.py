"""Either library, the same bytes: the same messages in the same order, the same answers, the same bounds."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from streamer.config import ConfigError, ServerSettings
from streamer.transports import listener_of
from streamer.wire.events import Message
from tests.transported import LIBRARIES, frame, listening, raw

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


def test_a_library_that_is_not_there_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picows", None)
    for name in ("streamer.picows_listener", "streamer.picows_peer"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ConfigError, match=r"emotion-streamer\[picows\]"):
        listener_of(ServerSettings(transport="picows"))
    assert listener_of(ServerSettings()).__name__ == "WebSocketListener"
