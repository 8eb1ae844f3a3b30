"""Orders and reports: whole, in order, with the socket that belongs to each, and an end that is noticed."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.workers import channel
from streamer.workers.channel import ChannelError, Reports, pack, read, read_order, send_order

SAID = st.recursive(st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text() | st.binary(), st.lists)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


async def heard(*pieces: bytes) -> list:
    reader = asyncio.StreamReader()
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    found = []
    while (said := await read(reader)) is not None:
        found.append(said)
    return found


@given(st.lists(SAID.filter(lambda said: said is not None)), st.data())
def test_reports_come_as_they_were_sent_however_they_are_cut(said, data) -> None:
    stream = b"".join(map(pack, said))
    at = data.draw(st.integers(0, len(stream)))
    assert asyncio.run(heard(stream[:at], stream[at:])) == said


async def test_a_report_that_is_cut_off_is_the_end() -> None:
    assert await heard(pack(["a"]) + pack(["b"])[:-1]) == [["a"]]


@pytest.mark.parametrize(
    ("stream", "said"),
    [(struct.pack("!I", 2**31), "a report of 2147483648 bytes"), (struct.pack("!I", 1) + b"\xc1", "cannot be read")],
)
async def test_what_is_no_report_is_an_error(stream: bytes, said: str) -> None:
    with pytest.raises(ChannelError, match=said):
        await heard(stream)


def answering(theirs: socket.socket, *answers: object) -> threading.Thread:
    """Answer each question with the next answer, in two pieces; then hang up."""

    def answer() -> None:
        for one in answers:
            theirs.recv(4096)
            whole = pack(one)
            theirs.sendall(whole[:3])
            theirs.sendall(whole[3:])
        theirs.recv(4096)
        theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_who_asks_waits_for_the_answer(pair) -> None:
    ours, theirs = pair
    thread = answering(theirs, "", [1, "two"])
    reports = Reports(ours)
    assert reports.ask("take", [["calls", 3]]) == ""
    assert reports.ask("assignment") == [1, "two"]
    with pytest.raises(ChannelError, match="does not answer: it is gone"):
        reports.ask("take")
    thread.join()
    reports.close()


def test_one_who_asks_a_supervisor_that_hangs_is_told_so(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "ANSWER_WITHIN_S", 0.01)
    with pytest.raises(ChannelError, match="does not answer: timed out"):
        Reports(pair[0]).ask("take")


def test_telling_one_who_is_gone_is_no_error(pair) -> None:
    ours, theirs = pair
    reports = Reports(ours)
    reports.tell("gone")
    assert theirs.recv(4096) == pack(["gone"])
    theirs.close()
    reports.tell("gone")


def test_orders_come_in_order_each_with_its_connection(pair) -> None:
    ours, theirs = pair
    theirs.settimeout(0)
    near, far = socket.socketpair()
    with near:
        with far:
            assert send_order(ours, b"c", far)
            assert send_order(ours, b"r")
        assert send_order(ours, b"a", near)
        orders = [read_order(theirs) for _ in range(3)]
        assert [order for order, _ in orders] == [b"c", b"r", b"a"]
        connection = orders[0][1]
        assert connection is not None
        assert not connection.get_inheritable()
        near.sendall(b"hello")
        assert connection.recv(5) == b"hello"
        connection.close()
        assert near.recv(1) == b""
        assert orders[1][1] is None
        assert orders[2][1] is not None
        orders[2][1].close()
    with pytest.raises(BlockingIOError):
        read_order(theirs)


def test_the_end_of_the_orders_is_an_empty_one(pair) -> None:
    ours, theirs = pair
    ours.close()
    assert read_order(theirs) == (b"", None)


def test_orders_are_not_given_to_one_who_is_gone_or_far_behind(pair) -> None:
    ours, theirs = pair
    ours.settimeout(0)
    while send_order(ours, b"f"):
        pass
    assert read_order(theirs) == (b"f", None)
    theirs.close()
    assert not send_order(ours, b"f")


def test_an_order_channel_that_breaks_is_at_its_end() -> None:
    class Broken:
        family, type, proto = socket.AF_UNIX, socket.SOCK_STREAM, 0

        def recvmsg(self, *_: object) -> None:
            raise ConnectionResetError

    assert read_order(Broken()) == (b"", None)  # type: ignore[arg-type]
