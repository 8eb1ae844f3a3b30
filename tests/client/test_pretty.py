from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from streamer_client.events import PartialEvent
from streamer_client.pretty import bar, format_event, position, style_event


def test_an_utterance_is_one_line_with_all_that_matters(make: Any) -> None:
    line = format_event(make.utterance(top="angry", confidence=0.81, start_ms=61_240, end_ms=64_210))
    assert line == "10:15:04  CA1                 customer  1:01.2-1:04.2    ██████▌    angry    81%"


def test_an_uncertain_verdict_is_questioned_in_words_and_dim(make: Any) -> None:
    event = make.utterance(top="sad", confidence=0.34, uncertain=True)
    assert "? sad" in format_event(event)
    assert "? sad" not in format_event(make.utterance(top="sad", confidence=0.9))
    styles = {str(span.style) for span in style_event(event).spans}
    assert styles == {"dim"}


def test_a_partial_verdict_is_marked_as_unfinished(make: Any) -> None:
    full = make.utterance()
    partial = PartialEvent(
        id="p", source=full.source, subject=full.subject, time=full.time, sequence=full.sequence, data=full.data
    )
    assert format_event(partial).endswith("80% ...")


def test_an_alert_stands_out_without_colour(make: Any) -> None:
    line = format_event(make.alert())
    assert line == "10:15:04  ▲ CRITICAL  angry-customer  CA1 customer: Listen in. (2 utterances)"


def test_the_end_of_a_call_is_its_summary(make: Any) -> None:
    line = format_event(make.ended())
    assert "■ ended" in line
    assert line.endswith("4:05, 3 utterances, stop; customer spoke 1:01 (angry 2, neutral 1)")


def test_a_live_call_and_a_node_say_what_they_are(make: Any) -> None:
    assert format_event(make.state()).endswith("● live    customer, agent; analysed: customer")
    assert format_event(make.status()).endswith("◆ node    online")


def test_an_acknowledgement_says_who_and_what(make: Any) -> None:
    assert format_event(make.acknowledgement()).endswith("✓ taken   by desk-2: Called back.")


@pytest.mark.parametrize("kind", ["utterance", "alert", "acknowledgement", "ended", "state", "status"])
def test_every_event_is_one_line_also_for_a_terminal(make: Any, kind: Any) -> None:
    event = getattr(make, kind)()
    console = Console(width=400, color_system="truecolor", force_terminal=True)
    with console.capture() as shown:
        console.print(style_event(event))
    assert shown.get().count("\n") == 1


def test_a_long_call_id_is_cut_so_that_columns_stay(make: Any) -> None:
    short, long = format_event(make.utterance()), format_event(make.utterance(call="x" * 60))
    assert len(short) == len(long)
    assert "…" in long


@given(share=st.floats(-1, 2), cells=st.integers(1, 40))
def test_a_bar_is_as_wide_as_asked_and_grows_with_its_share(share: Any, cells: Any) -> None:
    drawn = bar(share, cells)
    assert len(drawn) == cells
    eighths = sum(" ▏▎▍▌▋▊▉█".index(cell) for cell in drawn)
    assert abs(eighths - 8 * cells * min(max(share, 0), 1)) <= 0.5
    assert drawn == "".join(sorted(drawn, key="█▉▊▋▌▍▎▏ ".index))


@given(st.integers(0, 10**8))
def test_a_position_reads_back_to_its_tenth(ms: Any) -> None:
    minutes, _, seconds = position(ms).partition(":")
    assert int(minutes) * 600 + round(float(seconds) * 10) == ms // 100
    assert 0 <= float(seconds) < 60
