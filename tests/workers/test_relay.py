"""A relayed stream: the session at the other end is told, and says, what it would at the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.auth import Pass
from streamer.wire.events import (
    Audio,
    Encoding,
    Fault,
    Gap,
    Missing,
    Notice,
    Pause,
    Reply,
    Resume,
    Role,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)
from streamer.workers.channel import pack, read
from streamer.workers.opening import Opening
from streamer.workers.relay import Hello, RelayedPeer, hand_over, listen, packed, unpacked
from tests.workers.test_opening import START, Dialect, Peer

HELLO = Hello("acme CA1", "asterisk", True, "acme", "crm")  # noqa: FBT003 - by place, as it goes over the wire
FINITE = st.floats(allow_nan=False, allow_infinity=False)
EVENT = st.one_of(
    st.builds(
        Start,
        call_id=st.text(),
        roles=st.lists(st.sampled_from(Role)).map(tuple),
        encoding=st.sampled_from(Encoding),
        rate_hz=st.integers(1, 48_000),
        labels=st.dictionaries(st.text(), st.text()),
        notice=st.booleans(),
        speed=st.none() | FINITE,
        is_part=st.booleans(),
    ),
    st.builds(Audio, channel=st.integers(0, 7), payload=st.binary(), media_ms=st.none() | FINITE),
    st.builds(Gap, FINITE),
    st.builds(Missing, st.integers(-9, 9)),
    st.builds(Fault, st.text(), st.text(), st.integers(1000, 4999)),
    st.sampled_from([Pause(), Resume(), Notice(), Withdraw(), Stop()]),
)


@given(st.lists(EVENT))
def test_events_come_as_they_were_sent(events: list[WireEvent]) -> None:
    assert unpacked(packed(events)) == events


def test_the_dialects_answers_stay_where_the_socket_is() -> None:
    assert unpacked(packed([Reply("x"), Pause(), Reply(b"y")])) == [Pause()]


@asynccontextmanager
async def other_worker(path: Path, serve: Callable, *, takes: bool = True) -> AsyncIterator[list]:
    """Listen as the worker that carries the call; yields what was served."""
    served: list = []

    async def keep(peer: RelayedPeer, admitted: Pass, claim: str) -> None:
        served.append((peer, admitted, claim))
        await serve(peer)

    listener = await listen(path, lambda _: takes, keep)
    try:
        yield served
    finally:
        listener.close()
        await listener.wait_closed()


async def opening_of(*said: str | bytes, hangs_up: bool = True) -> tuple[Opening, Peer]:
    peer = Peer(*said, hangs_up=hangs_up)
    opening = Opening(peer, Dialect())
    await opening.read(60)
    return opening, peer


async def test_the_session_is_told_everything_and_its_words_reach_the_peer(tmp_path: Path) -> None:
    told: list[WireEvent] = []

    async def serve(peer: RelayedPeer) -> None:
        assert (peer.name, peer.peer_closes, peer.closed()) == ("asterisk", True, [])
        peer.settle()
        async for message in peer.messages():
            told.extend(peer.receive(message))
        for words in (
            peer.ready("s1", ("customer", "agent")),
            peer.event(b"{}"),
            peer.fault(Fault("c", "m", 1011)),
            peer.ended(2),
        ):
            for word in words:
                await peer.send(word)
        await peer.close(1000, "done")
        await peer.close(1000, "done")

    opening, peer = await opening_of("start", b"aa", "ask", "pause")
    async with other_worker(tmp_path / "w.sock", serve) as served:
        assert await hand_over(opening, HELLO, tmp_path / "w.sock")
    assert served[0][1:] == (Pass("acme", "crm"), "acme CA1")
    assert told == [START, Audio(0, b"aa"), Pause(), Stop()]
    assert peer.heard == ["answer", "ready s1 customer,agent", b"{}", "fault c m 1011", "ended 2"]
    assert peer.closed == (1000, "done")
    assert peer.settled


async def test_a_session_that_closes_first_closes_the_peer_in_full_flow(tmp_path: Path) -> None:
    async def serve(peer: RelayedPeer) -> None:
        await anext(peer.messages())
        await peer.close(1008, "policy")

    opening, peer = await opening_of("start", hangs_up=False)
    async with other_worker(tmp_path / "w.sock", serve):
        assert await hand_over(opening, HELLO, tmp_path / "w.sock")
    assert peer.closed == (1008, "policy")


async def test_a_worker_that_falls_ends_its_relayed_streams_in_words(tmp_path: Path) -> None:
    async def serve(peer: RelayedPeer) -> None:
        await anext(peer.messages())

    opening, peer = await opening_of("start", hangs_up=False)
    async with other_worker(tmp_path / "w.sock", serve):
        assert await hand_over(opening, HELLO, tmp_path / "w.sock")
    assert peer.closed is not None
    assert peer.closed[0] == 1011


async def test_a_call_that_is_no_more_is_not_served_there_and_nothing_is_lost(tmp_path: Path) -> None:
    async def never(_: RelayedPeer) -> None:
        raise AssertionError

    opening, peer = await opening_of("start", b"aa")
    assert not await hand_over(opening, HELLO, tmp_path / "nobody.sock")
    async with other_worker(tmp_path / "w.sock", never, takes=False):
        assert not await hand_over(opening, HELLO, tmp_path / "w.sock")
    assert opening.events == [START]
    assert peer.said == [b"aa"]
    assert peer.closed is None


async def test_a_peer_that_hangs_up_is_the_end_of_the_messages(tmp_path: Path) -> None:
    words: list = []

    async def serve(peer: RelayedPeer) -> None:
        words.extend([message async for message in peer.messages()])
        peer._writer.close()  # the other side is gone: what is said now reaches nobody
        await peer.send("x")

    opening, _ = await opening_of("start", "strange")
    async with other_worker(tmp_path / "w.sock", serve):
        assert await hand_over(opening, HELLO, tmp_path / "w.sock")
    assert [unpacked(word) for word in words] == [[START], [Stop()]]


async def test_who_says_no_hello_is_not_served(tmp_path: Path) -> None:
    async def never(_: RelayedPeer) -> None:
        raise AssertionError

    async with other_worker(tmp_path / "w.sock", never) as served:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "w.sock")
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert served == []


async def test_a_word_that_no_dialect_has_is_an_error(tmp_path: Path) -> None:
    async def serve(peer: RelayedPeer) -> None:
        await peer.send(pack(["sing"]).decode("latin-1").encode("latin-1"))
        await peer.send(pack(["close", 1000, ""]))

    opening, _ = await opening_of("start")
    async with other_worker(tmp_path / "w.sock", serve):
        with pytest.raises(ValueError, match="no word of it"):
            await hand_over(opening, HELLO, tmp_path / "w.sock")


async def test_a_hello_is_read_by_place() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(pack(HELLO))
    assert msgspec.convert(await read(reader), Hello) == HELLO
