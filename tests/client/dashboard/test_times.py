"""Times as events write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dashboard.times import epoch_s, midnight_s, rfc3339
from streamer_client.events import EventError


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_that_is_written_is_read_as_it_was(at_ms: int) -> None:
    written = rfc3339(at_ms / 1000)
    assert written.endswith("Z")
    assert round(epoch_s(written) * 1000) == at_ms


@pytest.mark.parametrize("wrong", ["", "now", "2026-11-22", "2026-11-22T10:15:04"])
def test_what_is_no_time_with_an_offset_is_an_error(wrong: str) -> None:
    with pytest.raises(EventError, match="for a time; expected one like"):
        epoch_s(wrong)


@given(st.integers(0, 4_000_000_000))
def test_midnight_is_at_most_a_day_ago_and_its_own_midnight(now_s: int) -> None:
    midnight = midnight_s(now_s)
    assert 0 <= now_s - midnight < 25 * 3600
    assert midnight_s(midnight) == midnight
