"""Admission: the count is exact whatever happens, and every slot comes back once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.limits import Admission, Slot


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from(["acquire", "release", "drain"]), st.integers(0, 9))))
def test_the_count_is_always_that_of_the_slots_out_and_never_above_the_limit(
    max_calls: int, steps: list[tuple[str, int]]
) -> None:
    admission = Admission(max_calls)
    every: list[Slot] = []
    out: set[int] = set()
    for step, which in steps:
        if step == "acquire":
            slot = admission.acquire()
            assert (slot is None) == (admission.draining or len(out) == max_calls)
            if slot is not None:
                out.add(len(every))
                every.append(slot)
        elif step == "release" and every:
            # Any slot that ever was, also one given back before: the second time must not count.
            every[which % len(every)].release()
            out.discard(which % len(every))
        elif step == "drain":
            admission.drain()
        assert admission.active == len(out)
        assert admission.full == (len(out) == max_calls)


def test_leaving_the_block_gives_the_slot_back_also_by_an_error() -> None:
    admission = Admission(1)

    def serve() -> None:
        slot = admission.acquire()
        assert slot is not None
        with slot:
            assert admission.active == 1
            raise ConnectionError("the call breaks")

    with pytest.raises(ConnectionError):
        serve()
    assert admission.active == 0


async def test_a_cancelled_call_gives_its_slot_back() -> None:
    admission = Admission(1)
    serving = asyncio.Event()

    async def serve() -> None:
        slot = admission.acquire()
        assert slot is not None
        with slot:
            serving.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await serving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert admission.active == 0


async def test_waiting_for_the_last_call_ends_when_it_does() -> None:
    admission = Admission(2)
    first, second = admission.acquire(), admission.acquire()
    assert first is not None
    assert second is not None
    admission.drain()
    waiting = asyncio.create_task(admission.wait_empty())
    first.release()
    await asyncio.wait([waiting], timeout=0)
    assert not waiting.done()
    second.release()
    await waiting


async def test_with_no_call_there_is_nothing_to_wait_for() -> None:
    await Admission(1).wait_empty()


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"server\.max_calls: got 0"):
        Admission(0)
