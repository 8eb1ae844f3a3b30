"""Corpus audio over a made-up telephone line. What passes lossy codecs is in test_codecs.py: it needs PyAV."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codecs import CODECS
from models.telephone import NAMED, PLAIN, RATE_HZ, Condition, draw, transmit
from streamer.audio.g711 import decode_mulaw, encode_mulaw


def tone(frequency_hz: float, seconds: float = 0.5, level: float = 0.3) -> np.ndarray:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64))) + 1e-20))


def noise_free() -> np.random.Generator:
    return np.random.default_rng(0)


@settings(deadline=None, max_examples=60)
@given(line=st.integers(0, 2**32 - 1), seed=st.integers(0, 2**32 - 1), n_samples=st.integers(1, 4000))
def test_the_same_line_and_seed_give_the_same_samples_within_full_scale(line: int, seed: int, n_samples: int) -> None:
    condition = draw(np.random.default_rng(line), ("music",))
    assert condition == draw(np.random.default_rng(line), ("music",))
    condition = msgspec.structs.replace(condition, codecs=())
    music = {"music": tone(440, seconds=0.1)}
    samples = np.random.default_rng(seed).uniform(-1, 1, n_samples).astype(np.float32)
    before = samples.copy()
    heard = transmit(samples, condition, np.random.default_rng(seed), music)
    assert heard.dtype == np.float32
    assert heard.shape == samples.shape
    assert np.abs(heard).max() <= 1.0
    np.testing.assert_array_equal(heard, transmit(samples, condition, np.random.default_rng(seed), music))
    np.testing.assert_array_equal(samples, before)


def test_drawn_lines_are_good_mostly_and_a_third_pass_lossy_codecs() -> None:
    lines = [draw(np.random.default_rng(seed), ("music", "babble")) for seed in range(2000)]

    def share(of: Callable[[Condition], bool]) -> float:
        return sum(map(of, lines)) / len(lines)

    assert share(lambda line: bool(line.codecs)) == pytest.approx(1 / 3, abs=0.05)
    assert share(lambda line: line.snr_db is not None) == pytest.approx(0.3, abs=0.05)
    assert share(lambda line: line.loss > 0) == pytest.approx(0.2, abs=0.05)
    assert share(lambda line: line.background is not None) == pytest.approx(1 / 6, abs=0.05)
    assert share(lambda line: line.law == "mulaw") == pytest.approx(0.5, abs=0.05)
    assert {name for line in lines for name in line.codecs} == set(CODECS)
    assert {line.background for line in lines} == {None, "music", "babble"}
    assert all(-12.0 <= line.gain_db <= 6.0 for line in lines)


def test_a_line_has_nothing_in_the_background_where_there_is_nothing_to_choose_from() -> None:
    assert all(draw(np.random.default_rng(seed)).background is None for seed in range(200))


def test_the_plain_line_is_mulaw_and_back_and_nothing_else() -> None:
    linear = (np.sin(np.arange(2000) * 0.7) * 9000).astype(np.int16)
    heard = transmit((linear / 32768).astype(np.float32), PLAIN, noise_free())
    np.testing.assert_array_equal(heard * 32768, decode_mulaw(encode_mulaw(linear)))


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_both_laws_keep_a_tone_and_differ(law: str) -> None:
    original = tone(800)
    heard = transmit(original, Condition(law=law), noise_free())
    assert level_db(heard - original) < level_db(original) - 30
    other = Condition(law="alaw" if law == "mulaw" else "mulaw")
    assert (heard != transmit(original, other, noise_free())).any()


def test_without_a_law_the_samples_stay_as_they_are() -> None:
    linear = (np.sin(np.arange(2000) * 0.7) * 9000).astype(np.int16)
    np.testing.assert_array_equal(
        transmit((linear / 32768).astype(np.float32), NAMED["clean"], noise_free()) * 32768, linear
    )


@pytest.mark.parametrize("gain_db", [-12.0, 0.0, 6.0])
def test_gain_moves_the_level_by_so_many_decibels(gain_db: float) -> None:
    heard = transmit(tone(800, level=0.1), Condition(gain_db=gain_db), noise_free())
    assert level_db(heard) - level_db(tone(800, level=0.1)) == pytest.approx(gain_db, abs=0.2)


def test_the_band_lets_speech_through_and_rumble_not() -> None:
    narrow = Condition(band_hz=(300.0, 3400.0))
    assert level_db(transmit(tone(1000), narrow, noise_free())) == pytest.approx(level_db(tone(1000)), abs=0.5)
    assert level_db(transmit(tone(60), narrow, noise_free())) < level_db(tone(60)) - 40


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("snr_db", [10.0, 30.0])
def test_noise_lies_so_many_decibels_below_the_speech(slope: float, snr_db: float) -> None:
    clean = transmit(tone(800), Condition(), noise_free())
    noisy = transmit(tone(800), Condition(snr_db=snr_db, noise_slope=slope), noise_free())
    assert level_db(clean) - level_db(noisy - clean) == pytest.approx(snr_db, abs=1.0)


def test_noise_on_silence_is_silence() -> None:
    silent = transmit(np.zeros(800, np.float32), Condition(snr_db=10.0), noise_free())
    np.testing.assert_array_equal(silent, 0.0)


def test_lost_packets_repeat_the_one_before_ever_more_quietly_and_the_others_stay() -> None:
    samples = transmit(tone(437, seconds=4.0), PLAIN, noise_free())
    heard = transmit(tone(437, seconds=4.0), Condition(loss=0.3), noise_free())
    packets, before = heard.reshape(-1, 160), samples.reshape(-1, 160)
    lost = [n for n in range(len(packets)) if (packets[n] != before[n]).any()]
    assert 30 <= len(lost) <= 90
    for n in lost:
        np.testing.assert_array_equal(packets[n], 0.5 * packets[n - 1] if n else 0.0)


def test_when_all_is_lost_nothing_is_heard() -> None:
    np.testing.assert_array_equal(transmit(tone(437), Condition(loss=1.0), noise_free()), 0.0)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), loss=st.floats(0.05, 0.4), burst=st.floats(1.0, 5.0))
def test_lost_packets_have_their_share_and_their_length_of_bursts(seed: int, loss: float, burst: float) -> None:
    packets = 40_000
    samples = np.full(packets * 160, 0.5, np.float32)
    heard = transmit(samples, Condition(law="none", loss=loss, burst=burst), np.random.default_rng(seed))
    lost = heard.reshape(-1, 160)[:, 0] != 0.5
    runs = int(lost[0]) + np.count_nonzero(lost[1:] & ~lost[:-1])
    assert lost.mean() == pytest.approx(loss, rel=0.35)
    assert lost.sum() / runs == pytest.approx(burst, rel=0.3)


@pytest.mark.parametrize(("loss", "burst"), [(0.1, 0.5), (0.8, 2.0), (1.0, 3.0)])
def test_bursts_that_cannot_be_are_refused(loss: float, burst: float) -> None:
    with pytest.raises(ValueError, match=f"a share of {loss} lost in runs of {burst} packets cannot be"):
        transmit(tone(437), Condition(loss=loss, burst=burst), noise_free())


@pytest.mark.parametrize("snr_db", [5.0, 20.0])
def test_a_background_lies_so_many_decibels_below_the_speech(snr_db: float) -> None:
    line = Condition(background="music", background_snr_db=snr_db)
    clean = transmit(tone(800), Condition(), noise_free())
    mixed = transmit(tone(800), line, noise_free(), {"music": tone(300, seconds=0.1, level=0.9)})
    assert level_db(clean) - level_db(mixed - clean) == pytest.approx(snr_db, abs=1.0)


def test_another_seed_begins_the_background_elsewhere() -> None:
    line = Condition(law="none", background="babble")
    babble = {"babble": np.random.default_rng(1).standard_normal(4000).astype(np.float32)}
    first, second = (transmit(tone(800), line, np.random.default_rng(seed), babble) for seed in (1, 2))
    assert (first != second).any()


@pytest.mark.parametrize("given", [{}, {"babble": tone(300)}, {"music": np.zeros(0, np.float32)}])
def test_a_background_that_is_not_there_is_refused(given: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="the line has 'music' in the background"):
        transmit(tone(437), Condition(background="music"), noise_free(), given)


def test_an_unknown_law_is_refused() -> None:
    with pytest.raises(ValueError, match="the law is 'opus', must be mulaw, alaw or none"):
        transmit(tone(437), Condition(law="opus"), noise_free())


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the codec is 'evs', must be one of gsm, amr-nb-4\.75"):
        transmit(tone(437), Condition(codecs=("evs",)), noise_free())


def test_the_lines_that_models_are_judged_on_have_each_its_own_name() -> None:
    assert NAMED["mulaw"] == PLAIN
    assert len(set(NAMED.values())) == len(NAMED)
    assert set(CODECS) < set(NAMED)
