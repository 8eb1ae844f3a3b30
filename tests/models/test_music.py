"""Hold music: some of everything, nothing in common between the two splits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.music import STYLES, Instrument, Split, Style, compose

SPLITS: tuple[Split, ...] = ("train", "test")


def loudest_hz(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 8000 / len(samples))


def instruments(split: Split) -> set[Instrument]:
    return {instrument for style in STYLES[split] for instrument in (style.chords, style.melody, style.bass)}


def drums(split: Split) -> set[tuple[tuple[int, ...], ...]]:
    return {(style.kick, style.snare, style.hat) for style in STYLES[split] if style.kick or style.snare or style.hat}


def degrees(style: Style) -> set[tuple[int, ...]]:
    """Return a style's chords in semitones above its key, so that steps of two scales can be compared."""
    return {tuple(style.scale[step] for step in progression) for progression in style.progressions}


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), split=st.sampled_from(SPLITS), n_samples=st.integers(1, 40_000))
def test_a_piece_has_the_length_asked_for_and_is_the_same_for_the_same_seed(
    seed: int, split: Split, n_samples: int
) -> None:
    piece = compose(n_samples / 8000, np.random.default_rng(seed), split)
    assert (piece.shape, piece.dtype) == ((n_samples,), np.float32)
    assert np.isfinite(piece).all()
    np.testing.assert_array_equal(piece, compose(n_samples / 8000, np.random.default_rng(seed), split))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), split=st.sampled_from(SPLITS))
def test_a_piece_is_heard_in_each_of_its_seconds_and_lies_in_the_telephone_band(seed: int, split: Split) -> None:
    piece = compose(8.0, np.random.default_rng(seed), split)
    assert (piece.reshape(8, -1).std(axis=1) > 0.01).all()
    assert 30 < loudest_hz(piece) < 3000


def test_seeds_give_different_pieces() -> None:
    pieces = {compose(4.0, np.random.default_rng(seed), "train").tobytes() for seed in range(20)}
    assert len(pieces) == 20


@pytest.mark.parametrize("split", SPLITS)
def test_every_style_is_played(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    for style in STYLES[split]:
        monkeypatch.setitem(STYLES, split, (style,))
        assert compose(6.0, np.random.default_rng(0), split).std() > 0.01


def test_a_piece_to_learn_from_shares_nothing_with_one_to_judge_by() -> None:
    assert not instruments("train") & instruments("test")
    assert drums("train")
    assert drums("test")
    assert not drums("train") & drums("test")
    assert not {style.scale for style in STYLES["train"]} & {style.scale for style in STYLES["test"]}
    for learned in STYLES["train"]:
        for judged in STYLES["test"]:
            assert not degrees(learned) & degrees(judged)
            assert learned.bpm[1] <= judged.bpm[0] or judged.bpm[1] <= learned.bpm[0]
