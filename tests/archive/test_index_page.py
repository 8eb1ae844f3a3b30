from __future__ import annotations

from typing import Any

from streamer_client.alerts.rules import default_rules

from streamer.archive.index_page import Line, index_page, line_of
from streamer.archive.results import with_alerts
from streamer.archive.ways import Ways


def test_a_line_sums_a_call_up(said_otherwise: Any) -> None:
    line = line_of(with_alerts(said_otherwise(top="angry"), default_rules()), "ca1.html")
    assert line == Line("CA1", "ca1.html", None, 21000, 3, {"angry": 3}, {"warning": 1})
    assert line_of(with_alerts(said_otherwise(uncertain=True, top="sad"), ()), "x").certain == {}


def test_the_first_page_has_all_calls_their_sums_and_what_is_missing(ways: Ways) -> None:
    lines = [
        Line("CA1", "ca1.html", 0.0, 60_000, 3, {"angry": 2}, {"warning": 1, "critical": 1}),
        Line("<b>", "b--1.html", None, 3_540_000, 0, {}, {}),
    ]
    whole = index_page(lines, ways, failed=1)
    assert '<a href="calls/ca1.html"><bdi>CA1</bdi></a>' in whole
    assert "<bdi>&lt;b&gt;</bdi>" in whole
    assert "<b>1:00:00</b><span>of audio</span>" in whole
    assert "1 critical, 1 warning" in whole
    assert "1970-01-01 00:00:00" in whole
    assert "1 recording could not be analysed" in whole
    assert "never a decision" in whole
    assert "could not be" not in index_page(lines, ways, failed=0)


def test_an_archive_of_nothing_has_a_page(ways: Ways) -> None:
    assert "<b>0</b><span>calls</span>" in index_page([], ways, failed=0)
