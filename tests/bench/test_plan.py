"""The schedule: every leg has its moment, and no two begin a heap."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streamer.bench.plan import Plan, schedule


def plan(calls: int, frame_ms: int = 20, **more: float) -> Plan:
    return Plan(port=1, mqtt_port=2, calls=calls, frame_ms=frame_ms, seconds=10.0, **more)


PLANS = st.builds(plan, st.integers(1, 300), st.sampled_from([20, 40, 60, 80, 100]))
PLACES = st.sampled_from([1, 2])


@given(PLANS, PLACES)
def test_every_sender_of_every_call_is_there_once(made: Plan, places: int) -> None:
    found = Counter((sender.call, sender.place) for sender in schedule(made, places))
    assert found == Counter((call, place) for call in range(made.calls) for place in range(places))


@given(PLANS, PLACES)
def test_senders_are_due_in_order_and_evenly_within_the_period(made: Plan, places: int) -> None:
    phases = [sender.phase_s for sender in schedule(made, places)]
    step = made.period_s / len(phases)
    assert all(abs(phase - number * step) < 1e-9 for number, phase in enumerate(phases))
    assert phases[-1] < made.period_s


@given(PLANS, PLACES)
def test_both_legs_of_a_call_begin_in_the_same_round_in_the_order_of_their_numbers(made: Plan, places: int) -> None:
    rounds: dict[int, set[int]] = {}
    for sender in schedule(made, places):
        rounds.setdefault(sender.call, set()).add(sender.first_round)
    assert all(len(found) == 1 for found in rounds.values())


@given(PLANS, PLACES)
def test_all_calls_have_begun_and_warmed_up_before_measuring_begins(made: Plan, places: int) -> None:
    last_s = max(sender.first_round * made.period_s + sender.phase_s for sender in schedule(made, places))
    assert last_s <= made.spread_s + made.period_s
    assert made.begins_s >= made.spread_s + made.warm_s


@given(st.integers(50, 300))
def test_calls_begin_all_along_the_time_they_have_for_it(calls: int) -> None:
    made = plan(calls)
    quarters = Counter(int(4 * one.first_round * made.period_s / made.spread_s) for one in schedule(made, 1))
    assert all(quarters[number] >= calls // 8 for number in range(4))


@given(PLANS)
def test_measuring_lasts_as_long_as_asked_and_is_followed_by_a_hangover(made: Plan) -> None:
    assert made.ends_s - made.begins_s >= made.seconds - 1e-9
    assert made.rounds * made.period_s >= made.ends_s + made.hangover_ms / 1000
    assert made.legs == 2 * made.calls


@given(st.integers(0, 99_999))
def test_the_id_of_a_call_is_no_telephone_number_and_names_its_run(number: int) -> None:
    from streamer.bus.topics import call_id  # noqa: PLC0415 - only to see that it stays as it is

    made = plan(1)
    assert made.call_id(number).startswith(made.run)
    assert call_id(made.call_id(number), b"salt") == made.call_id(number)
