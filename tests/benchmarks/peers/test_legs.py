"""One leg: however its samples come, a peer with the product's detector hears the product's utterances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.events import Cut

from benchmarks.peers.legs import FULL_SCALE, FramedLeg, Kept, Rolled, product_vad
from streamer.audio.g711 import decode_mulaw, encode_mulaw
from streamer.emotion.model import load, locate
from tests.benchmarks.peers.playing import call, judged

CODES = encode_mulaw(np.ascontiguousarray(call()[:, 0]))
MODEL = load(locate("telephone"))
EXPECTED = [heard for heard, _ in judged(MODEL, call())]


def leg(*, is_linear: bool = False) -> FramedLeg:
    return FramedLeg(0, is_linear=is_linear, vad=product_vad(), gather=lambda: Rolled(MODEL.new_features()))


@settings(max_examples=8)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=5), st.booleans())
def test_however_samples_come_the_utterances_and_their_features_are_the_product_s(
    sizes: list[int], is_linear: bool
) -> None:
    payload = decode_mulaw(CODES).tobytes() if is_linear else CODES
    one, width, at, turn = leg(is_linear=is_linear), 1 + is_linear, 0, 0
    found = []
    while at < len(payload):
        size = sizes[turn % len(sizes)] * width
        found += one.receive(payload[at : at + size])
        at, turn = at + size, turn + 1
    found += one.finish()
    assert [(spoken.start_ms, spoken.end_ms, spoken.speech_ms, spoken.cut) for spoken in found] == [
        (heard.start_ms, heard.end_ms, heard.speech_ms, heard.cut) for heard in EXPECTED
    ]
    assert [spoken.features().tobytes() for spoken in found] == [heard.features.tobytes() for heard in EXPECTED]
    assert found[-1].cut is Cut.END_OF_CALL


def test_of_a_leg_that_is_not_analysed_nothing_is_said_and_nothing_kept() -> None:
    one = FramedLeg(1, is_linear=False, vad=product_vad(), gather=None)
    assert one.receive(CODES) + one.finish() == []
    assert not one._recent


def test_what_is_kept_is_what_was_heard() -> None:
    kept = Kept()
    samples = decode_mulaw(CODES[:1000])
    kept.add(samples[:160])
    kept.add(samples[160:])
    assert np.array_equal(kept.samples, samples.astype(np.float32) / FULL_SCALE)


@given(st.integers(0, 60), st.integers(13, 60), st.sampled_from([160, 256]))
def test_what_is_gathered_begins_where_the_utterance_begins_also_within_a_frame(
    silent: int, spoken: int, frame: int
) -> None:
    class Scripted:
        def __init__(self) -> None:
            self.frames = 0

        def is_speech(self, _samples: np.ndarray) -> bool:
            self.frames += 1
            return silent < self.frames <= silent + spoken

    kept: list[Kept] = []

    def gather() -> Kept:
        kept.append(Kept())
        return kept[-1]

    one = FramedLeg(0, is_linear=True, vad=Scripted(), gather=gather, frame=frame)
    samples = np.arange((silent + spoken + 30) * frame).astype(np.int16)
    (found,) = one.receive(samples.tobytes()) + one.finish()
    expected = samples[found.start_ms * 8 : found.end_ms * 8].astype(np.float32) / FULL_SCALE
    assert found.start_ms == max(0, silent * frame // 8 - 200)
    assert np.array_equal(kept[0].samples[: len(expected)], expected)


@pytest.mark.parametrize("frame", [160, 256])
def test_a_detector_gets_frames_of_the_length_it_wants_and_all_samples(frame: int) -> None:
    class Listening:
        def __init__(self) -> None:
            self.heard = b""

        def is_speech(self, samples: np.ndarray) -> bool:
            assert samples.shape == (frame,)
            self.heard += samples.tobytes()
            return False

    vad = Listening()
    one = FramedLeg(0, is_linear=False, vad=vad, gather=None, frame=frame)
    assert one.receive(CODES[:1001]) + one.finish() == []
    assert vad.heard.rstrip(b"\0") == decode_mulaw(CODES[:1001]).tobytes().rstrip(b"\0")
