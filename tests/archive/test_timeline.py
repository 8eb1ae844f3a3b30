from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import msgspec
import pytest
from streamer_client.alerts.rules import default_rules

from streamer.archive.analysis import Analysed
from streamer.archive.results import with_alerts
from streamer.archive.timeline import mark, timeline

replace = msgspec.structs.replace


def drawn(analysed: Analysed) -> list[ET.Element]:
    markup = timeline(with_alerts(analysed, default_rules()))
    return list(ET.fromstring(f"<all>{markup}</all>"))  # noqa: S314 - our own


def words(row: ET.Element) -> list[str]:
    return [one.text or "" for one in row.iter("text")]


def lasting(analysed: Analysed, duration_ms: int) -> Analysed:
    ended = replace(analysed.ended, data=replace(analysed.ended.data, duration_ms=duration_ms))
    steps = tuple((one * (duration_ms // 100 // len(one) + 1))[: duration_ms // 100] for one in analysed.levels)
    return replace(analysed, ended=ended, levels=steps)


def test_a_verdict_is_drawn_where_it_was_heard_in_colour_and_by_glyph(said_otherwise: Any) -> None:
    (row,) = drawn(said_otherwise(top="fear"))
    assert words(row).count("F") == 3
    assert [one.attrib["class"] for one in row.iter("rect") if "u " in one.attrib["class"]] == ["u f-fear"] * 3
    assert "customer" in words(row)
    assert "not analysed" in words(row)


def test_what_is_uncertain_has_no_colour_and_no_letter_of_an_emotion(said_otherwise: Any) -> None:
    (row,) = drawn(said_otherwise(top="angry", uncertain=True))
    assert words(row).count("?") == 3
    assert "A" not in words(row)
    assert {one.attrib["class"] for one in row.iter("rect")} == {"lane", "u f-unsure"}
    assert "A" not in mark("angry", uncertain=True)
    assert "warning: angry-customer" not in words(row)


def test_an_alert_is_drawn_at_its_place_with_its_name(said_otherwise: Any) -> None:
    angry = said_otherwise(top="angry")
    (row,) = drawn(angry)
    assert "warning: angry-customer" in words(row)
    bell = next(one for one in row.iter("path") if "bell" in one.attrib["class"])
    at = float(re.match(r"M([\d.]+)", bell.attrib["d"])[1])  # type: ignore[index]
    behind = [one for one in row.iter("rect") if one.attrib["class"] == "u f-angry"][1]
    assert at == pytest.approx(float(behind.attrib["x"]) + float(behind.attrib["width"]), abs=0.2)


@pytest.mark.parametrize(("minutes", "rows"), [(1, 1), (5, 10), (30, 6), (60, 12), (240, 8)])
def test_a_long_call_is_drawn_in_rows_that_leave_room(analysed: Analysed, minutes: int, rows: int) -> None:
    found = drawn(lasting(analysed, minutes * 60_000))
    assert len(found) == rows
    assert all(one.attrib["role"] == "img" and one.find("title") is not None for one in found)
    assert len({one.attrib["aria-labelledby"] for one in found}) == rows


def test_a_call_without_audio_to_speak_of_is_drawn_as_well(analysed: Analysed) -> None:
    assert len(drawn(replace(lasting(analysed, 40), utterances=(), levels=(b"", b"")))) == 1
