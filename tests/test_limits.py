"""Admission: the count is exact whatever happens, and every slot comes back once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
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


@settings(deadline=None)
@given(
    st.integers(1, 6),
    st.dictionaries(st.sampled_from("ab"), st.integers(1, 4)),
    st.lists(st.tuples(st.sampled_from(["a", "b", "", "release"]), st.integers(0, 20)), max_size=60),
)
def test_no_key_ever_has_more_calls_than_it_may_and_none_less(
    max_calls: int, of_key: dict[str, int], steps: list[tuple[str, int]]
) -> None:
    admission = Admission(max_calls, of_key)
    out: list[tuple[str, Slot]] = []
    for key, which in steps:
        if key == "release":
            if out:
                out.pop(which % len(out))[1].release()
            continue
        its = sum(holder == key for holder, _ in out)
        has_room = its < of_key.get(key, max_calls)
        assert admission.key_full(key) is not (has_room or key not in of_key)
        slot = admission.acquire(key)
        assert (slot is not None) == (has_room and len(out) < max_calls)
        if slot is not None:
            out.append((key, slot))
    for _, slot in out:
        slot.release()
        slot.release()
    assert admission.active == 0
    assert not any(admission.key_full(key) for key in of_key)


def test_a_key_that_is_full_leaves_room_for_others_and_has_it_again_when_a_call_ends() -> None:
    admission = Admission(10, {"crm": 1})
    first = admission.acquire("crm")
    assert first is not None
    assert admission.acquire("crm") is None
    assert (admission.key_full("crm"), admission.full, admission.limit_of("crm")) == (True, False, 1)
    assert admission.acquire("pbx") is not None
    assert admission.limit_of("pbx") is None
    first.release()
    first.release()
    assert admission.acquire("crm") is not None
    assert admission.acquire("crm") is None


def test_a_limit_of_a_key_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="'crm': max_calls: got 0"):
        Admission(1, {"crm": 0})


@settings(deadline=None)
@given(
    st.integers(1, 8),
    st.dictionaries(st.sampled_from(["k1", "k2", "k3"]), st.integers(1, 4)),
    st.dictionaries(st.sampled_from(["acme", "bank"]), st.integers(1, 4)),
    st.lists(
        st.tuples(
            st.sampled_from(["call", "call", "release", "shed", "recover"]),
            st.sampled_from([("k1", "acme"), ("k2", "acme"), ("k3", "bank"), ("", "default"), ("", "bank")]),
            st.integers(0, 20),
        ),
        max_size=80,
    ),
)
def test_the_limits_of_node_keys_and_tenants_are_each_exact_whatever_happens(
    max_calls: int,
    of_key: dict[str, int],
    of_tenant: dict[str, int],
    steps: list[tuple[str, tuple[str, str], int]],
) -> None:
    admission = Admission(max_calls, of_key, of_tenant)
    out: list[tuple[str, str, Slot]] = []
    every: list[Slot] = []
    for step, (key, tenant), which in steps:
        if step == "release":
            if every:
                slot = every[which % len(every)]  # also one that was given back before
                slot.release()
                out = [one for one in out if one[2] is not slot]
        elif step in ("shed", "recover"):
            admission.overloaded = step == "shed"
        else:
            its_key = sum(one[0] == key for one in out)
            its_tenant = sum(one[1] == tenant for one in out)
            has_room = (
                len(out) < max_calls
                and its_key < of_key.get(key, max_calls)
                and its_tenant < of_tenant.get(tenant, max_calls)
            )
            taken = admission.acquire(key, tenant)
            assert (taken is not None) == (has_room and not admission.overloaded)
            if taken is not None:
                out.append((key, tenant, taken))
                every.append(taken)
        assert admission.active == len(out)
        for name, limit in of_tenant.items():
            assert admission.tenant_full(name) == (sum(one[1] == name for one in out) >= limit)
            assert admission.limit_of_tenant(name) == limit
        for name, limit in of_key.items():
            assert admission.key_full(name) == (sum(one[0] == name for one in out) >= limit)


def test_a_tenant_that_is_full_leaves_room_for_others_whichever_key_its_calls_come_by() -> None:
    admission = Admission(10, of_tenant={"acme": 2})
    first = admission.acquire("crm", "acme")
    assert first is not None
    assert admission.acquire("pbx", "acme") is not None
    assert admission.acquire("crm", "acme") is None
    assert admission.acquire("", "acme") is None
    assert admission.acquire("crm", "bank") is not None
    assert admission.limit_of_tenant("bank") is None
    first.release()
    assert admission.acquire("pbx", "acme") is not None


def test_a_limit_of_a_tenant_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"limits\.calls_per_tenant: 'acme': got 0"):
        Admission(1, of_tenant={"acme": 0})


def test_an_overloaded_node_takes_no_call_and_takes_them_again() -> None:
    admission = Admission(2)
    live = admission.acquire()
    assert live is not None
    admission.overloaded = True
    assert admission.acquire() is None
    live.release()
    admission.overloaded = False
    assert admission.acquire() is not None
