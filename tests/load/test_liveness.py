"""What keeps a call alive, and what is no call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.load.liveness import CHATTER, LEAST_MS, Liveness
from streamer.load.rates import CONTROL_AT_ONCE
from streamer.wire.events import Audio, Encoding, Gap, Missing, Notice, Pause, Resume, Role, Start

START = Start(call_id="CA1", roles=(Role.CUSTOMER,), encoding=Encoding.PCM_S16LE, rate_hz=8000)
FRAME = bytes(320)


@given(st.lists(st.integers(0, 400), max_size=60))
def test_signs_of_life_are_as_many_as_frames_at_most_however_the_audio_is_cut(sizes: list[int]) -> None:
    liveness = Liveness()
    signs = sum(liveness.is_sign(Audio(0, bytes(2 * size)), START) for size in sizes)
    assert signs <= sum(sizes) / 8 / LEAST_MS
    assert signs >= sum(size >= 160 for size in sizes)


def test_a_sample_a_minute_keeps_no_call_alive() -> None:
    liveness = Liveness()
    assert not any(liveness.is_sign(Audio(0, b"\0\0"), START) for _ in range(150))


@pytest.mark.parametrize(
    ("event", "is_one"),
    [(Pause(), True), (Resume(), True), (Gap(20), True), (Gap(0), False), (Notice(), False), (Missing(1), False)],
)
def test_a_sender_that_accounts_for_its_silence_is_there(event: Gap, *, is_one: bool) -> None:
    assert Liveness().is_sign(event, START) is is_one


def test_words_without_audio_are_a_flaw_when_there_are_too_many() -> None:
    liveness = Liveness()
    said = [liveness.flaw('{"event":"mark"}', [], 0) for _ in range(int(CONTROL_AT_ONCE) + 1)]
    assert set(said[:-1]) == {None}
    assert said[-1] is CHATTER


def test_audio_is_no_flaw_in_words_or_in_bytes() -> None:
    liveness = Liveness()
    for _ in range(3 * int(CONTROL_AT_ONCE)):
        assert liveness.flaw("media", [Audio(0, FRAME)], 0) is None
        assert liveness.flaw(b"\0", [], 0) is None


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 32_000, 48_000])
@pytest.mark.parametrize("encoding", [Encoding.PCMU, Encoding.PCM_S16LE])
def test_a_frame_of_any_format_is_a_sign_of_life(rate_hz: int, encoding: Encoding) -> None:
    begun = Start(call_id="CA1", roles=(Role.CUSTOMER,), encoding=encoding, rate_hz=rate_hz)
    liveness, piece = Liveness(), bytes(rate_hz // 50 * encoding.bytes_per_sample)
    assert all(liveness.is_sign(Audio(0, piece), begun) for _ in range(500))


def test_what_a_stream_said_of_its_audio_counts_for_that_stream() -> None:
    liveness = Liveness()
    wide = Start(call_id="CA2", roles=(Role.CUSTOMER,), encoding=Encoding.PCM_S16LE, rate_hz=16_000)
    assert liveness.is_sign(Audio(0, FRAME), START)
    assert not liveness.is_sign(Audio(0, FRAME), wide)
    assert liveness.is_sign(Audio(0, FRAME), wide)
