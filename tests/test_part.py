"""Where a stream's audio stands on the clock of a call that others carry too. No model, no sound: only places."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config import SpeechSettings
from streamer.leg import Leg
from streamer.part import JITTER_MS, Arrivals, Part
from streamer.wire.events import Audio, Encoding, Role, Start

SECOND = bytes(8000)
BEGAN_S = 5000.0


def leg(role: Role = Role.CUSTOMER) -> Leg:
    return Leg(role, 0, encoding=Encoding.PCMU, rate_hz=8000, speech=SpeechSettings(), model=None)


def part(arrivals: Arrivals, *legs: Leg, **more: Any) -> Part:
    begun = {"call_id": "CA1", "roles": tuple(one.role for one in legs), "encoding": Encoding.PCMU, "rate_hz": 8000}
    return Part(Start(**{**begun, "is_part": True, **more}), legs, arrivals)


def seconds(one: Part, arrives_s: float, number: int, media_ms: float | None = None, channel: int = 0) -> None:
    """Let seconds of audio arrive, the first at a time on the call's clock, the others as in life."""
    for turn in range(number):
        at_ms = None if media_ms is None else media_ms + 1000 * turn
        one.take(Audio(channel, SECOND, at_ms), BEGAN_S + arrives_s + turn)


@pytest.fixture(params=[False, True], ids=["counted", "with a clock"])
def has_clock(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_the_first_part_begins_where_its_sender_says(has_clock: bool) -> None:
    one = leg()
    seconds(part(Arrivals(), one, has_media_clock=has_clock), 0, 3, 0 if has_clock else None)
    assert one.position_ms == 3000
    late = leg()
    seconds(part(Arrivals(), late, has_media_clock=True), 0, 3, 700)
    assert late.position_ms == 3700
    assert late.timeline.counters.hole_ms == 0


@pytest.mark.parametrize(("joins_s", "stands_ms"), [(0, 0), (0.4, 0), (0.5, 500), (7.25, 7250)])
def test_one_that_joins_later_begins_where_it_arrives(has_clock: bool, joins_s: float, stands_ms: int) -> None:
    arrivals, one, other = Arrivals(), leg(), leg(Role.AGENT)
    clock_ms = 0 if has_clock else None
    seconds(part(arrivals, one, has_media_clock=has_clock), 0, 1, clock_ms)
    seconds(part(arrivals, other, has_media_clock=has_clock), joins_s, 2, clock_ms)
    assert other.position_ms == stands_ms + 2000
    assert other.missed_ms == 0, "it was not there to be missed"
    assert other.timeline.counters.hole_ms == 0


def test_one_that_comes_back_goes_on_behind_a_gap_of_what_was_missed(has_clock: bool) -> None:
    arrivals, one = Arrivals(), leg()
    clock_ms = 0 if has_clock else None
    seconds(part(arrivals, one, has_media_clock=has_clock), 0, 10, clock_ms)
    one.finish()
    seconds(part(arrivals, one, has_media_clock=has_clock), 13, 2, clock_ms)
    assert one.position_ms == 15_000
    assert one.missed_ms + one.timeline.counters.hole_ms == 3000


def test_a_clock_that_was_carried_on_over_a_break_is_believed() -> None:
    arrivals, one = Arrivals(), leg()
    seconds(part(arrivals, one, has_media_clock=True), 0, 10, 0)
    one.finish()
    seconds(part(arrivals, one, has_media_clock=True), 13.3, 2, 13_000)
    assert one.position_ms == 15_000


def test_media_time_never_goes_back_when_a_fast_sender_comes_back(has_clock: bool) -> None:
    arrivals, one = Arrivals(), leg()
    first = part(arrivals, one, has_media_clock=has_clock)
    for turn in range(10):
        first.take(Audio(0, SECOND, turn * 1000 if has_clock else None), BEGAN_S)
    one.finish()
    seconds(part(arrivals, one, has_media_clock=has_clock), 0.1, 2, 0 if has_clock else None)
    assert one.position_ms == 12_000
    assert one.timeline.counters.duplicate_ms == one.timeline.counters.late_ms == 0


def test_all_channels_of_a_part_stand_at_the_same_place() -> None:
    arrivals, one, other = Arrivals(), leg(), leg(Role.AGENT)
    seconds(part(arrivals, leg()), 0, 1)
    both = part(arrivals, one, other)
    seconds(both, 4, 2)
    seconds(both, 6, 2, channel=1)
    assert one.position_ms == other.position_ms == 6000


@pytest.mark.parametrize("nonsense", [None, -5.0, float("nan"), float("inf"), 1e14])
def test_a_clock_that_is_none_places_nothing_until_it_says_something(nonsense: float | None) -> None:
    arrivals, one = Arrivals(), leg()
    seconds(part(arrivals, leg(), has_media_clock=True), 0, 1, 0)
    joining = part(arrivals, one, has_media_clock=True)
    joining.take(Audio(0, SECOND, nonsense), BEGAN_S + 4)
    assert one.position_ms == 1000
    seconds(joining, 5, 1, 1000)
    assert one.position_ms == 6000


def test_a_message_without_audio_places_nothing() -> None:
    arrivals, one = Arrivals(), leg()
    seconds(part(arrivals, leg()), 0, 1)
    joining = part(arrivals, one)
    joining.take(Audio(0, b""), BEGAN_S + 2)
    seconds(joining, 4, 1)
    assert one.position_ms == 5000


def test_a_stream_that_is_the_whole_call_is_never_shifted(has_clock: bool) -> None:
    arrivals, one = Arrivals(), leg()
    seconds(part(arrivals, leg()), 0, 1)
    seconds(part(arrivals, one, is_part=False, has_media_clock=has_clock), 60, 2, 0 if has_clock else None)
    assert one.position_ms == 2000


@settings(max_examples=50, deadline=None)
@given(breaks=st.lists(st.tuples(st.integers(1, 4), st.floats(0, 20)), min_size=1, max_size=6), has_clock=st.booleans())
def test_however_often_a_live_part_breaks_off_its_place_follows_its_arrival(breaks, has_clock: bool) -> None:
    arrivals, one = Arrivals(), leg()
    at_s = 0.0
    for spoken_s, silent_s in breaks:
        seconds(part(arrivals, one, has_media_clock=has_clock), at_s, spoken_s, 0 if has_clock else None)
        one.finish()
        at_s += spoken_s
        # What is jitter at one break may add up over several, but never to more than jitter.
        assert -JITTER_MS - 20 * len(breaks) <= at_s * 1000 - one.position_ms - JITTER_MS <= 20 * len(breaks)
        at_s += silent_s
