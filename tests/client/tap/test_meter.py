from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.tap.meter import level_dbfs, line


@given(st.lists(st.integers(-32768, 32767)))
def test_a_level_is_never_off_the_scale(samples: list[int]) -> None:
    assert -60 <= level_dbfs(np.array(samples, np.int16)) <= 0


def test_half_the_amplitude_is_six_decibels_less() -> None:
    full = np.full(160, 32767, np.int16)
    assert level_dbfs(full) == pytest.approx(0, abs=0.01)
    assert level_dbfs(full // 2) == pytest.approx(-6, abs=0.05)


def test_the_line_shows_time_a_bar_each_and_what_is_lost() -> None:
    assert line(61_240, {"customer": -30.0, "agent": None}) == "1:01.2  customer [██████      ]  agent [lost        ]"
