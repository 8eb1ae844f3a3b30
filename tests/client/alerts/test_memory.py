"""What is remembered of a call is the same after it was written down and read back."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.memory import (
    CallMemory,
    Memory,
    RepeatedMemory,
    RisingMemory,
    SilenceMemory,
    SustainedMemory,
)

_WHEN = st.integers(0, 10**8)
_ENDS = st.lists(st.tuples(_WHEN, st.text(max_size=8)), max_size=4)
MEMORIES: st.SearchStrategy[Memory] = st.one_of(
    st.builds(RepeatedMemory, ends=_ENDS),
    st.builds(SustainedMemory, start_ms=_WHEN, end_ms=_WHEN, met_ms=_WHEN, ids=st.lists(st.text(max_size=8))),
    st.builds(RisingMemory, scores=st.lists(st.tuples(st.floats(0, 1), st.text(max_size=8)), max_size=6)),
    st.builds(SilenceMemory, unanswered=_ENDS, silent_until_ms=_WHEN, heard_ms=_WHEN),
)


@given(
    st.builds(
        CallMemory,
        last_s=st.floats(0, 1e9),
        over=st.booleans(),
        analysed=st.lists(st.sampled_from(["customer", "agent"])),
        silent_until_ms=st.dictionaries(st.text(max_size=5), st.floats(0, 1e9)),
        trackers=st.dictionaries(st.text(max_size=5), MEMORIES),
    )
)
def test_nothing_changes_on_the_way_to_the_disk_and_back(memory: CallMemory) -> None:
    assert msgspec.json.decode(msgspec.json.encode(memory), type=CallMemory) == memory
