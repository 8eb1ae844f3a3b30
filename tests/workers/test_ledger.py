"""The ledger: limits hold over all workers, and what a worker held is free when it is gone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.workers.ledger import Ledger

LIMITS = {"calls": 5, "key a": 2, "tenant t": 3}
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["take", "give", "forget"]),
        st.integers(1, 3),
        st.sets(st.sampled_from(sorted(LIMITS)), min_size=1),
    )
)


@given(ACTIONS)
def test_no_counter_ever_exceeds_its_limit_nor_differs_from_what_the_workers_hold(actions) -> None:
    ledger, held = Ledger(), {worker: Counter() for worker in (1, 2, 3)}
    for what, worker, names in actions:
        if what == "take":
            full = [name for name in sorted(names) if sum(one[name] for one in held.values()) >= LIMITS[name]]
            assert ledger.take(worker, [(name, LIMITS[name]) for name in sorted(names)]) == (full[0] if full else "")
            held[worker].update([] if full else names)
        elif what == "give":
            if all(held[worker][name] for name in names):
                ledger.give_back(worker, sorted(names))
                held[worker].subtract(names)
        else:
            assert ledger.forget(worker) == held.pop(worker).total()
            held[worker] = Counter()
        for name, limit in LIMITS.items():
            assert ledger.count(name) == sum(one[name] for one in held.values()) <= limit


def test_where_one_of_several_is_full_none_is_taken() -> None:
    ledger = Ledger()
    assert ledger.take(1, [("calls", 9), ("key a", 1)]) == ""
    assert ledger.take(2, [("calls", 9), ("key a", 1)]) == "key a"
    assert ledger.count("calls") == 1


def test_a_lower_limit_of_a_new_configuration_counts_what_was_taken_under_the_old_one() -> None:
    ledger = Ledger()
    for _ in range(3):
        assert ledger.take(1, [("calls", 3)]) == ""
    assert ledger.take(2, [("calls", 2)]) == "calls"


def test_giving_back_what_is_not_held_is_an_error_and_changes_nothing() -> None:
    ledger = Ledger()
    ledger.take(1, [("calls", 3), ("key a", 3)])
    with pytest.raises(ValueError, match="worker 2 gives back 'calls', of which it holds none"):
        ledger.give_back(2, ["calls"])
    with pytest.raises(ValueError, match="'key b'"):
        ledger.give_back(1, ["calls", "key b"])
    assert ledger.count("calls") == 1


def test_a_claim_has_one_holder_until_it_has_given_it_up_as_often_as_it_claimed() -> None:
    ledger = Ledger()
    assert ledger.claim(1, "call") == 1
    assert ledger.claim(2, "call") == 1
    assert ledger.claim(1, "call") == 1
    ledger.disclaim(1, "call")
    assert ledger.claim(2, "call") == 1
    ledger.disclaim(1, "call")
    assert ledger.claim(2, "call") == 2


def test_only_who_holds_a_claim_can_give_it_up() -> None:
    ledger = Ledger()
    ledger.claim(1, "call")
    for worker, name in ((2, "call"), (1, "other")):
        with pytest.raises(ValueError, match="does not hold"):
            ledger.disclaim(worker, name)


def test_the_claims_of_a_worker_that_is_gone_are_free() -> None:
    ledger = Ledger()
    ledger.claim(1, "a")
    ledger.claim(1, "a")
    ledger.claim(2, "b")
    assert ledger.forget(1) == 1
    assert (ledger.claim(2, "a"), ledger.claim(1, "b")) == (2, 2)
