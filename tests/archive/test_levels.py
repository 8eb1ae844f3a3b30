from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.archive.levels import FLOOR_DBFS, Levels


def fed(samples: np.ndarray, sizes: list[int]) -> tuple[bytes, ...]:
    levels, at = Levels(8000, samples.shape[1]), 0
    for size in [*sizes, len(samples)]:
        levels.feed(samples[at : at + size])
        at += size
    return levels.finish()


@given(st.lists(st.integers(0, 2000), max_size=6), st.integers(0, 5000))
def test_any_cutting_gives_the_same_levels(sizes: list[int], frames: int) -> None:
    samples = np.random.default_rng(frames).integers(-32768, 32768, (frames, 2)).astype(np.int16)
    whole = fed(samples, [])
    assert fed(samples, sizes) == whole
    assert [len(one) for one in whole] == [-(-frames // 800)] * 2


@pytest.mark.parametrize(("value", "dbfs"), [(32767, 0), (3277, -20), (1, -90), (0, -96)])
def test_a_level_is_what_a_meter_would_show(value: int, dbfs: int) -> None:
    (steps,) = fed(np.full((800, 1), value, np.int16), [])
    assert [step + FLOOR_DBFS for step in steps] == [dbfs]
