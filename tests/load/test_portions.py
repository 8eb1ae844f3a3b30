"""What came is fed in portions: all of it, in order, with turns for others, and never past a reader who is behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.load.portions import PORTION_BYTES, Portions


class Transport:
    """Says whether it is read."""

    def __init__(self) -> None:
        self.reads = True
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert self.reads, "paused twice"
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads, "resumed twice"
        self.reads = True


class Turns:
    """A loop whose turns are taken by hand."""

    class Turn:
        def __init__(self, work: Any) -> None:
            self.work = work

        def cancel(self) -> None:
            self.work = None

    def __init__(self) -> None:
        self.waiting: list[Turns.Turn] = []

    def call_soon(self, work: Any) -> Turn:
        self.waiting.append(self.Turn(work))
        return self.waiting[-1]

    def take(self) -> bool:
        turns, self.waiting = [turn for turn in self.waiting if turn.work], []
        for turn in turns:
            turn.work()
        return bool(turns)


class Fed:
    """Portions with all that they need."""

    def __init__(self) -> None:
        self.transport, self.loop = Transport(), Turns()
        self.got: list[bytes] = []
        self.behind_after = -1
        self.portions = Portions(self.transport, self.take, self.loop)  # type: ignore[arg-type]

    def take(self, portion: bytes) -> None:
        self.got.append(portion)
        if len(self.got) == self.behind_after:
            self.portions.pause()


def test_a_usual_message_is_fed_at_once_and_the_transport_is_not_touched() -> None:
    fed = Fed()
    fed.portions.receive(b"x" * PORTION_BYTES)
    assert fed.got == [b"x" * PORTION_BYTES]
    assert fed.transport.reads
    assert not fed.loop.waiting


def test_of_a_large_read_one_portion_is_fed_in_each_turn_and_nothing_is_read_meanwhile() -> None:
    fed = Fed()
    fed.portions.receive(bytes(10 * PORTION_BYTES + 1))
    for turns in range(1, 11):
        assert len(fed.got) == turns
        assert not fed.transport.reads
        assert fed.loop.take()
    assert [len(portion) for portion in fed.got] == [PORTION_BYTES] * 10 + [1]
    assert fed.transport.reads
    assert not fed.loop.take()


def test_a_reader_who_is_behind_is_fed_nothing_until_it_has_caught_up() -> None:
    fed = Fed()
    fed.behind_after = 2
    fed.portions.receive(bytes(5 * PORTION_BYTES))
    while fed.loop.take():
        pass
    assert len(fed.got) == 2
    fed.portions.resume()
    assert not fed.transport.reads, "there is something left"
    while fed.loop.take():
        pass
    assert len(fed.got) == 5
    assert fed.transport.reads


def test_what_is_dropped_is_never_fed() -> None:
    fed = Fed()
    fed.portions.receive(bytes(5 * PORTION_BYTES))
    fed.portions.drop()
    ended: list[bool] = []
    fed.portions.finish(lambda: ended.append(True))
    assert ended
    assert not fed.loop.take()
    assert len(fed.got) == 1


def test_who_is_cut_off_at_the_end_has_his_end_all_the_same() -> None:
    fed = Fed()
    ended: list[bool] = []
    fed.portions.receive(bytes(5 * PORTION_BYTES))
    fed.portions.finish(lambda: ended.append(True))
    fed.portions.drop()
    assert not ended
    assert fed.loop.take()
    assert ended == [True]
    assert not fed.loop.take()
    assert len(fed.got) == 1


def test_a_transport_that_is_closing_is_left_alone() -> None:
    fed = Fed()
    fed.transport.closing = True
    fed.portions.pause()
    assert fed.transport.reads


@pytest.mark.parametrize("behind", ["never", "before", "after"])
@pytest.mark.parametrize("size", [0, 1, PORTION_BYTES, PORTION_BYTES + 1, 5 * PORTION_BYTES])
def test_what_came_before_the_end_is_fed_in_turns_and_then_it_is_the_end(size: int, behind: str) -> None:
    fed = Fed()
    ended: list[int] = []
    data = bytes(n % 251 for n in range(size))
    fed.portions.receive(data)
    if behind == "before":
        fed.portions.pause()
    fed.transport.closing = True
    fed.portions.finish(lambda: ended.append(len(fed.got)))
    if behind == "after":
        fed.portions.pause()
    turns = 0
    while fed.loop.take():
        turns += 1
    assert b"".join(fed.got) == data
    assert ended == [len(fed.got)]
    assert turns == max(0, -(-size // PORTION_BYTES) - 1)


deeds = st.lists(st.integers(0, 5 * PORTION_BYTES) | st.sampled_from(["pause", "resume", "turn"]), max_size=40)


@given(deeds)
def test_whatever_happens_every_byte_is_fed_once_and_in_order(done: list[int | str]) -> None:
    fed = Fed()
    sent = b""
    for deed in done:
        if isinstance(deed, int):
            data = bytes((len(sent) + n) % 251 for n in range(deed))
            sent += data
            fed.portions.receive(data)
        elif deed == "turn":
            fed.loop.take()
        else:
            getattr(fed.portions, deed)()
        assert b"".join(fed.got) == sent[: sum(map(len, fed.got))]
    fed.portions.resume()
    while fed.loop.take():
        pass
    assert b"".join(fed.got) == sent
    assert fed.transport.reads


async def test_others_have_their_turn_while_a_large_read_is_taken_apart() -> None:
    turns: list[str] = []
    portions = Portions(
        Transport(),  # type: ignore[arg-type]
        lambda _: turns.append("flood"),
        asyncio.get_running_loop(),
    )
    portions.receive(bytes(4 * PORTION_BYTES))
    for _ in range(4):
        turns.append("another")
        await asyncio.sleep(0)
    assert turns == ["flood", "another"] * 4
