"""The beginning of a stream: read up to the start, and handed on without losing anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamer.wire
from streamer.session import OUR_FAULT
from streamer.wire.events import Audio, Encoding, Fault, Message, Pause, Reply, Role, Start, Stop
from streamer.workers.opening import MAY_BE_PARTS, OpenedDialect, OpenedPeer, Opening

START = Start("CA1", (Role.CUSTOMER,), Encoding.PCMU, 8000, is_part=True)


class Peer:
    """Says what it is given; then hangs up, or says nothing more."""

    def __init__(self, *said: Message, hangs_up: bool = True) -> None:
        self.said = list(said)
        self.hangs_up = hangs_up
        self.heard: list[Message] = []
        self.closed: tuple[int, str] | None = None
        self.settled = False
        self.more: asyncio.Queue[Message] = asyncio.Queue()

    async def messages(self) -> AsyncIterator[Message]:
        while self.said:
            yield self.said.pop(0)
        while not self.hangs_up:
            yield await self.more.get()

    async def send(self, message: Message) -> None:
        self.heard.append(message)

    async def close(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def settle(self) -> None:
        self.settled = True


class Dialect:
    """A message is the event of its name; `start+audio` is two of them."""

    name = "asterisk"
    peer_closes = True

    def __init__(self) -> None:
        self.unknown_events = 0

    def receive(self, message: Message) -> list:
        kinds = {
            "start": START,
            "whole": Start("CA2", (Role.CUSTOMER,), Encoding.PCMU, 8000),
            "ask": Reply("answer"),
            "pause": Pause(),
            "wrong": Fault("bad", "bad"),
            "stop": Stop(),
        }
        if isinstance(message, bytes):
            return [Audio(0, message)]
        if message == "defect":
            raise ZeroDivisionError
        if message == "strange":
            self.unknown_events += 1
            return []
        return [kinds[word] for word in message.split("+")]

    def closed(self) -> list:
        return [Stop()]

    def ready(self, session_id: str, analysed: tuple[str, ...]) -> list[Message]:
        return [f"ready {session_id} {','.join(analysed)}"]

    def event(self, event: bytes) -> list[Message]:
        return [event]

    def fault(self, fault: Fault) -> list[Message]:
        return [f"fault {fault.code} {fault.message} {fault.close_code}"]

    def ended(self, utterances: int) -> list[Message]:
        return [f"ended {utterances}"]


async def opened(*said: Message, hangs_up: bool = True) -> tuple[Opening, Peer]:
    peer = Peer(*said, hangs_up=hangs_up)
    opening = Opening(peer, Dialect())
    await opening.read(60)
    return opening, peer


async def served(opening: Opening) -> list:
    """Return what a session of this process would be told."""
    peer, dialect = OpenedPeer(opening), OpenedDialect(opening)
    return [event async for message in peer.messages() for event in dialect.receive(message)] + dialect.closed()


async def test_it_reads_up_to_the_start_and_answers_what_comes_before() -> None:
    opening, peer = await opened("strange", "ask", "start", b"audio")
    assert opening.call_id == "CA1"
    assert opening.events == [START]
    assert peer.heard == ["answer"]
    assert peer.said == [b"audio"]


@pytest.mark.parametrize(
    ("said", "call"),
    [(["start+pause"], "CA1"), (["whole"], ""), (["wrong", "start"], ""), (["ask"], ""), ([], ""), (["stop"], "")],
)
async def test_only_a_start_that_is_a_part_belongs_to_a_call_of_several_streams(said: list[str], call: str) -> None:
    opening, _ = await opened(*said)
    assert opening.call_id == call


WORDS = st.lists(st.sampled_from(["ask", "strange", "pause", "whole", "start", "start+ask+pause", "stop", b"a", b"b"]))


@given(WORDS)
def test_a_session_is_told_what_it_would_have_been_told_from_the_first_message(said: list[Message]) -> None:
    async def both() -> None:
        opening, peer = await opened(*said)
        told = await served(opening)
        answered = [Reply(str(message)) for message in peer.heard]
        whole = [event for message in said for event in Dialect().receive(message)] + [Stop()]
        assert answered + told == whole

    asyncio.run(both())


def test_streams_are_looked_at_in_just_those_dialects_that_can_make_parts_of_a_call() -> None:
    wire = Path(streamer.wire.__file__).parent
    makes = {file.stem for file in wire.glob("*.py") if "is_part=" in file.read_text("utf-8")}
    assert makes == MAY_BE_PARTS


async def test_a_defect_of_the_dialect_ends_the_stream_as_in_a_session() -> None:
    opening, _ = await opened("defect")
    assert opening.events == [OUR_FAULT]


async def test_one_who_says_nothing_in_time_is_left_to_the_session_and_nothing_of_him_is_lost() -> None:
    peer = Peer("ask", hangs_up=False)
    opening = Opening(peer, Dialect())
    await opening.read(0)
    assert opening.call_id == ""
    messages = OpenedPeer(opening).messages()
    for word in ("start", "pause"):
        peer.more.put_nowait(word)
        assert await anext(messages) in {"ask", "start", "pause"}
    pending = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0)
    pending.cancel()
    await asyncio.wait([pending])


async def test_the_rest_is_that_of_the_peer_and_of_its_dialect() -> None:
    opening, peer = await opened("strange", "start")
    here, dialect = OpenedPeer(opening), OpenedDialect(opening)
    await here.send("x")
    here.settle()
    await here.close(1000, "done")
    assert (peer.heard, peer.settled, peer.closed) == (["x"], True, (1000, "done"))
    assert (dialect.name, dialect.peer_closes, dialect.unknown_events) == ("asterisk", True, 1)
    dialect.unknown_events = 5
    assert opening.dialect.unknown_events == 5
    assert dialect.ready("s", ("customer",)) == ["ready s customer"]
    assert dialect.event(b"e") == [b"e"]
    assert dialect.fault(Fault("c", "m")) == ["fault c m 1008"]
    assert dialect.ended(3) == ["ended 3"]
