"""Made-up calls: speech lies where it is said to lie, and each party speaks its share."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bench.speech import RATE_HZ, SPEECH_SHARE, demo_call, hiss, lines, talk

CALL = demo_call()


@settings(max_examples=15)
@given(st.integers(0, 1 << 32), st.floats(1.0, 40.0))
def test_a_talk_has_its_length_and_depends_on_the_dice_alone(seed: int, seconds: float) -> None:
    one, other = (talk(random.Random(seed), seconds, CALL) for _ in range(2))
    assert one.samples.shape == (round(seconds * RATE_HZ), 2)
    assert one.samples.dtype == np.int16
    assert np.array_equal(one.samples, other.samples)
    assert one.spoken == other.spoken


@settings(max_examples=15)
@given(st.integers(0, 1 << 32))
def test_a_turn_ends_in_a_sound_and_is_followed_by_silence(seed: int) -> None:
    made = talk(random.Random(seed), 20.0, CALL)
    for turn in made.spoken:
        side = made.samples[:, turn.channel].astype(np.float64)
        block = RATE_HZ // 50
        last, behind = side[turn.end - block : turn.end], side[turn.end : turn.end + block]
        assert np.sqrt(np.mean(last**2)) > 500
        assert not len(behind) or np.sqrt(np.mean(behind**2)) < 50


def test_each_party_speaks_its_share_and_the_parties_take_turns() -> None:
    made = talk(random.Random(4), 240.0, CALL)
    for channel in range(2):
        spoken = sum(turn.end - turn.start for turn in made.spoken if turn.channel == channel)
        assert abs(spoken / len(made.samples) - SPEECH_SHARE) < 0.05
    for one, following in zip(made.spoken, made.spoken[1:], strict=False):
        assert one.channel != following.channel
        assert following.start >= one.end


def test_the_servers_detector_hears_one_utterance_for_each_turn() -> None:
    from streamer.config import SpeechSettings  # noqa: PLC0415 - the only test that knows the server
    from streamer.speech.segmenter import Closed, Segmenter  # noqa: PLC0415
    from streamer.speech.vad import make_vad  # noqa: PLC0415

    chosen = SpeechSettings()
    made = talk(random.Random(1), 60.0, CALL)
    vad, segmenter = make_vad(chosen.vad, chosen.aggressiveness, chosen.squelch_dbfs), Segmenter()
    ends = []
    for begin in range(0, len(made.samples) - 159, 160):
        frame = np.ascontiguousarray(made.samples[begin : begin + 160, 0])
        ends += [one.end_s for one in segmenter.process(0.02, vad.is_speech(frame)) if isinstance(one, Closed)]
    known = [turn.end / RATE_HZ for turn in made.spoken if turn.channel == 0 and turn.end < 59 * RATE_HZ]
    assert len(known) > 5
    assert all(abs(end - heard) < 0.1 for end, heard in zip(known, ends, strict=False))


def test_nothing_is_said_on_a_silent_channel() -> None:
    assert lines(np.zeros(RATE_HZ, np.int16)) == []


def test_the_shipped_call_has_lines_on_both_channels() -> None:
    assert CALL.shape[1] == 2
    assert all(len(lines(CALL[:, channel])) > 1 for channel in range(2))


def test_a_line_on_which_nobody_speaks_is_not_silent_and_never_loud() -> None:
    noise = hiss(random.Random(2), RATE_HZ)
    assert noise.shape == (RATE_HZ, 2)
    assert noise.any()
    assert np.abs(noise).max() < 50
