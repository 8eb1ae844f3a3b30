"""The sampler: each stack belongs to the part of its innermost frame that has one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calls_per_core.sampled import OTHER, part, shares


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["/x/numpy/_core.py", "/a/streamer/features/mfcc.py", "/a/streamer/leg.py"], "features"),
        (["/a/streamer/speech/vad.py", "/a/streamer/leg.py"], "vad and segmenter"),
        (["/a/streamer/wire/twilio.py", "/a/streamer/session.py"], "dialect"),
        (["/a/streamer/session.py", "/x/websockets/connection.py"], "call and session"),
        (["/a/streamer/load/pacing.py", "/a/streamer/session.py"], "transport"),
        (["/x/websockets/frames.py", "/x/uvloop/__init__.py", "/a/streamer/cli.py"], "transport"),
        (["/x/uvloop/__init__.py", "/a/streamer/cli.py"], "transport"),
        (["/a/streamer/bus/outbox.py"], "bus"),
        (["<string>"], OTHER),
        ([], OTHER),
    ],
)
def test_a_stack_counts_for_the_innermost_part(files: list[str], expected: str) -> None:
    assert part(files) == expected


def test_what_the_loop_was_idle_is_no_work() -> None:
    found = shares(Counter(features=20), at_loop=80, busy=0.4, others_s={}, main_s=4.0)
    assert found == pytest.approx({"features": 0.5, "transport": 0.5})


def test_other_threads_count_by_their_own_clocks() -> None:
    found = shares(Counter(features=10), at_loop=0, busy=1.0, others_s={"model": 3.0}, main_s=1.0)
    assert found == pytest.approx({"model": 0.75, "features": 0.25})


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 99)), st.integers(0, 99), st.floats(0, 1))
def test_shares_add_up_to_one_unless_there_was_nothing(counted: dict[str, int], at_loop: int, busy: float) -> None:
    found = shares(Counter(counted), at_loop, busy, {"model": 0.5}, 1.0)
    assert sum(found.values()) == pytest.approx(1.0)
    assert all(share >= 0 for share in found.values())
