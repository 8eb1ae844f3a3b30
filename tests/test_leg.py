"""One party's audio: whatever way it comes, the same utterances, features and figures."""

from __future__ import annotations

import math
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from streamer_client.events import Cut

from streamer.audio import g711
from streamer.audio.frames import FRAME, Frames
from streamer.config import ConfigError, SpeechSettings
from streamer.emotion.model import EmotionModel
from streamer.heard import Heard, Numbers
from streamer.leg import RATE_HZ, Leg, prove
from streamer.wire.events import Audio, Encoding, Role

SPEECH = SpeechSettings()


@pytest.fixture(scope="module")
def spoken() -> NDArray[np.int16]:
    """Twenty seconds of the demo's customer: two utterances and what lies around them."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        call, rate_hz = soundfile.read(path, dtype="int16", frames=20 * RATE_HZ)
    assert rate_hz == RATE_HZ
    return np.ascontiguousarray(call[:, 0])


def leg(model: EmotionModel | None, encoding: Encoding = Encoding.PCM_S16LE, rate_hz: int = 8000, **more) -> Leg:
    return Leg(
        Role.CUSTOMER, 0, encoding=encoding, rate_hz=rate_hz, speech=more.pop("speech", SPEECH), model=model, **more
    )


def feed(one: Leg, payload: bytes, sizes: list[int], *, clock: bool = False, width: int = 2) -> list[Heard]:
    heard: list[Heard] = []
    at = turn = 0
    while at < len(payload):
        size = sizes[turn % len(sizes)] * width
        media_ms = at / width * 1000 / RATE_HZ if clock else None
        heard += one.receive(Audio(0, payload[at : at + size], media_ms))
        at += size
        turn += 1
    return heard + one.finish()


def same(one: list[Heard], other: list[Heard]) -> bool:
    return [plain(heard) for heard in one] == [plain(heard) for heard in other]


def plain(heard: Heard) -> tuple:
    return (heard.n, heard.start_ms, heard.end_ms, heard.speech_ms, heard.cut, heard.quality, heard.features.tobytes())


@pytest.fixture(scope="module")
def reference(model: EmotionModel, spoken: NDArray[np.int16]) -> list[Heard]:
    heard = feed(leg(model), spoken.tobytes(), [160])
    assert [one.n for one in heard] == list(range(1, len(heard) + 1))
    assert len(heard) >= 2
    return heard


def inside(reference: list[Heard]) -> tuple[Heard, int]:
    """The longest utterance, and a place on a frame's edge well inside it, in ms."""
    longest = max(reference, key=lambda one: one.end_ms - one.start_ms)
    middle = (longest.start_ms + longest.end_ms) // 2
    return longest, middle - middle % 20


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=5), clock=st.booleans())
def test_any_chunking_gives_the_same_utterances_and_features(model, spoken, reference, sizes: list[int], clock) -> None:
    sizes = [max(size, 20) for size in sizes]
    assert same(feed(leg(model), spoken.tobytes(), sizes, clock=clock), reference)


def test_mu_law_and_linear_are_heard_alike(model, spoken, reference) -> None:
    coded = g711.encode_mulaw(spoken)
    assert same(feed(leg(model, Encoding.PCMU), coded, [160], width=1), reference)


def test_a_law_is_heard_nearly_alike(model, spoken, reference) -> None:
    heard = feed(leg(model, Encoding.PCMA), g711.encode_alaw(spoken), [160], width=1)
    for one, other in zip(heard, reference, strict=True):
        assert abs(one.start_ms - other.start_ms) <= 20
        assert abs(one.end_ms - other.end_ms) <= 20


def test_gaps_shorter_than_a_frame_do_not_push_the_clock(model, spoken) -> None:
    one = leg(model)
    for begin in range(0, 8000, 80):
        one.receive(Audio(0, spoken[begin : begin + 80].tobytes()))
        one.gap(5)
    one.finish()
    assert one.position_ms == 1000 + 100 * 5


@pytest.mark.parametrize("rate_hz", [16000, 24000, 32000, 44100, 48000])
def test_wideband_is_brought_down_to_the_telephone(model, spoken, reference, rate_hz: int) -> None:
    import soxr  # noqa: PLC0415 - only this test makes wideband

    wide = soxr.resample(spoken, RATE_HZ, rate_hz, quality="VHQ").astype(np.int16)
    heard = feed(leg(model, rate_hz=rate_hz), wide.tobytes(), [997])
    assert len(heard) == len(reference)
    for one, other in zip(heard, reference, strict=True):
        assert abs(one.start_ms - other.start_ms) <= 40
        assert abs(one.end_ms - other.end_ms) <= 40


def test_the_features_are_those_of_the_utterance_alone(model, spoken, reference) -> None:
    heard = g711.decode_mulaw(g711.encode_mulaw(spoken)).astype(np.float32) / 32768
    for one in reference:
        features = model.new_features()
        features.push(heard[one.start_ms * 8 : one.end_ms * 8])
        np.testing.assert_array_equal(one.features, features.features())


def test_all_utterances_of_a_leg_are_of_one_caller_and_the_leg_keeps_nothing_of_what_was_said(reference) -> None:
    assert len({id(one.caller) for one in reference}) == 1
    assert reference[0].caller.n_frames == 0, "what counts is the batcher's to say"


def test_two_legs_are_two_callers_even_in_one_role(model, spoken) -> None:
    numbers = Numbers()
    heard = [feed(leg(model, numbers=numbers), spoken.tobytes(), [160])[0] for _ in range(2)]
    assert heard[0].caller is not heard[1].caller
    assert heard[0].n < heard[1].n


def test_an_objection_lets_the_caller_go_and_a_later_start_begins_with_a_stranger(model, spoken) -> None:
    one = leg(model)
    before = one.receive(Audio(0, spoken.tobytes()))
    one.stop_analysis()
    assert one._caller is None
    one.start_analysis(model)
    after = one.receive(Audio(0, spoken.tobytes())) + one.finish()
    assert after
    assert all(late.caller is not early.caller for late in after for early in before)


def test_a_party_that_is_not_analysed_yields_nothing_but_its_activity(spoken, reference) -> None:
    silent = leg(None)
    assert feed(silent, spoken.tobytes(), [160]) == []
    assert silent.utterances == len(reference)
    assert silent.activity.summary.talk_ms > 3000
    assert silent.take_speech()
    assert silent.take_speech() == []


def test_after_an_objection_nothing_is_heard_any_more(model, spoken) -> None:
    one = leg(model)
    payload = spoken.tobytes()
    before = one.receive(Audio(0, payload[: len(payload) // 2]))
    one.stop_analysis()
    assert before
    assert one.receive(Audio(0, payload[len(payload) // 2 :])) == []
    assert one.finish() == []


def test_analysis_that_starts_in_mid_call_leaves_out_what_was_said_before(model, spoken, reference) -> None:
    one = leg(None)
    middle_ms = (reference[0].start_ms + reference[0].end_ms) // 2
    payload = spoken.tobytes()
    assert one.receive(Audio(0, payload[: middle_ms * 16])) == []
    one.start_analysis(model)
    heard = one.receive(Audio(0, payload[middle_ms * 16 :])) + one.finish()
    assert [each.start_ms for each in heard] == [each.start_ms for each in reference if each.start_ms > middle_ms]
    assert heard


def test_a_gap_ends_an_utterance_and_moves_the_clock(model, spoken, reference) -> None:
    one = leg(model)
    cut, middle_ms = inside(reference)
    payload = spoken.tobytes()
    heard = one.receive(Audio(0, payload[: middle_ms * 16])) + one.gap(10_000)
    assert [each.cut for each in heard] == [Cut.SILENCE] * (cut.n - 1) + [Cut.GAP]
    assert heard[-1].end_ms <= middle_ms
    after = one.receive(Audio(0, payload[middle_ms * 16 :])) + one.finish()
    assert after[0].start_ms >= middle_ms + 10_000
    assert one.position_ms == 30_000


def test_media_that_never_came_is_counted_where_it_is_missing(model, spoken, reference) -> None:
    one = leg(model)
    heard: list[Heard] = []
    holed, middle_ms = inside(reference)
    for at_ms in range(0, len(spoken) // 8, 20):
        if at_ms not in (middle_ms, middle_ms + 20):
            heard += one.receive(Audio(0, spoken[at_ms * 8 : at_ms * 8 + 160].tobytes(), at_ms))
    heard += one.finish()
    assert [each.quality.lost_ms for each in heard] == [40 * (each.n == holed.n) for each in reference]
    assert [(each.start_ms, each.end_ms) for each in heard] == [(each.start_ms, each.end_ms) for each in reference]


def test_a_long_hole_in_the_media_is_a_gap(model, spoken, reference) -> None:
    one = leg(model)
    cut, begin = inside(reference)
    heard = one.receive(Audio(0, spoken[: begin * 8].tobytes(), 0))
    heard += one.receive(Audio(0, spoken[begin * 8 :].tobytes(), begin + 3000)) + one.finish()
    assert heard[cut.n - 1].cut is Cut.GAP
    assert one.timeline.counters.hole_ms == 3000


def test_an_utterance_is_cut_at_its_longest_and_goes_on(model) -> None:
    times = np.arange(9 * RATE_HZ) / RATE_HZ
    babble = 6000 * np.sin(2 * np.pi * 170 * times) * (1 + np.sin(2 * np.pi * 4 * times)) + 3000 * np.sin(
        2 * np.pi * 900 * times * (1 + 0.1 * np.sin(2 * np.pi * 3 * times))
    )
    one = leg(model, speech=SpeechSettings(max_utterance_ms=2010, aggressiveness=0))
    heard = feed(one, babble.astype(np.int16).tobytes(), [160])
    assert [each.cut for each in heard[:-1]] == [Cut.MAX_LENGTH] * (len(heard) - 1)
    assert all(each.end_ms - each.start_ms <= 2010 for each in heard)
    assert all(b.start_ms == a.end_ms for a, b in pairwise(heard))
    assert len(heard) >= 4


def test_partials_show_an_utterance_while_it_grows(model, spoken, reference) -> None:
    heard = feed(leg(model, partial_every_ms=1000), spoken.tobytes(), [160])
    partials = [each for each in heard if each.cut is None]
    assert partials
    assert same([each for each in heard if each.cut is not None], reference)
    for partial in partials:
        whole = next(each for each in reference if each.n == partial.n)
        assert partial.start_ms == whole.start_ms
        assert partial.end_ms <= whole.end_ms + SPEECH.hangover_ms


def test_settings_that_contradict_each_other_are_refused_with_their_key() -> None:
    prove(SPEECH)
    with pytest.raises(ConfigError, match="speech: max_utterance_s"):
        prove(SpeechSettings(max_utterance_ms=1000, pre_roll_ms=1500))
    with pytest.raises(ConfigError, match="webrtc"):
        prove(SpeechSettings(vad="silero"))


def test_a_leg_that_is_carried_on_keeps_its_count_and_its_caller_and_reaches_back_over_no_break(
    model, spoken, reference
) -> None:
    one = leg(model)
    cut, middle_ms = inside(reference)
    payload = spoken.tobytes()
    before = one.receive(Audio(0, payload[: middle_ms * 16])) + one.finish()
    after = one.receive(Audio(0, payload[middle_ms * 16 :])) + one.finish()
    assert before[-1].cut is Cut.END_OF_CALL
    assert before[-1].n == cut.n
    assert before[-1].end_ms <= middle_ms <= after[0].start_ms
    assert [each.n for each in before + after] == list(range(1, len(before + after) + 1))
    assert len({id(each.caller) for each in before + after}) == 1
    assert one.position_ms == len(spoken) // 8
    assert one.finish() == []


def test_a_leg_skips_forwards_only_and_counts_what_it_missed(model, spoken) -> None:
    one = leg(model)
    one.skip_to(2000)
    assert (one.position_ms, one.missed_ms) == (2000, 0), "nothing is missed before the beginning"
    one.receive(Audio(0, spoken[:8123].tobytes()))
    one.finish()
    for position_ms in (1000, one.position_ms, one.position_ms + 19):
        one.skip_to(position_ms)
    assert one.missed_ms == 0
    one.skip_to(5000)
    assert one.position_ms == 5000
    assert one.missed_ms == pytest.approx(5000 - 2000 - 1020, abs=20)
    assert one.timeline.position == 5 * 8000


def test_a_hole_within_what_a_frame_was_filled_up_with_ends_the_utterance_before_it(model, spoken, reference) -> None:
    longest, middle_ms = inside(reference)
    begin, hole = longest.start_ms * 8, middle_ms * 8 + 2
    one = leg(model)
    one.receive(Audio(0, spoken[begin : begin + 1].tobytes()))
    one.finish()  # fills up the frame: 159 samples ahead of the clock from here on
    assert not one.receive(Audio(0, spoken[begin + 1 : hole].tobytes()))
    (before,) = one.gap(20)  # the last sample is filled up to a frame, too: that ends behind the hole
    assert (before.cut, len(before.features) > 0) == (Cut.GAP, True)
    behind = one.receive(Audio(0, spoken[hole:].tobytes())) + one.finish()
    fresh = leg(model)
    expected = fresh.receive(Audio(0, spoken[hole:].tobytes())) + fresh.finish()
    assert [len(utterance.features) for utterance in behind] == [len(utterance.features) for utterance in expected]
    for found, wanted in zip(behind, expected, strict=True):
        np.testing.assert_array_equal(found.features, wanted.features)


class Line:
    """One leg's sound on its way: as it was sent, and as it came."""

    def __init__(self, rng: np.random.Generator, spoken: NDArray[np.int16], kind: str) -> None:
        self.encoding, self.rate_hz = KINDS[kind]
        begin = int(rng.integers(0, len(spoken) - 6 * RATE_HZ))
        sound = spoken[begin : begin + int(rng.integers(2, 6)) * RATE_HZ]
        if self.encoding is Encoding.PCMU:
            self._bytes, width = g711.encode_mulaw(sound), 1
        elif self.encoding is Encoding.PCMA:
            self._bytes, width = g711.encode_alaw(sound), 1
        else:
            self._bytes, width = np.repeat(sound, self.rate_hz // RATE_HZ).tobytes(), 2
        self.happenings = self._happenings(rng, width)

    def _happenings(self, rng: np.random.Generator, width: int) -> list[Audio | float | None]:
        """Audio, gaps in ms, and ends (None): cut at random or evenly, with what networks do to it."""
        even, has_clock = rng.random() < 0.5, rng.random() < 0.7
        found: list[Audio | float | None] = []
        at = 0
        while at < len(self._bytes):
            size = (self.rate_hz // 50 if even else int(rng.integers(1, self.rate_hz // 8))) * width
            media_ms = at / width * 1000 / self.rate_hz if has_clock else None
            found.append(Audio(0, self._bytes[at : at + size], media_ms))
            at += size
            fate = rng.random()
            if has_clock and fate < 0.02:
                at += size * int(rng.integers(1, 5))  # lost
            elif has_clock and fate < 0.03:
                at += self.rate_hz // 2 * width  # a long hole
            elif fate < 0.04:
                found.append(found[-1])  # comes twice, or is more audio where there is no clock
            elif len(found) > 1 and fate < 0.06:
                found[-1], found[-2] = found[-2], found[-1]
            elif not has_clock and fate < 0.07:
                found.append(float(rng.choice([0.5, 5, 19, 21, 500])))
            elif not has_clock and fate < 0.08:
                found.append(None)
        return [*found, None]

    def leg(self, model: EmotionModel | None, partial_every_ms: int) -> Leg:
        return leg(model, self.encoding, self.rate_hz, partial_every_ms=partial_every_ms)


KINDS = {
    "mu-law": (Encoding.PCMU, 8000),
    "A-law": (Encoding.PCMA, 8000),
    "linear": (Encoding.PCM_S16LE, 8000),
    "wide": (Encoding.PCM_S16LE, 16_000),
}


def known(one: Leg) -> tuple:
    """All that is told of a leg at its end."""
    return (one.position_ms, one.framed_ms, one.utterances, one.missed_ms, one.timeline.counters, one.activity.summary)


def joined(spoken: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Stretches of speech, those that touch made one: where they are cut depends on when they were asked for."""
    found: list[tuple[float, float]] = []
    for begin, end in spoken:
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


class Interleaved:
    """Several legs: each one's audio is taken, and worked on at random moments, alone or with that of all others."""

    def __init__(self, rng: np.random.Generator, lines: list[Line], legs: list[Leg]) -> None:
        self._rng = rng
        self.legs = legs
        self._left = [iter(line.happenings) for line in lines]
        self.heard: list[list[Heard]] = [[] for _ in lines]
        self.positions_ms: list[list[int]] = [[] for _ in lines]
        self.spoken: list[list[tuple[float, float]]] = [[] for _ in lines]

    def run(self) -> None:
        open_ones = set(range(len(self.legs)))
        while open_ones:
            n = int(self._rng.choice(sorted(open_ones)))
            try:
                self._happen(n, next(self._left[n]))
            except StopIteration:
                open_ones.remove(n)
            self.positions_ms[n].append(self.legs[n].position_ms)
            how = self._rng.random()
            if how < 0.1:
                self.heard[n] += self.legs[n].advance()
            elif how < 0.25:
                self._round()
            if how < 0.05:
                self.spoken[n] += self.legs[n].take_speech()
        for n, one in enumerate(self.legs):
            self.spoken[n] += one.take_speech()

    def _happen(self, n: int, happening: Audio | float | None) -> None:
        one = self.legs[n]
        if isinstance(happening, Audio):
            self.heard[n] += one.take(happening)
        else:
            self.heard[n] += one.finish() if happening is None else one.gap(happening)

    def _round(self) -> None:
        codes = [one.frames() for one in self.legs]
        measured = Frames(b"".join(codes))
        at = 0
        for n, one in enumerate(self.legs):
            self.heard[n] += one.work(codes[n], measured, at)
            at += len(codes[n]) // FRAME


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1),
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3),
    partial_every_ms=st.sampled_from([0, 0, 20, 300, 1000]),
    analysed=st.booleans(),
)
def test_when_audio_is_worked_on_and_with_whose_changes_nothing(  # noqa: PLR0917 - hypothesis fills them in
    model, spoken, seed: int, kinds: list[str], partial_every_ms: int, analysed: bool
) -> None:
    rng = np.random.default_rng(seed)
    lines = [Line(rng, spoken, kind) for kind in kinds]
    of = model if analysed else None
    later = Interleaved(rng, lines, [line.leg(of, partial_every_ms) for line in lines])
    later.run()
    for n, line in enumerate(lines):
        at_once = line.leg(of, partial_every_ms)
        heard: list[Heard] = []
        for happening, position_ms in zip(line.happenings, later.positions_ms[n], strict=False):
            if isinstance(happening, Audio):
                heard += at_once.receive(happening)
            else:
                heard += at_once.finish() if happening is None else at_once.gap(happening)
            assert at_once.position_ms == position_ms
        assert same(later.heard[n], heard)
        assert known(later.legs[n]) == known(at_once)
        assert joined(later.spoken[n]) == joined(at_once.take_speech())


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["mu-law", "linear"]),
    partial_every_ms=st.sampled_from([0, 300, 1000]),
)
def test_nothing_is_heard_before_it_is_due(model, spoken, seed: int, kind: str, partial_every_ms: int) -> None:
    rng = np.random.default_rng(seed)
    line = Line(rng, spoken, kind)
    one = line.leg(model, partial_every_ms)
    due_ms = one.due_ms  # counted from where the frames end
    for happening in line.happenings:
        if not isinstance(happening, Audio):
            one.finish() if happening is None else one.gap(happening)
            due_ms = one.framed_ms + one.due_ms
            continue
        was_open = math.isfinite(due_ms)
        if one.follow(happening):
            heard = one.advance()
            if heard and was_open:
                assert one.framed_ms >= due_ms
        else:
            one.receive(happening)
        due_ms = one.framed_ms + one.due_ms


def test_a_leg_that_nobody_speaks_on_may_wait_and_one_that_has_fallen_silent_may_not(model, spoken, reference) -> None:
    one = leg(model, Encoding.PCMU)
    codes = g711.encode_mulaw(spoken)
    assert one.due_ms >= SPEECH.hangover_ms, "whatever begins now ends no sooner"
    last = reference[0].end_ms
    one.receive(Audio(0, codes[: last * 8]))
    assert one.due_ms == SPEECH.hangover_ms, "it spoke until now"
    for n in range(1, SPEECH.hangover_ms // 20):
        assert not one.receive(Audio(0, codes[(last + 20 * n - 20) * 8 : (last + 20 * n) * 8]))
        assert one.due_ms == SPEECH.hangover_ms - 20 * n
    (heard,) = one.receive(Audio(0, codes[(last + SPEECH.hangover_ms - 20) * 8 : (last + SPEECH.hangover_ms) * 8]))
    assert heard.end_ms == last
    assert one.due_ms >= SPEECH.hangover_ms
    assert leg(None).due_ms == math.inf, "of who is not analysed nothing is ever due"


def test_what_is_taken_already_is_not_waited_for(model, spoken, reference) -> None:
    one = leg(model, Encoding.PCMU)
    codes = g711.encode_mulaw(spoken)
    one.receive(Audio(0, codes[: reference[0].end_ms * 8]))
    for more in (1, 159, 160, 1600):
        before_ms, waiting = one.due_ms, one.waiting
        one.take(Audio(0, bytes([0xFF]) * more))
        assert one.waiting == waiting + more
        assert one.due_ms == pytest.approx(before_ms - more / 8)
    one.advance()
    assert one.due_ms == pytest.approx(SPEECH.hangover_ms - (1 + 159 + 160 + 1600) / 8)


def test_what_was_taken_before_a_notice_is_not_judged(model, spoken, reference) -> None:
    middle_ms = (reference[0].start_ms + reference[0].end_ms) // 2
    payload = spoken.tobytes()
    before, after = payload[: middle_ms * 16], payload[middle_ms * 16 :]
    told: list[list[Heard]] = []
    for works_at_once in (True, False):
        one = leg(None)
        assert one.receive(Audio(0, before)) == [] if works_at_once else one.take(Audio(0, before)) == []
        one.start_analysis(model)
        assert not one._kept, "nothing said before is kept"
        told.append(one.take(Audio(0, after)) + one.advance() + one.finish())
    assert same(*told)
    assert told[0]
    assert all(each.start_ms > middle_ms for each in told[0])


@pytest.mark.parametrize("worked_ms", [0, 20, 3000])
def test_after_an_objection_nothing_of_what_was_taken_stays(model, spoken, reference, worked_ms: int) -> None:
    one = leg(model, Encoding.PCMU)
    codes = g711.encode_mulaw(spoken)
    middle = (reference[0].start_ms + reference[0].end_ms) // 2 * 8
    one.take(Audio(0, codes[: middle - worked_ms * 8 - 77]))
    one.advance()
    one.take(Audio(0, codes[middle - worked_ms * 8 - 77 : middle]))
    assert one._kept
    assert one.waiting
    one.stop_analysis()
    assert not one._kept
    assert (one._taken, one._open) == (b"", None)
    assert one.advance() == []
    assert one.finish() == []


def test_frames_of_a_wider_batch_after_an_objection_yield_nothing(model, spoken) -> None:
    one = leg(model, Encoding.PCMU)
    one.take(Audio(0, g711.encode_mulaw(spoken)))
    codes = one.frames()
    one.stop_analysis()
    assert one.work(codes, Frames(codes), 0) == []
    assert not one._kept
    assert one._open is None


@pytest.mark.parametrize("analysed", [True, False])
def test_what_never_came_is_not_remembered_for_ever(model, analysed: bool) -> None:
    one = leg(model if analysed else None, Encoding.PCMU)
    most = 0
    for n in range(0, 60 * 50, 2):  # every other message of a minute is lost
        one.receive(Audio(0, bytes([0xFF]) * 160, 20.0 * n))
        most = max(most, len(one._lost))
    assert one.timeline.counters.lost_ms > 29_000
    assert most < 200


def test_what_is_kept_of_a_long_silence_is_bounded(model) -> None:
    one = leg(model, Encoding.PCMU)
    for _ in range(5000):
        one.receive(Audio(0, bytes([0xFF]) * 160))
        assert len(one._kept) < RATE_HZ
    assert one.position_ms == 100_000
