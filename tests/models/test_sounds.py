"""What is on a telephone line and is nobody's emotion."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import announcements, sounds
from models.music import Split
from models.sounds import KINDS, LEVEL_DBFS, QUIET_DBFS, RATE_HZ, make

SPLITS: tuple[Split, ...] = ("train", "test")
LOW_HZ, HIGH_HZ = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0)


@pytest.fixture(autouse=True, scope="module")
def speaking():
    """Speak announcements by noise: the program that speaks them is tested in test_announcements.py."""

    def speak(text: str, voice: str, pitch: int, words_a_minute: int) -> np.ndarray:
        seed = zlib.crc32(f"{text}{voice}{pitch}{words_a_minute}".encode())
        return np.random.default_rng(seed).uniform(-0.5, 0.5, 9000).astype(np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(announcements, "_speak", speak)
        yield


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def talkers(count: int, n_samples: int = 4000) -> list[np.ndarray]:
    return [rng(number).standard_normal(n_samples).astype(np.float32) for number in range(count)]


def level_dbfs(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64)))))


def peaks_hz(samples: np.ndarray, share: float = 0.3) -> list[float]:
    """Return the frequencies that stand out of a spectrum, each once, to 4 Hz or so."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    tops = np.flatnonzero(
        (spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] >= spectrum[2:]) & (spectrum[1:-1] > share * spectrum.max())
    )
    return [float(top + 1) * RATE_HZ / len(samples) for top in tops]


def runs_s(samples: np.ndarray) -> tuple[list[float], list[float]]:
    """Return how long the tones and the silences are, first and last left out."""
    on = np.convolve(np.abs(samples) > 0.02 * np.abs(samples).max(), np.ones(80), mode="same") > 0.5
    edges = np.flatnonzero(on[1:] != on[:-1])
    lengths = np.diff(edges) / RATE_HZ
    begins_on = bool(on[edges[0] + 1])
    tones, silences = lengths[0 if begins_on else 1 :: 2], lengths[1 if begins_on else 0 :: 2]
    return sorted(set(tones.round(2))), sorted(set(silences.round(2)))


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), split=st.sampled_from(SPLITS), n_samples=st.integers(1, 16_000))
def test_any_sound_has_its_length_stays_in_full_scale_and_is_the_same_for_the_same_seed(
    kind: str, seed: int, split: Split, n_samples: int
) -> None:
    sound = make(kind, n_samples / RATE_HZ, rng(seed), split, talkers(5))
    assert (sound.shape, sound.dtype) == ((n_samples,), np.float32)
    assert np.abs(sound).max() <= 1.0
    np.testing.assert_array_equal(sound, make(kind, n_samples / RATE_HZ, rng(seed), split, talkers(5)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "silence"])
def test_one_seed_gives_another_sound_for_each_split_and_another_seed_another(kind: str) -> None:
    made = [make(kind, 2.0, rng(seed), split, talkers(9)).tobytes() for seed in range(5) for split in SPLITS]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"silence", "cough", "breath", "keyboard"}])
def test_levels_are_those_of_a_telephone(kind: str) -> None:
    low, high = QUIET_DBFS if kind in {"line-noise", "hum"} else LEVEL_DBFS
    levels = [level_dbfs(make(kind, 3.0, rng(seed), "train", talkers(6))) for seed in range(20)]
    assert low - 1 <= min(levels)
    assert max(levels) <= high + 0.1
    assert max(levels) - min(levels) > 0.4 * (high - low)


def test_silence_is_silence() -> None:
    np.testing.assert_array_equal(make("silence", 1.0, rng()), np.zeros(RATE_HZ))


@pytest.mark.parametrize(
    ("kind", "split", "known"),
    [
        ("ringback", "train", {(425,): (1.0, 4.0), (440, 480): (2.0, 4.0), (450,): (1.0, 4.0)}),
        ("busy", "train", {(425,): (0.48, 0.48), (480, 620): (0.5, 0.5), (450,): (0.35, 0.35)}),
        ("ringback", "test", {(400, 450): (0.4, 0.2), (440,): (1.5, 3.5), (384, 416): (1.0, 2.0)}),
        ("busy", "test", {(400,): (0.38, 0.38), (440,): (0.5, 0.5)}),
    ],
)
def test_call_progress_tones_have_the_frequencies_and_cadences_of_their_countries(
    kind: str, split: Split, known: dict[tuple[int, ...], tuple[float, float]]
) -> None:
    heard = set()
    for seed in range(25):
        sound = make(kind, 20.0, rng(seed), split)
        first_tone = sound[: int(0.17 * RATE_HZ)]
        padded = np.pad(first_tone * np.hanning(len(first_tone)), (0, 14 * len(first_tone)))
        loudest_hz = float(np.argmax(np.abs(np.fft.rfft(padded))) * RATE_HZ / len(padded))
        tones, silences = runs_s(sound)
        heard |= {
            frequencies
            for frequencies, (on_s, off_s) in known.items()
            if min(frequencies) - 6 <= loudest_hz <= max(frequencies) + 6
            and min(abs(tone - on_s) for tone in tones) < 0.04
            and min(abs(silence - off_s) for silence in silences) < 0.04
        }
    assert heard == set(known)


def test_keys_to_learn_from_are_not_those_to_judge_by() -> None:
    keys: dict[Split, set[tuple[float, ...]]] = {"train": set(), "test": set()}
    for split in SPLITS:
        for seed in range(60):
            pressed = make("dtmf", 0.05, rng(seed), split)
            spectrum = np.abs(np.fft.rfft(np.pad(pressed, (0, 7600))))
            keys[split].add(
                tuple(max(group, key=lambda hz: spectrum[round(hz)]) for group in (LOW_HZ, HIGH_HZ)),
            )
    assert len(keys["train"]) == len(keys["test"]) == 8
    assert not keys["train"] & keys["test"]


def test_a_fax_calls_and_talks_in_one_split_and_answers_in_the_other() -> None:
    calling = make("fax", 10.0, rng(1), "train")
    assert peaks_hz(calling[:2400], share=0.5)[0] == pytest.approx(1100, abs=6)
    talking = np.abs(np.fft.rfft(calling[-8000:]))
    assert 1600 < np.average(np.arange(len(talking)), weights=np.square(talking)) < 1900
    answering = make("fax", 10.0, rng(1), "test")
    assert peaks_hz(answering[:3200], share=0.5) == [pytest.approx(2100, abs=6)]


@pytest.mark.parametrize(("split", "mains_hz"), [("train", 50), ("test", 60)])
def test_hum_is_a_comb_of_the_mains(split: Split, mains_hz: int) -> None:
    for frequency_hz in peaks_hz(make("hum", 4.0, rng(3), split), share=0.4):
        assert frequency_hz % mains_hz == pytest.approx(0, abs=1) or frequency_hz % mains_hz > mains_hz - 1


@pytest.mark.parametrize("kind", ["cough", "keyboard"])
def test_coughs_and_keys_come_and_go(kind: str) -> None:
    sound = make(kind, 10.0, rng(0))
    loudness = np.sqrt(np.mean(np.square(sound.reshape(-1, 160)), axis=1))
    assert np.median(loudness) < 0.3 * loudness.max()
    assert (loudness > 0.3 * loudness.max()).sum() >= 3


def test_babble_is_of_four_voices_or_more_and_equally_loud_ones() -> None:
    # Each talker is a tone of its own, so that the babble's spectrum says who is in it; one is much louder.
    time = np.arange(8000) / RATE_HZ
    tones = [(10.0 if n == 0 else 1.0) * np.sin(2 * np.pi * 100 * (n + 3) * time) for n in range(10)]
    for seed in range(20):
        sound = make("babble", 1.0, rng(seed), "train", [tone.astype(np.float32) for tone in tones])
        lines = np.abs(np.fft.rfft(sound))[300:1300:100]
        heard = lines[lines > 0.1 * lines.max()]
        assert 4 <= len(heard) <= 8
        assert heard.max() / heard.min() < 1.1


@pytest.mark.parametrize("given_talkers", [[], talkers(3), [*talkers(3), np.zeros(100, np.float32)]])
def test_too_few_voices_for_a_babble_are_refused(given_talkers: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=f"4 utterances or more that are not silence, got {len(given_talkers[:3])}"):
        make("babble", 1.0, rng(), "train", given_talkers)


def test_what_cannot_be_made_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="the kind of sound is 'laughter', must be one of music, announcement"):
        make("laughter", 1.0, rng())
    with pytest.raises(ValueError, match="the split is 'dev', must be train or test"):
        make("music", 1.0, rng(), "dev")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"a sound of 0\.0 s has no sample"):
        make("music", 0.0, rng())


def test_every_kind_is_made_by_something() -> None:
    assert set(KINDS) == {*sounds._MAKERS, "babble"}
    assert len(set(KINDS)) == len(KINDS)
