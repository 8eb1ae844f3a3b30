from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.tap.timeline import DELAY_MS, FRAME_MS, TOLERANCE_MS, WINDOW_S, Lane, Timeline

RATE_HZ = 8000


def numbered(first: int, count: int) -> np.ndarray:
    """Samples that tell which they are, never 0, which is silence."""
    return (np.arange(first, first + count) % 30000 + 1).astype(np.int16)


def drain(timeline: Timeline, until_s: float) -> np.ndarray:
    samples, _ = timeline.take(until_s)
    return samples


@given(
    blocks=st.lists(st.tuples(st.integers(1, 400), st.integers(1, 900)), min_size=1, max_size=60),
    takes=st.lists(st.floats(0, 4), max_size=20),
)
def test_devices_whose_clock_is_right_come_out_sample_by_sample_however_they_are_cut(blocks: Any, takes: Any) -> None:
    timeline = Timeline(RATE_HZ, 2)
    said = [0, 0]
    events: list[tuple[float, int, int]] = []
    for lane in (0, 1):
        end = 0
        for block in blocks:
            end += block[lane]
            events.append((end / RATE_HZ, lane, block[lane]))
    events += [(at_s, -1, 0) for at_s in takes]
    out = []
    for at_s, lane, count in sorted(events):
        if lane < 0:
            out.append(drain(timeline, at_s))
        else:
            timeline.put(lane, numbered(said[lane], count), at_s)
            said[lane] += count
    out.append(drain(timeline, max(said) / RATE_HZ + 1))
    whole = np.concatenate(out)
    for lane in (0, 1):
        assert np.array_equal(whole[: said[lane], lane], numbered(0, said[lane]))
        assert not whole[said[lane] :, lane].any()
    assert timeline.late == [0, 0]
    assert [(lane.inserted, lane.dropped) for lane in timeline.lanes] == [(0, 0), (0, 0)]


@settings(max_examples=25)  # each is a minute of a call
@given(
    drift=st.integers(-400, 400),
    jitter_ms=st.integers(0, 40),
    block=st.sampled_from([80, 160, 256, 480]),
    seed=st.integers(0, 1000),
)
def test_whatever_a_clock_drifts_each_sample_stays_where_it_was_said(
    drift: int, jitter_ms: int, block: int, seed: int
) -> None:
    """Drift in parts in a million; a block's lateness is drawn from 0 to so many ms."""
    random = Random(seed)
    lane = Lane(RATE_HZ)
    duration_s = 60.0
    said, off_ms = 0, []
    last_s = 0.0
    while (said + block) / RATE_HZ * (1 - drift / 1e6) < duration_s:
        true_end_s = (said + block) / RATE_HZ * (1 - drift / 1e6)
        last_s = max(last_s, true_end_s + random.uniform(0, jitter_ms) / 1000)  # blocks do not overtake each other
        position, skip = lane.place(block, last_s)
        if skip < block and last_s > 2 * WINDOW_S:
            true_s = (said + skip) / RATE_HZ * (1 - drift / 1e6)
            off_ms.append((position / RATE_HZ - true_s) * 1000)
        said += block
    drift_in_a_window_ms = 2 * WINDOW_S * abs(drift) / 1000
    assert max(map(abs, off_ms)) <= TOLERANCE_MS + jitter_ms + drift_in_a_window_ms + 1


def test_a_slow_clock_is_put_right_by_silence_and_a_fast_one_by_leaving_out() -> None:
    for drift, right in ((1e-3, "inserted"), (-1e-3, "dropped")):
        lane = Lane(RATE_HZ)
        for n in range(1, 3001):  # a minute in blocks of 20 ms
            lane.place(160, n * 0.02 * (1 + drift))
        corrected_ms = getattr(lane, right) * 1000 / RATE_HZ
        assert 60 - 2 * TOLERANCE_MS <= corrected_ms <= 60
        assert 0 in {lane.inserted, lane.dropped}


@given(stalled_ms=st.integers(1, DELAY_MS - FRAME_MS))
def test_a_device_that_stalls_for_less_than_the_delay_loses_nothing(stalled_ms: int) -> None:
    timeline = Timeline(RATE_HZ, 1)
    out = []
    for n in range(100):
        due_s = (n + 1) * 0.02
        came_s = max(due_s, 1.0 + stalled_ms / 1000) if due_s > 1.0 else due_s
        out.append(drain(timeline, came_s))
        timeline.put(0, numbered(n * 160, 160), came_s)
    out.append(drain(timeline, 3.0))
    assert np.array_equal(np.concatenate(out)[:16000, 0], numbered(0, 16000))


def test_a_device_that_stalls_for_longer_is_silent_meanwhile_and_then_right_again() -> None:
    timeline = Timeline(RATE_HZ, 1)
    out = []
    for n in range(100):
        due_s = (n + 1) * 0.02
        came_s = max(due_s, 1.5) if due_s > 0.5 else due_s  # a second of audio comes at once
        out.append(drain(timeline, came_s))
        timeline.put(0, numbered(n * 160, 160), came_s)
    out.append(drain(timeline, 3.0))
    whole = np.concatenate(out)[:16000, 0]
    there = whole != 0
    assert np.array_equal(whole[there], numbered(0, 16000)[there])
    missing = int(np.count_nonzero(~there))
    assert missing == timeline.late[0]
    assert missing * 1000 / RATE_HZ >= 1000 - DELAY_MS - FRAME_MS


def test_a_device_that_was_lost_goes_on_where_the_clock_is() -> None:
    timeline = Timeline(RATE_HZ, 2)
    for n in range(50):
        timeline.put(0, numbered(n * 160, 160), (n + 1) * 0.02)
    timeline.put(1, numbered(0, 160), 0.02)
    timeline.lose(1)
    timeline.put(1, numbered(160, 160), 0.72)
    samples, heard = timeline.take(1.0 + DELAY_MS / 1000)
    assert heard
    assert samples.shape == (8000, 2)
    assert np.array_equal(samples[:160, 1], numbered(0, 160))
    assert np.array_equal(samples[5600:5760, 1], numbered(160, 160))
    assert np.count_nonzero(samples[:, 1]) == 320
    assert np.array_equal(samples[:, 0], numbered(0, 8000))


def test_where_no_device_has_anything_that_is_said() -> None:
    timeline = Timeline(RATE_HZ, 2)
    assert timeline.take(0.1)[0].shape == (0, 2)
    samples, heard = timeline.take(1.0 + DELAY_MS / 1000)
    assert (samples.shape, heard) == ((8000, 2), False)
    assert timeline.position_ms == 1000
    assert timeline.take(0.5)[0].shape == (0, 2)  # time does not go back


@given(rate_hz=st.sampled_from([8000, 16000, 44100, 48000]), times=st.lists(st.floats(0, 100), max_size=20))
def test_it_is_taken_in_whole_frames_as_the_clock_goes(rate_hz: int, times: Any) -> None:
    timeline = Timeline(rate_hz, 2)
    total = sum(len(drain(timeline, at_s)) for at_s in sorted(times))
    due_ms = max([0.0, *(at_s * 1000 - DELAY_MS for at_s in times)])
    assert total * 1000 / rate_hz == timeline.position_ms
    assert due_ms - FRAME_MS <= timeline.position_ms <= due_ms
    assert timeline.position_ms % FRAME_MS == 0
