from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import RecordingError
from streamer_client.recording import open_recording
from streamer_client.recordings.pair import open_pair


def written(path: Path, frames: int, seed: int, rate_hz: int = 8000) -> np.ndarray:
    samples = np.random.default_rng(seed).integers(-9000, 9000, frames).astype(np.int16)
    soundfile.write(path, samples, rate_hz)
    return samples


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 90))
def test_a_pair_is_both_files_side_by_side_with_silence_behind_the_shorter(
    tmp_path_factory: pytest.TempPathFactory, first: int, second: int, block_ms: int
) -> None:
    folder = tmp_path_factory.mktemp("pair")
    paths = (folder / "a.wav", folder / "b.flac")
    stored = [written(path, frames, n) for n, (path, frames) in enumerate(zip(paths, (first, second), strict=True))]
    pair = open_pair(paths)
    blocks = list(pair.blocks(block_ms))
    joined = np.concatenate([block.samples for block in blocks])
    assert joined.shape == (max(first, second), 2)
    for channel, samples in enumerate(stored):
        np.testing.assert_array_equal(joined[: len(samples), channel], samples)
        assert not joined[len(samples) :, channel].any()
    assert pair.duration_ms == max(first, second) / 8
    assert blocks[-1].end_ms == pytest.approx(pair.duration_ms)


def test_the_lower_rate_counts_and_nothing_is_sampled_up(tmp_path: Path) -> None:
    written(tmp_path / "a.wav", 16000, 1, 16000)
    low = written(tmp_path / "b.wav", 8000, 2)
    pair = open_pair((tmp_path / "a.wav", tmp_path / "b.wav"))
    joined = np.concatenate([block.samples for block in pair.blocks()])
    assert (pair.wire_rate_hz, pair.channels, pair.path) == (8000, 2, tmp_path / "a.wav")
    np.testing.assert_array_equal(joined[:8000, 1], low)
    resampled = np.concatenate([block.samples for block in open_recording(tmp_path / "a.wav").blocks(20, 8000)])
    np.testing.assert_array_equal(joined[: len(resampled), 0], resampled[:, 0])


def test_a_file_of_two_parties_is_no_half_of_a_pair(recorded: Any) -> None:
    with pytest.raises(RecordingError, match=r"two\.wav has 2 channels, but a file of a pair holds one party"):
        open_pair((recorded("one.wav", channels=1), recorded("two.wav", channels=2)))
