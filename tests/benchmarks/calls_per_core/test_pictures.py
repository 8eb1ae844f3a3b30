"""Pictures: well-formed, in proportion, and readable by who does not see them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calls_per_core.pictures import bars, line

SVG = "{http://www.w3.org/2000/svg}"
VALUES = st.lists(st.tuples(st.text("abc<&\"'", max_size=9), st.floats(0, 1e6), st.booleans()), max_size=8)
POINTS = st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e3)), max_size=8)


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own document


@given(VALUES)
def test_bars_are_as_long_as_their_values_from_nothing_on(values) -> None:
    root = parsed(bars("Legs", "legs", values))
    widths = [float(one.attrib["width"]) for one in root.iter(f"{SVG}rect")]
    most = max((value for _, value, _ in values), default=0.0) or 1.0
    assert len(widths) == len(values)
    longest = max(widths, default=0.0)
    assert all(abs(width - longest * value / most) <= 0.2 for width, (_, value, _) in zip(widths, values, strict=True))


@given(VALUES)
def test_each_bar_says_its_name_and_value_in_words_too(values) -> None:
    root = parsed(bars("Legs", "legs", values))
    said = root.findtext(f"{SVG}desc")
    assert said is not None
    assert all(f"{name} {value:.0f}" in said for name, value, _ in values)


@given(POINTS)
def test_a_line_has_a_mark_and_a_number_for_each_point_within_the_picture(points) -> None:
    root = parsed(line("Cost", "legs", "ms", points))
    marks = list(root.iter(f"{SVG}circle"))
    assert len(marks) == len(points)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for mark in marks:
        assert 0 <= float(mark.attrib["cx"]) <= width
        assert 0 <= float(mark.attrib["cy"]) <= height


def test_twice_as_much_is_twice_as_high() -> None:
    root = parsed(line("Cost", "legs", "ms", [(1.0, 1.0), (2.0, 2.0)]))
    low, high = (float(one.attrib["cy"]) for one in root.iter(f"{SVG}circle"))
    bottom = max(float(one.attrib["y2"]) for one in root.iter(f"{SVG}line"))
    assert abs((bottom - high) - 2 * (bottom - low)) < 0.3
