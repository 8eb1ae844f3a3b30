"""The segmenter, fed seconds and booleans only."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from streamer_client.events import Cut

from streamer.speech.segmenter import Closed, Dropped, Opened, Segment, Segmenter

FRAME_S = 0.02

Step = tuple[str, int]
"""What happens, and for how many ms."""

frames = st.tuples(st.sampled_from(["speech", "silence"]), st.sampled_from([10, 20, 20, 20, 30, 100, 400, 1000, 7000]))
gaps = st.tuples(st.just("gap"), st.integers(0, 5000))
calls = st.lists(st.one_of(frames, frames, frames, gaps), max_size=80)


def run(segmenter: Segmenter, steps: list[Step]) -> list[Segment]:
    found: list[Segment] = []
    for kind, length_ms in steps:
        if kind == "gap":
            found += segmenter.gap(length_ms / 1000)
        else:
            found += segmenter.process(length_ms / 1000, kind == "speech")
    return found + segmenter.finish()


def ended(found: list[Segment]) -> list[Closed | Dropped]:
    return [segment for segment in found if not isinstance(segment, Opened)]


def say(segmenter: Segmenter, pattern: str, times: int = 1) -> list[Segment]:
    """Feed 20 ms frames: `s` is speech, `.` is silence."""
    return [found for mark in pattern * times for found in segmenter.process(FRAME_S, mark == "s")]


@given(calls)
def test_utterances_are_ordered_and_never_overlap(steps: list[Step]) -> None:
    spans = ended(run(Segmenter(), steps))
    assert all(span.start_s < span.end_s for span in spans)
    assert all(before.end_s <= after.start_s for before, after in pairwise(spans))


@given(calls)
def test_every_utterance_opens_once_and_ends_once_where_it_said(steps: list[Step]) -> None:
    found = run(Segmenter(), steps)
    assert [type(segment) is Opened for segment in found] == [True, False] * (len(found) // 2)
    assert all(opened.start_s == end.start_s for opened, end in zip(found[::2], found[1::2], strict=True))


@given(calls)
def test_no_utterance_is_longer_than_allowed_nor_holds_more_speech_than_time(steps: list[Step]) -> None:
    segmenter = Segmenter(max_utterance_s=2.0)
    for span in ended(run(segmenter, steps)):
        assert span.end_s - span.start_s <= segmenter.max_utterance_s + 1e-9
        assert 0 < span.speech_s <= span.end_s - span.start_s + 1e-9


@given(calls, st.sampled_from([2, 4, 5]))
def test_cutting_frames_finer_changes_nothing(steps: list[Step], parts: int) -> None:
    finer = [
        (kind, ms / parts if kind != "gap" else ms) for kind, ms in steps for _ in range(1 if kind == "gap" else parts)
    ]
    coarse, fine = Segmenter(max_utterance_s=3.0), Segmenter(max_utterance_s=3.0)
    assert run(coarse, steps) == run(fine, finer)
    assert coarse.position_s == fine.position_s


@given(calls)
def test_speech_that_lasts_is_inside_an_utterance(steps: list[Step]) -> None:
    segmenter = Segmenter(max_utterance_s=2.0)
    spans = ended(run(segmenter, steps))
    at_ms = 0
    for kind, length_ms in steps:
        # One frame of speech as long as the onset opens an utterance by itself, whatever came before.
        if kind == "speech" and length_ms >= 2 * segmenter.onset_s * 1000:
            covered = sum(
                max(0.0, min(span.end_s, (at_ms + length_ms) / 1000) - max(span.start_s, at_ms / 1000))
                for span in spans
            )
            # All of it, but for what an onset begun before the frame may use up without opening.
            assert covered == pytest.approx(length_ms / 1000, abs=segmenter.onset_s + 1e-6)
        at_ms += length_ms


@given(calls)
def test_nothing_reaches_into_or_across_a_gap(steps: list[Step]) -> None:
    spans = ended(run(Segmenter(), steps))
    at_s = 0.0
    for kind, length_ms in steps:
        until_s = at_s + length_ms / 1000
        if kind == "gap":
            assert all(span.end_s <= at_s + 1e-6 or span.start_s >= until_s - 1e-6 for span in spans)
        at_s = until_s


@given(calls)
def test_what_is_dropped_is_short_and_what_is_kept_is_not(steps: list[Step]) -> None:
    segmenter = Segmenter()
    for span in ended(run(segmenter, steps)):
        assert isinstance(span, Dropped) == (span.speech_s < segmenter.min_speech_s)


@given(calls)
def test_a_start_never_lies_further_back_than_the_lookback(steps: list[Step]) -> None:
    segmenter = Segmenter()
    for kind, length_ms in steps:
        if kind == "gap":
            segmenter.gap(length_ms / 1000)
            continue
        for _ in range(length_ms // 10):
            for segment in segmenter.process(0.01, kind == "speech"):
                if isinstance(segment, Opened):
                    assert segmenter.position_s - segment.start_s <= segmenter.lookback_s + 0.01


@given(calls)
def test_position_is_the_sum_of_all_that_was_fed(steps: list[Step]) -> None:
    segmenter = Segmenter()
    run(segmenter, steps)
    assert segmenter.position_s == sum(length_ms for _, length_ms in steps) / 1000


def test_silence_says_nothing() -> None:
    assert run(Segmenter(), [("silence", 60_000)]) == []


def test_an_utterance_begins_with_its_pre_roll_and_ends_with_its_last_speech() -> None:
    segmenter = Segmenter()
    assert run(segmenter, [("silence", 1000), ("speech", 500), ("silence", 1000)]) == [
        Opened(0.8),
        Closed(0.8, 1.5, 0.5, Cut.SILENCE),
    ]


def test_it_opens_when_the_onset_is_full_and_closes_when_the_hangover_is_over() -> None:
    segmenter = Segmenter(onset_s=0.06, hangover_s=0.1, pre_roll_s=0.0, min_speech_s=0.0)
    assert say(segmenter, "ss") == []
    assert not segmenter.is_open
    assert say(segmenter, "s") == [Opened(0.0)]
    assert segmenter.is_open
    assert say(segmenter, "....") == []
    assert say(segmenter, ".") == [Closed(0.0, 0.06, 0.06, Cut.SILENCE)]
    assert not segmenter.is_open


def test_a_pause_shorter_than_the_hangover_does_not_end_an_utterance() -> None:
    found = run(Segmenter(), [("speech", 400), ("silence", 380), ("speech", 400), ("silence", 400)])
    assert found == [Opened(0.0), Closed(0.0, 1.18, 0.8, Cut.SILENCE)]


def test_pre_roll_reaches_back_neither_before_the_call_nor_into_the_last_utterance() -> None:
    segmenter = Segmenter(hangover_s=0.1)
    found = run(segmenter, [("silence", 100), ("speech", 300), ("silence", 120), ("speech", 300)])
    assert [segment.start_s for segment in found if isinstance(segment, Opened)] == [0.0, 0.4]


def test_an_onset_survives_a_flicker_and_keeps_its_first_frame() -> None:
    segmenter = Segmenter(pre_roll_s=0.0)
    assert say(segmenter, "ss.s") == []
    assert say(segmenter, "s") == [Opened(0.0)]


def test_an_onset_that_leaks_empty_begins_anew() -> None:
    segmenter = Segmenter(pre_roll_s=0.0)
    assert say(segmenter, "s.", times=50) == []
    assert say(segmenter, "sss") == [Opened(2.0)]


def test_an_onset_does_not_wait_for_ever() -> None:
    segmenter = Segmenter(pre_roll_s=0.0)
    assert say(segmenter, "ss" + ".s" * 20) == []
    (opened,) = say(segmenter, "sss")
    assert isinstance(opened, Opened)
    assert segmenter.position_s - opened.start_s <= segmenter.lookback_s + 1e-9


def test_without_onset_the_first_speech_opens() -> None:
    assert Segmenter(onset_s=0.0, pre_roll_s=0.0).process(0.02, is_speech=True) == [Opened(0.0)]


def test_too_little_speech_is_dropped() -> None:
    assert run(Segmenter(), [("speech", 100), ("silence", 400)]) == [Opened(0.0), Dropped(0.0, 0.1, 0.1)]


def test_long_speech_is_cut_at_the_very_point_and_goes_on_there() -> None:
    assert run(Segmenter(), [("speech", 15_000 * 2 + 300), ("silence", 400)]) == [
        Opened(0.0),
        Closed(0.0, 15.0, 15.0, Cut.MAX_LENGTH),
        Opened(15.0),
        Closed(15.0, 30.0, 15.0, Cut.MAX_LENGTH),
        Opened(30.0),
        Closed(30.0, 30.3, 0.3, Cut.SILENCE),
    ]


def test_speech_that_ends_with_the_longest_utterance_opens_no_other() -> None:
    found = run(Segmenter(), [("speech", 15_000), ("silence", 1000)])
    assert found == [Opened(0.0), Closed(0.0, 15.0, 15.0, Cut.MAX_LENGTH)]


def test_the_longest_length_reached_in_a_pause_ends_it_there_and_the_next_needs_an_onset() -> None:
    segmenter = Segmenter(max_utterance_s=1.0)
    found = run(segmenter, [("speech", 900), ("silence", 200), ("speech", 20), ("silence", 500)])
    assert found == [Opened(0.0), Closed(0.0, 1.0, 0.9, Cut.MAX_LENGTH)]


@pytest.mark.parametrize("pause_ms", [0, 200])
def test_a_gap_ends_the_utterance_before_it(pause_ms: int) -> None:
    steps = [("speech", 500), ("silence", pause_ms), ("gap", 3000), ("speech", 500), ("silence", 400)]
    beyond = (3500 + pause_ms) / 1000
    assert run(Segmenter(), steps) == [
        Opened(0.0),
        Closed(0.0, 0.5, 0.5, Cut.GAP),
        Opened(beyond),
        Closed(beyond, beyond + 0.5, 0.5, Cut.SILENCE),
    ]


def test_an_onset_does_not_cross_a_gap() -> None:
    segmenter = Segmenter(pre_roll_s=0.0)
    assert say(segmenter, "ss") + segmenter.gap(1.0) + say(segmenter, "ss") == []
    assert say(segmenter, "s") == [Opened(1.04)]


def test_speech_cut_at_its_longest_does_not_go_on_across_a_gap() -> None:
    segmenter = Segmenter(max_utterance_s=1.0)
    segmenter.process(1.0, is_speech=True)
    assert segmenter.gap(1.0) + segmenter.process(0.02, is_speech=True) == []


def test_the_end_of_the_call_ends_the_utterance_at_its_last_speech() -> None:
    segmenter = Segmenter()
    segmenter.process(1.0, is_speech=True)
    segmenter.process(0.2, is_speech=False)
    assert segmenter.finish() == [Closed(0.0, 1.0, 1.0, Cut.END_OF_CALL)]
    assert segmenter.finish() == []


def test_positions_stay_exact_over_ten_hours() -> None:
    segmenter = Segmenter()
    for _ in range(10 * 3600):
        segmenter.process(0.9, is_speech=False)
        segmenter.process(0.1, is_speech=False)
    segmenter.process(0.3, is_speech=True)
    assert segmenter.finish() == [Closed(35999.8, 36000.3, 0.3, Cut.END_OF_CALL)]


@pytest.mark.parametrize("seconds", [-0.02, math.nan, math.inf])
def test_a_length_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot be placed"):
        Segmenter().process(seconds, is_speech=True)
    with pytest.raises(ValueError, match="cannot be placed"):
        Segmenter().gap(seconds)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("onset_s", -0.1),
        ("pre_roll_s", -0.1),
        ("min_speech_s", -0.1),
        ("hangover_s", 0.0),
        ("max_utterance_s", 0.38),
        ("max_utterance_s", math.inf),
    ],
)
def test_a_field_out_of_range_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Segmenter(**{field: value})


class LongWay(Segmenter):
    """Never takes the quick way."""

    __slots__ = ()

    def _passes(self, length: int, is_speech: bool) -> bool:  # noqa: ARG002 - as its base
        return False


lengths = st.builds(
    Segmenter,
    onset_s=st.sampled_from([0.0, 0.02, 0.06, 0.1]),
    hangover_s=st.sampled_from([0.02, 0.11, 0.4]),
    pre_roll_s=st.sampled_from([0.0, 0.2]),
    min_speech_s=st.sampled_from([0.0, 0.25]),
    max_utterance_s=st.sampled_from([0.51, 1.0, 15.0]),
)
"""Segmenters of all kinds of patience."""
odd_frames = st.tuples(st.sampled_from(["speech", "silence"]), st.floats(0, 500, allow_nan=False))
odd_calls = st.lists(st.one_of(frames, odd_frames, gaps), max_size=80)


def same(one: Segmenter, kind: type[Segmenter] = Segmenter) -> Segmenter:
    return kind(one.onset_s, one.hangover_s, one.pre_roll_s, one.min_speech_s, one.max_utterance_s)


@settings(max_examples=300)
@given(odd_calls, lengths)
@example([("speech", 20)] * 60, Segmenter(max_utterance_s=1.0))  # as long as may be, to the microsecond
@example([("speech", 500), *[("silence", 20)] * 30], Segmenter())  # over, to the microsecond
def test_the_quick_way_says_what_the_long_way_says(steps: list[Step], settings: Segmenter) -> None:
    quick, slow = same(settings), same(settings, LongWay)
    for kind, length_ms in steps:
        if kind == "gap":
            assert quick.gap(length_ms / 1000) == slow.gap(length_ms / 1000)
        else:
            assert list(quick.process(length_ms / 1000, kind == "speech")) == list(
                slow.process(length_ms / 1000, kind == "speech")
            )
        assert (quick.position_s, quick.is_open, quick.due_s) == (slow.position_s, slow.is_open, slow.due_s)
    assert quick.finish() == slow.finish()


@settings(max_examples=300)
@given(steps=odd_calls, settings=lengths, frames=st.integers(1, 80), is_speech=st.booleans())
@example(steps=[("speech", 500)], settings=Segmenter(), frames=20, is_speech=False)  # over, to the microsecond
def test_frames_that_change_nothing_are_taken_at_once_and_others_are_not(
    steps: list[Step], settings: Segmenter, frames: int, *, is_speech: bool
) -> None:
    at_once, one_by_one = after(settings, steps), after(settings, steps)
    states = []
    for _ in range(frames):
        found = list(one_by_one.process(0.02, is_speech))
        states.append((found, one_by_one.is_open))
    if at_once.goes_on(frames, 0.02, is_speech):
        assert all(state == ([], at_once.is_open) for state in states)
    else:
        for _ in range(frames):  # nothing was taken
            at_once.process(0.02, is_speech)
    assert (at_once.position_s, at_once.is_open, at_once.due_s) == (
        one_by_one.position_s,
        one_by_one.is_open,
        one_by_one.due_s,
    )
    assert at_once.finish() == one_by_one.finish()


@pytest.mark.parametrize(("said", "is_speech"), [([], False), ([("speech", 500)], True), ([("speech", 500)], False)])
def test_most_frames_are_taken_at_once(said: list[Step], *, is_speech: bool) -> None:
    assert after(Segmenter(), said).goes_on(5, 0.02, is_speech)


def after(settings: Segmenter, steps: list[Step]) -> Segmenter:
    one = same(settings)
    for kind, length_ms in steps:
        if kind == "gap":
            one.gap(length_ms / 1000)
        else:
            one.process(length_ms / 1000, kind == "speech")
    return one


@settings(max_examples=300)
@given(odd_calls, lengths, st.lists(st.floats(0, 1), max_size=5))
def test_silence_ends_an_utterance_when_it_is_due_and_not_before(
    steps: list[Step], settings: Segmenter, shares: list[float]
) -> None:
    one = after(settings, steps)
    assume(one.is_open)
    assert 0 < one.due_s <= one.hangover_s + 1e-9
    for share in shares:  # any shorter silence, in any pieces
        due_us = round(one.due_s * 1e6)
        shorter_us = min(round(share * due_us), due_us - 1)
        assert not list(one.process(shorter_us / 1e6, is_speech=False))
        assert round(one.due_s * 1e6) == due_us - shorter_us
    (end,) = one.process(one.due_s, is_speech=False)
    assert isinstance(end, Closed | Dropped)


@settings(max_examples=300)
@given(
    st.lists(st.one_of(frames, odd_frames, gaps), max_size=8),
    lengths,
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.001, 0.3, 0.9, 1.0])), min_size=1, max_size=4),
)
@example([("silence", 1000)], Segmenter(max_utterance_s=0.51), [(True, 1.0)])  # cut by its length, before any hangover
def test_nothing_whatever_ends_an_utterance_before_it_is_due(
    steps: list[Step], settings: Segmenter, more: list[tuple[bool, float]]
) -> None:
    one = after(settings, steps)
    left_us = round(one.due_s * 1e6) - 1
    assert left_us >= 0
    for is_speech, share in more:
        length_us = math.floor(left_us * share)
        left_us -= length_us
        assert not ended(list(one.process(length_us / 1e6, is_speech)))
