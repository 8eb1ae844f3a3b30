"""What a load came to: nothing that speaks against it is left out."""

from __future__ import annotations

import random
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bench.outcome import LATE_MS, TOLERANCE_MS, Outcome, Spread, judge
from streamer.bench.plan import Plan, schedule
from streamer.bench.speech import RATE_HZ, demo_call, talk
from streamer.bench.tape import tape

BEGAN_S = 100.0
PLAN = Plan(port=1, mqtt_port=2, calls=3, seconds=12.0, tapes=2, dialect="twilio")
CALL = demo_call()
TALKS = [talk(random.Random(seed), PLAN.rounds * PLAN.period_s, CALL) for seed in (1, 2)]
TAPES = [tape("twilio", one, PLAN.frame_ms, 32 * "a") for one in TALKS]


def senders(late_s: float = 0.0) -> list[tuple[int, float, array]]:
    """What was sent where nothing held anybody up."""
    found = []
    for one in schedule(PLAN, 2):
        due_s = [
            BEGAN_S + number * PLAN.period_s + one.phase_s + late_s for number in range(one.first_round, PLAN.rounds)
        ]
        found.append((one.first_round, one.phase_s, array("d", due_s)))
    return found


def event(call: int, end_ms: float, role: str = "customer", run: str = PLAN.run) -> bytes:
    said = {
        "data": {
            "call": {"id": f"{run}-c{call:05d}"},
            "speaker": {"role": role},
            "utterance": {"n": 1, "start_ms": 0, "end_ms": end_ms},
            "latency": {"hangover_ms": 400, "queue_ms": 1.5, "compute_ms": 2.5},
        }
    }
    return msgspec.json.encode(said)


def everything(after_ms: float = 10.0, shift_ms: float = 0.0) -> list[tuple[float, bytes]]:
    """All events that must come, each so long after the frame that ended its hangover."""
    heard, sent = [], senders()
    for call in range(PLAN.calls):
        of_customer = sent[2 * call][2]
        for turn in TALKS[call % 2].spoken:
            end_ms = turn.end * 1000 / RATE_HZ + shift_ms
            frame = int((end_ms + PLAN.hangover_ms - 0.2) / PLAN.frame_ms)
            if turn.channel == 0 and frame < len(of_customer):
                heard.append((of_customer[frame] + after_ms / 1000, event(call, end_ms)))
    return heard


def judged(heard: list[tuple[float, bytes]], sent: list[tuple[int, float, array]] | None = None) -> Outcome:
    return judge(PLAN, TAPES, sent or senders(), BEGAN_S, heard, cut=0, stuck=0)


def test_where_all_came_nothing_is_lost_and_each_took_as_long_as_it_took() -> None:
    found = judged(everything(10.0))
    assert found.expected > 4
    assert (found.lost, found.twice, found.unexpected) == (0, 0, 0)
    assert found.latency.count > 3
    assert found.latency.p50 == pytest.approx(10.0, abs=1e-3)
    assert found.latency.most == pytest.approx(10.0, abs=1e-3)
    assert (found.queue.p50, found.compute.p50) == (1.5, 2.5)
    assert found.legs == 6


@given(st.data())
def test_what_did_not_come_is_lost(data: st.DataObject) -> None:
    heard = everything()
    kept = data.draw(st.lists(st.sampled_from(range(len(heard))), unique=True))
    found = judged([heard[number] for number in kept])
    whole = judged(heard)
    assert found.expected == whole.expected
    assert found.lost >= whole.expected - len(kept)
    assert found.lost == 0 or len(kept) < len(heard)


def test_an_event_that_came_twice_is_said_to() -> None:
    heard = everything()
    assert judged([*heard, heard[0]]).twice == 1


def test_an_event_where_nobody_spoke_is_unexpected() -> None:
    ends = [turn.end * 1000 / RATE_HZ for turn in TALKS[0].spoken if turn.channel == 0]
    nobody_ms = ends[0] + 2 * TOLERANCE_MS
    assert judged([*everything(), (BEGAN_S + 5, event(0, nobody_ms))]).unexpected == 1


def test_events_of_other_runs_and_of_roles_that_are_not_wanted_are_none_of_ours() -> None:
    strangers = [(BEGAN_S + 5, event(0, 700.0, run="other")), (BEGAN_S + 5, event(0, 700.0, role="agent"))]
    assert judged([*everything(), *strangers]) == judged(everything())


@given(st.floats(-200, 200))
def test_a_detector_that_hears_the_end_elsewhere_is_not_wrong_and_how_far_is_said(shift_ms: float) -> None:
    found = judged(everything(5.0, shift_ms))
    assert found.lost == 0
    assert found.tail.p50 == pytest.approx(shift_ms, abs=0.01)


def test_a_generator_that_was_late_makes_the_load_void() -> None:
    assert not judged(everything()).is_void
    late = judged(everything(), senders(late_s=2 * LATE_MS / 1000))
    assert late.late.p50 == pytest.approx(2 * LATE_MS, abs=0.01)
    assert late.is_void


def test_frames_are_counted_while_it_is_measured_only() -> None:
    rounds = round((PLAN.ends_s - PLAN.begins_s) / PLAN.period_s)
    assert judged([]).frames == rounds * 2 * PLAN.calls


def test_a_native_calls_legs_are_judged_by_their_one_sender() -> None:
    plan = msgspec.structs.replace(PLAN, dialect="native")
    tapes = [tape("native", one, plan.frame_ms, 32 * "a") for one in TALKS]
    sent = senders()[::2]
    found = judge(plan, tapes, sent, BEGAN_S, everything(7.0), cut=1, stuck=2)
    assert (found.lost, found.cut, found.stuck) == (0, 1, 2)


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_a_spread_is_in_order(values: list[float]) -> None:
    found = Spread.of(values)
    assert min(values) <= found.p50 <= found.p99 <= found.p999 <= found.most == max(values)
    assert found.count == len(values)


def test_a_spread_of_nothing_is_nothing() -> None:
    assert Spread.of([]) == Spread()


def test_a_hangover_that_ends_with_a_frame_is_over_when_that_frame_is_sent_and_not_with_the_next() -> None:
    sent = senders()
    heard = []
    for turn in TALKS[0].spoken:
        end_ms = turn.end * 1000 // RATE_HZ // PLAN.frame_ms * PLAN.frame_ms
        last = (end_ms + PLAN.hangover_ms) // PLAN.frame_ms - 1
        if turn.channel == 0 and last < len(sent[0][2]):
            heard.append((sent[0][2][last] + 0.003, event(0, end_ms)))
    found = judged(heard, sent)
    assert found.latency.count > 0
    assert found.latency.p50 == pytest.approx(3.0, abs=1e-3)
