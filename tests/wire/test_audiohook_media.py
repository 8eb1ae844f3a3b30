"""What is taken of an offer, durations, and the clock that two counts agree on."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.audiohook_media import Choice, MediaClock, choose, duration, seconds
from streamer.wire.events import Encoding, Role

ROLES = {"external": Role.CUSTOMER, "internal": Role.AGENT}
BOTH = ("PCMU", "L16")


def entry(*channels: str, **changes: Any) -> msgspec.Raw:
    offered = {"type": "audio", "format": "PCMU", "channels": channels, "rate": 8000, **changes}
    return msgspec.Raw(json.dumps(offered).encode())


STEREO, TURNED = entry("external", "internal"), entry("internal", "external")
EXTERNAL, INTERNAL = entry("external"), entry("internal")


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        ([STEREO, EXTERNAL, INTERNAL], STEREO),
        ([INTERNAL, EXTERNAL, STEREO], STEREO),
        ([TURNED], TURNED),
        ([TURNED, STEREO], TURNED),
        ([INTERNAL, EXTERNAL], EXTERNAL),
        ([INTERNAL], INTERNAL),
        ([entry("external", "internal", format="L16"), STEREO], STEREO),
        ([entry("external", "internal", format="L16"), EXTERNAL], entry("external", "internal", format="L16")),
        ([entry("external", format="OPUS"), INTERNAL], INTERNAL),
        ([entry("external", rate=16000), INTERNAL], INTERNAL),
        ([entry("external", type="video"), INTERNAL], INTERNAL),
        ([entry("external", "external"), INTERNAL], INTERNAL),
        ([entry("whisper"), INTERNAL], INTERNAL),
        ([entry(), INTERNAL], INTERNAL),
        ([msgspec.Raw(b"7"), INTERNAL], INTERNAL),
        ([entry("external", codec="new")], entry("external", codec="new")),
    ],
)
def test_both_parties_come_before_one_and_the_customer_before_the_agent(
    offer: list[msgspec.Raw], taken: msgspec.Raw
) -> None:
    choice = choose(offer, BOTH, ROLES)
    assert choice is not None
    assert bytes(choice.offered) == bytes(taken)


@pytest.mark.parametrize("offer", [[], [entry("external", rate=16000)], [entry("external", format="OPUS")]])
def test_nothing_is_taken_of_what_cannot_be_read(offer: list[msgspec.Raw]) -> None:
    assert choose(offer, BOTH, ROLES) is None


def test_the_preferred_format_and_the_customers_channel_are_configured() -> None:
    linear = entry("external", format="L16")
    preferred = choose([EXTERNAL, linear], ("L16", "PCMU"), ROLES)
    assert preferred is not None
    assert preferred.encoding is Encoding.PCM_S16LE
    assert choose([linear], ("PCMU",), ROLES) is None
    turned = choose([EXTERNAL, INTERNAL], BOTH, {"external": Role.AGENT, "internal": Role.CUSTOMER})
    assert turned == Choice(INTERNAL, ("internal",), Encoding.PCMU)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT0S", 0.0),
        ("PT1S", 1.0),
        ("PT0.0016S", 0.0016),
        ("PT8.0S", 8.0),
        ("PT.5S", 0.5),
        ("PT1M2.5S", 62.5),
        ("PT1H", 3600.0),
        ("PT86400S", 86400.0),
    ],
)
def test_durations_are_read(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PT",
        "PTS",
        "PT.S",
        "PT-1S",
        "P1D",
        "1S",
        "PT1",
        "PT1s",
        "PT1S ",
        "PT86400.1S",
        "PT" + "9" * 99 + "S",
        "PT٣S",
    ],
)
def test_what_is_no_duration_is_none(text: str) -> None:
    assert seconds(text) is None


@settings(deadline=None)
@given(st.integers(0, 86_400_000))
def test_a_duration_that_is_written_can_be_read(milliseconds: int) -> None:
    written = duration(milliseconds)
    assert "." not in written or not written.endswith("0S")
    assert seconds(written) == pytest.approx(milliseconds / 1000)


@given(st.text(max_size=30))
def test_no_text_makes_reading_raise(text: str) -> None:
    assert seconds(text) is None or text.startswith("PT")


class TestClock:
    """Own count and the platform's, in seconds of 8000 samples."""

    def test_what_came_moves_it_and_what_did_not_come_as_well(self) -> None:
        clock = MediaClock(0)
        clock.take(8000)
        assert clock.compare(1.0) == 0
        assert clock.compare(1.5) == 4000
        assert clock.compare(1.5) == 0
        assert (clock.now_ms, clock.lost) == (1500, 4000)

    def test_a_session_that_opens_later_begins_there(self) -> None:
        clock = MediaClock(5.0)
        assert clock.now_ms == 5000
        assert clock.compare(5.0) == 0

    @pytest.mark.parametrize("position_s", [0.0, 0.9, 1.0, 1.001])
    def test_a_position_that_is_behind_or_rounded_is_no_loss(self, position_s: float) -> None:
        clock = MediaClock(0)
        clock.take(8000)
        assert clock.compare(position_s) == 0
        assert clock.now_ms == 1000

    def test_losses_too_short_to_see_add_up(self) -> None:
        clock = MediaClock(0)
        assert [clock.compare(n / 2000) for n in range(1, 5)] == [0, 0, 12, 0]

    @pytest.mark.parametrize("counts", [True, False], ids=["counting what was left out", "not counting it"])
    def test_it_finds_out_whether_positions_count_what_was_left_out(self, counts: bool) -> None:
        clock = MediaClock(0)
        clock.take(8000)
        clock.leave_out(0.5)
        left_out_s = 0.5 if counts else 0.0
        assert clock.compare(1.0 + left_out_s) == 0
        clock.take(8000)
        assert clock.compare(2.0 + left_out_s) == 0
        clock.leave_out(0.25)
        left_out_s = 0.75 if counts else 0.0
        assert clock.compare(3.0 + left_out_s) == 8000
        assert clock.now_ms == 3750

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(["came", "lost", "left out"]), st.integers(80, 40_000)), max_size=20),
        st.booleans(),
    )
    def test_whatever_happens_it_stands_where_the_sender_stands(
        self, story: list[tuple[str, int]], counts: bool
    ) -> None:
        clock, sent, left_out = MediaClock(0), 0, 0
        for what, samples in story:
            if what == "left out":
                left_out += samples
                clock.leave_out(samples / 8000)
            else:
                sent += samples
                if what == "came":
                    clock.take(samples)
            # Positions come often: a loss in front of the first one behind a gap could not be told from the gap.
            if what != "lost" or not left_out:
                clock.compare((sent + (left_out if counts else 0)) / 8000)
        clock.compare((sent + (left_out if counts else 0)) / 8000)
        assert clock.now_ms == pytest.approx((sent + left_out) / 8)
