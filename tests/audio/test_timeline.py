"""The media clock of one channel, in positions and counts."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.audio.timeline import Hole, Run, Timeline, TimelineCounters

RATE_HZ = 8000
MS = RATE_HZ // 1000
NOTHING = TimelineCounters(0, 0, 0, 0, 0, 0, 0)

SIGNAL = np.arange(1, 16_001, dtype=np.int16)
"""Two seconds in which each sample is its own position plus one; 0 is silence."""

Placed = list[Run | Hole]
Chunk = tuple[int, int]
"""Beginning and end in the signal, in samples."""


def laid(lengths_ms: list[int]) -> list[Chunk]:
    return [(sum(lengths_ms[:n]) * MS, sum(lengths_ms[: n + 1]) * MS) for n in range(len(lengths_ms))]


cuts = st.one_of(
    st.lists(st.integers(11, 30), min_size=1, max_size=40).map(laid),
    st.builds(lambda length_ms, n: laid([length_ms] * n), st.integers(3, 30), st.integers(1, 40)),
)
"""Chunks one after the other: longer than the tolerance, or all of one length."""


def place(timeline: Timeline, chunk: Chunk, first_ms: float = 0.0) -> Placed:
    start, end = chunk
    return timeline.place(SIGNAL[start:end], first_ms + start * 1000 / RATE_HZ)


def run(chunks: list[Chunk], first_ms: float = 0.0, timeline: Timeline | None = None) -> Placed:
    timeline = timeline or Timeline(RATE_HZ)
    return [item for chunk in chunks for item in place(timeline, chunk, first_ms)] + timeline.flush()


def tiles(found: Placed, begin: int = 0) -> bool:
    """Tell whether each item begins where the one before ended."""
    ends = [begin, *(item.end for item in found)]
    return all(item.start == end and item.end > item.start for item, end in zip(found, ends, strict=False))


def joined(found: Placed) -> NDArray[np.int16]:
    return np.concatenate([np.empty(0, np.int16), *(item.samples for item in found if isinstance(item, Run))])


def swapped(chunks: list[Chunk], delays_ms: list[int]) -> list[Chunk]:
    """Return the chunks as they come when each takes its delay; the first has none."""
    come = [start + delay * MS for (start, _), delay in zip(chunks, [0, *delays_ms], strict=False)]
    return [chunk for _, chunk in sorted(zip(come, chunks, strict=True), key=lambda pair: pair[0])]


delays = st.lists(st.integers(0, 70), min_size=40, max_size=40)
"""In ms: with chunks of up to 30 ms, all within a reorder window of 100 ms."""


@given(st.lists(st.integers(0, 16_000), max_size=30))
def test_without_a_media_clock_all_follows_on_by_count(edges: list[int]) -> None:
    timeline = Timeline(RATE_HZ)
    edges = [0, *sorted(edges), 16_000]
    found = [item for start, end in pairwise(edges) for item in timeline.place(SIGNAL[start:end])]
    assert tiles(found)
    assert np.array_equal(joined(found), SIGNAL)
    assert timeline.position == 16_000
    assert timeline.counters == NOTHING


@given(cuts, delays, st.sampled_from([0.0, 5.0, 8000.0]))
def test_any_chunking_and_any_order_within_the_window_give_the_same_samples(
    chunks: list[Chunk], delays_ms: list[int], first_ms: float
) -> None:
    timeline = Timeline(RATE_HZ)
    found = run(swapped(chunks, delays_ms), first_ms, timeline)
    assert tiles(found)
    assert not any(isinstance(item, Hole) for item in found if item.start)
    assert found[-1].end == chunks[-1][1] + first_ms * MS
    assert np.array_equal(joined(found), SIGNAL[: chunks[-1][1]])
    counters = timeline.counters
    assert (counters.lost_ms, counters.hole_ms, counters.late_ms, counters.duplicate_ms) == (0, 0, 0, 0)
    assert (counters.reordered > 0) == (swapped(chunks, delays_ms) != chunks)


@given(cuts, delays, st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=10))
def test_what_comes_twice_changes_nothing(
    chunks: list[Chunk], delays_ms: list[int], twice: list[tuple[int, int]]
) -> None:
    order = swapped(chunks, delays_ms)
    doubled = list(order)
    for which, later in twice:
        again = order[which % len(order)]
        doubled.insert(doubled.index(again) + 1 + later, again)
    timeline = Timeline(RATE_HZ)
    found = run(doubled, timeline=timeline)
    assert np.array_equal(joined(found), SIGNAL[: chunks[-1][1]])
    repeated_ms = sum(end - start for start, end in doubled) / MS - chunks[-1][1] / MS
    assert timeline.counters.duplicate_ms == pytest.approx(repeated_ms)
    assert timeline.counters.late_ms == 0


@given(cuts, delays, st.sets(st.integers(1, 39)))
def test_what_comes_stands_where_it_belongs_whatever_is_lost(
    chunks: list[Chunk], delays_ms: list[int], lost: set[int]
) -> None:
    kept = [chunk for n, chunk in enumerate(chunks) if n not in lost]
    timeline = Timeline(RATE_HZ)
    found = run(swapped(kept, delays_ms), timeline=timeline)
    assert tiles(found)
    for item in found:
        if isinstance(item, Run):
            truth = np.zeros(len(item.samples), np.int16) if item.lost else SIGNAL[item.start : item.end]
            assert np.array_equal(item.samples, truth)
    counters = timeline.counters
    missing_ms = (kept[-1][1] - sum(end - start for start, end in kept)) / MS
    assert counters.lost_ms + counters.hole_ms - counters.late_ms == pytest.approx(missing_ms)
    assert counters.duplicate_ms == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 900),
            st.none() | st.floats() | st.floats(0, 3000) | st.floats(0, 90_000_000) | st.just(math.nan),
        ),
        max_size=60,
    )
)
def test_no_timestamp_makes_it_raise_overlap_or_hold_without_end(chunks: list[tuple[int, float | None]]) -> None:
    timeline = Timeline(RATE_HZ)
    found: Placed = []
    for length, media_ms in chunks:
        found += timeline.place(SIGNAL[:length], media_ms)
        assert len(timeline._held) <= 64
        assert sum(len(samples) for _, samples in timeline._held) <= 64 * 100 * MS
    found += timeline.flush()
    assert tiles(found)
    assert timeline.position == (found[-1].end if found else 0)


def test_a_stream_that_begins_late_has_lost_nothing() -> None:
    timeline = Timeline(RATE_HZ)
    offset, first = timeline.place(SIGNAL[:160], 8005.0)
    assert offset == Hole(0, 64_040)
    assert (first.start, first.end) == (64_040, 64_200)
    assert timeline.counters == NOTHING


def test_jitter_within_the_tolerance_follows_on() -> None:
    timeline = Timeline(RATE_HZ)
    found = [timeline.place(SIGNAL[:160], 20 * n + jitter) for n, jitter in enumerate([0, 9, -9, 10, -10, 0])]
    assert [(item.start, item.end) for (item,) in found] == [(160 * n, 160 * (n + 1)) for n in range(6)]
    assert timeline.counters == NOTHING


def test_a_short_chunk_that_comes_twice_is_no_jitter() -> None:
    timeline = Timeline(RATE_HZ)
    run([(0, 80), (80, 160), (80, 160), (160, 240)], timeline=timeline)
    assert timeline.position == 240
    assert timeline.counters.duplicate_ms == 10


def test_a_short_missing_part_is_waited_for_and_then_filled_with_silence() -> None:
    timeline = Timeline(RATE_HZ)
    place(timeline, (0, 160))
    for start in (320, 480, 640, 800):
        assert place(timeline, (start, start + 160)) == []
    found = place(timeline, (960, 1120))
    assert [(item.start, item.end, item.lost) for item in found if isinstance(item, Run)] == [
        (160, 320, True),
        *((start, start + 160, False) for start in (320, 480, 640, 800, 960)),
    ]
    assert not np.any(joined(found[:1]))
    assert timeline.counters.lost_ms == 20


def test_what_comes_after_it_was_given_up_is_late_and_dropped() -> None:
    timeline = Timeline(RATE_HZ)
    run([(0, 160), (320, 480)], timeline=timeline)
    assert place(timeline, (160, 320)) == []
    assert timeline.counters.late_ms == 20
    assert timeline.counters.duplicate_ms == 0


def test_what_overlaps_the_past_is_used_from_where_it_is_new() -> None:
    timeline = Timeline(RATE_HZ)
    found = run([(0, 400), (240, 640)], timeline=timeline)
    assert np.array_equal(joined(found), SIGNAL[:640])
    assert timeline.counters.duplicate_ms == 20


def test_a_long_missing_part_is_a_hole_at_once() -> None:
    timeline = Timeline(RATE_HZ)
    place(timeline, (0, 160))
    hole, after = place(timeline, (3200, 3360))
    assert hole == Hole(160, 3040)
    assert after.start == 3200
    assert timeline.counters.hole_ms == 380
    assert timeline.counters.lost_ms == 0


@pytest.mark.parametrize("media_ms", [-20.0, math.nan, math.inf, -math.inf, 1.7e12, 1e304])
def test_an_absurd_position_is_ignored_and_counted(media_ms: float) -> None:
    timeline = Timeline(RATE_HZ)
    place(timeline, (0, 160))
    (follows,) = timeline.place(SIGNAL[160:320], media_ms)
    assert (follows.start, follows.end) == (160, 320)
    assert timeline.counters.bad_timestamps == 1


def test_a_clock_of_unix_time_is_no_clock() -> None:
    found = run([(0, 160), (160, 320), (320, 480)], first_ms=1.7e12)
    assert np.array_equal(joined(found), SIGNAL[:480])
    assert tiles(found)


def test_a_senders_clock_that_is_set_back_costs_two_seconds() -> None:
    timeline = Timeline(RATE_HZ)
    timeline.place(SIGNAL[:160], 0.0)
    timeline.place(SIGNAL[:160], 60_000.0)
    found = [timeline.place(SIGNAL[:160], 20.0 * n) for n in range(200)]
    assert [bool(placed) for placed in found] == [False] * 100 + [True] * 100
    assert tiles([item for placed in found for item in placed], begin=60_020 * MS)
    assert timeline.counters.clock_resets == 1


def test_one_old_chunk_sets_no_clock_back() -> None:
    timeline = Timeline(RATE_HZ)
    run([(n * 160, n * 160 + 160) for n in range(100)], timeline=timeline)
    assert timeline.place(SIGNAL[:160], 0.0) == []
    assert timeline.counters.clock_resets == 0
    assert timeline.position == 16_000


def test_a_gap_is_a_hole_and_no_loss() -> None:
    timeline = Timeline(RATE_HZ)
    timeline.place(SIGNAL[:160])
    assert timeline.gap(1500) == [Hole(160, 12_000)]
    (after,) = timeline.place(SIGNAL[:160])
    assert after.start == 12_160
    assert timeline.counters == NOTHING


def test_a_gap_lets_go_of_what_was_held_before_it() -> None:
    timeline = Timeline(RATE_HZ)
    place(timeline, (0, 160))
    place(timeline, (320, 480))
    assert [(item.start, item.end) for item in timeline.gap(20)] == [(160, 320), (320, 480), (480, 640)]


def test_a_gap_of_no_length_says_nothing() -> None:
    assert Timeline(RATE_HZ).gap(0) == []


@pytest.mark.parametrize("duration_ms", [-1.0, math.nan, math.inf, 1e9])
def test_a_gap_that_cannot_be_is_refused(duration_ms: float) -> None:
    with pytest.raises(ValueError, match="gap of"):
        Timeline(RATE_HZ).gap(duration_ms)


def test_no_samples_say_nothing() -> None:
    timeline = Timeline(RATE_HZ)
    assert timeline.place(SIGNAL[:0], 500.0) == []
    assert timeline.position == 0


def test_the_same_chunk_sent_again_and_again_is_not_kept_again_and_again() -> None:
    timeline = Timeline(RATE_HZ)
    place(timeline, (0, 160))
    for _ in range(64):
        assert place(timeline, (320, 480)) == []
    place(timeline, (320, 480))
    assert timeline.position == 480
    assert timeline._held == []
    assert timeline.counters.duplicate_ms == 64 * 20


def test_a_clock_that_stands_still_is_not_believed_for_long() -> None:
    timeline = Timeline(RATE_HZ)
    placed = [bool(timeline.place(SIGNAL[:160], 0.0)) for _ in range(400)]
    assert sum(placed[:304]) == 4
    assert all(placed[304:])


@pytest.mark.parametrize("field", ["tolerance_ms", "reorder_ms", "fill_ms"])
def test_a_negative_time_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="-1"):
        Timeline(RATE_HZ, **{field: -1.0})


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 Hz"):
        Timeline(0)


LENGTHS = [0, 1, 2, 3, 8, 79, 80, 81, 160, 160, 160, 320, 1600]
FAR_MS = [0.0, -1.0, 1e15, 1e300, math.inf, -math.inf, math.nan, 3.7e6, 86_400_001.0, 86_500_000.0]
stands = st.one_of(
    st.tuples(
        st.just("about"), st.sampled_from([0.0, 0.0, 0.0, 0.1, -0.1, 1, -1, 5, -5, 10, -10, 10.1, -10.1, 20, -20])
    ),
    st.tuples(st.just("about"), st.sampled_from([40.0, -40, 90, -90, 120, -120, 300, -300, -2500, 2500])),
    st.tuples(st.just("at"), st.one_of(st.sampled_from(FAR_MS), st.floats(0, 5000))),
    st.just(("nowhere", 0.0)),
)
"""Where a chunk says that it stands: so far from where the next is expected, there, or nothing."""
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("chunk"), st.sampled_from(LENGTHS), stands),
        st.tuples(st.just("chunk"), st.sampled_from(LENGTHS), stands),
        st.tuples(st.just("chunk"), st.just(160), st.just(("about", 0.0))),
        st.tuples(st.sampled_from(["gap", "flush"]), st.sampled_from([0, 1, 20, 1000]), stands),
    ),
    max_size=60,
)


def contents(found: Placed) -> list[tuple]:
    return [
        (one.start, one.end, one.lost, [int(sample) for sample in one.samples])
        if isinstance(one, Run)
        else (one.start, one.end)
        for one in found
    ]


@settings(max_examples=300)
@given(happenings, st.sampled_from([8000, 16_000]))
def test_what_follows_follows_as_if_it_had_been_placed(script: list[tuple], rate_hz: int) -> None:
    quick, slow = Timeline(rate_hz), Timeline(rate_hz)
    for n, (kind, length, (how, ms)) in enumerate(script):
        if kind == "gap":
            assert contents(quick.gap(length)) == contents(slow.gap(length))
            continue
        if kind == "flush":
            assert contents(quick.flush()) == contents(slow.flush())
            continue
        media_ms = None if how == "nowhere" else ms
        if how == "about":
            media_ms = (slow.position - slow._offset) * 1000 / rate_hz + ms  # as the sender counts
        samples = np.full(length, n + 1, np.int16)
        before = (quick.position, quick.counters)
        placed = contents(slow.place(samples, media_ms))
        if quick.follows(length, media_ms):
            assert placed == [(before[0], before[0] + length, False, [n + 1] * length)]
        else:
            assert (quick.position, quick.counters) == before, "nothing was taken"
            assert contents(quick.place(samples, media_ms)) == placed
        assert (quick.position, quick.counters) == (slow.position, slow.counters)
    assert contents(quick.flush()) == contents(slow.flush())


def test_what_simply_comes_next_follows() -> None:
    timeline = Timeline(RATE_HZ)
    assert not timeline.follows(160, 0.0), "the first is placed: it says where the stream begins"
    timeline.place(SIGNAL[:160], 0.0)
    assert all(timeline.follows(160, 20.0 * n + n % 3) for n in range(1, 100))
    assert all(timeline.follows(160) for _ in range(100))
    assert not timeline.follows(160, 4100.0), "something is missing"
    assert timeline.position == 200 * 160


@given(happenings)
def test_bytes_are_placed_as_samples_are(script: list[tuple]) -> None:
    codes, linear = Timeline(RATE_HZ, silence=bytes), Timeline(RATE_HZ)
    for n, (kind, length, (how, ms)) in enumerate(script):
        if kind == "chunk":
            media_ms = None if how == "nowhere" else ms + (linear.position / MS if how == "about" else 0)
            found = codes.place(bytes([n + 1]) * length, media_ms)
            expected = linear.place(np.full(length, n + 1, np.int16), media_ms)
        else:
            found, expected = ((one.gap(length) if kind == "gap" else one.flush()) for one in (codes, linear))
        assert all(type(one.samples) is bytes for one in found if isinstance(one, Run))
        assert contents(found) == contents(expected)
    assert contents(codes.flush()) == contents(linear.flush())
    assert (codes.position, codes.counters) == (linear.position, linear.counters)


def test_a_chunk_that_follows_ends_what_looked_like_a_clock_that_was_set_back() -> None:
    timeline = Timeline(RATE_HZ)
    timeline.place(np.zeros(5 * RATE_HZ, np.int16), 0.0)
    for n in range(30):
        assert timeline.place(SIGNAL[:1600], 100.0) == [], "a duplicate"
        assert timeline.follows(160, 5000.0 + 20 * n)
    assert timeline.counters.clock_resets == 0
    assert timeline.counters.duplicate_ms == 30 * 200
