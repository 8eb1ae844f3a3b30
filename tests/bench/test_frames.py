"""Frames: what a WebSocket library makes of ours, and we of its."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from streamer.bench import frames

LENGTHS = (0, 1, 125, 126, 65535, 65536, 70001)


def heard_by_a_server(data: bytes) -> list[Frame]:
    protocol = Protocol(SERVER, state=OPEN, max_size=None)
    protocol.receive_data(data)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


def said_by_a_server(*said: Frame) -> bytes:
    return b"".join(one.serialize(mask=False) for one in said)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_server_reads_what_was_written_whatever_its_length(length: int) -> None:
    payload = bytes(number % 251 for number in range(length))
    (frame,) = heard_by_a_server(frames.frame(payload))
    assert (frame.opcode, frame.data) == (Opcode.BINARY, payload)


@given(st.text())
def test_text_goes_as_text(text: str) -> None:
    (frame,) = heard_by_a_server(frames.frame(text))
    assert (frame.opcode, frame.data.decode()) == (Opcode.TEXT, text)


@given(st.binary(max_size=125))
def test_a_pong_is_one(payload: bytes) -> None:
    protocol = Protocol(SERVER, state=OPEN)
    protocol.receive_data(frames.made(frames.PONG, payload))
    (frame,) = protocol.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.data) == (Opcode.PONG, payload)


@given(
    st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.PING, Opcode.CLOSE]), st.binary(max_size=200))), st.data()
)
def test_any_cutting_of_a_servers_bytes_gives_the_same_frames(said, data) -> None:
    stream = said_by_a_server(*(Frame(opcode, payload) for opcode, payload in said))
    reader, found = frames.Reader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.receive(stream[:size])
        stream = stream[size:]
    assert [(one.opcode, one.payload) for one in found] == said


@pytest.mark.parametrize("length", LENGTHS)
def test_a_servers_frame_of_any_length_is_read(length: int) -> None:
    (found,) = frames.Reader().receive(said_by_a_server(Frame(Opcode.BINARY, bytes(length))))
    assert found == frames.Heard(frames.BINARY, bytes(length))


def test_the_key_is_there_as_servers_hang_up_without_one() -> None:
    with pytest.raises(AssertionError):
        assert heard_by_a_server(Frame(Opcode.TEXT, b"x").serialize(mask=False))
    assert Protocol(CLIENT)  # the other side of the same library, for whoever reads this
