"""The page of benchmarks gives the figures of the reports, and names every report."""

from __future__ import annotations

import re

import pytest

from tests.docs.reading import ROOT, text

PAGE = text("docs/benchmarks.md")
ROWS = re.findall(r"^\| (.+\?) \| (.+) \| (.+) \| \[\w+\]\(\.\./(\S+)\) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("question", "found", "how", "report"), ROWS, ids=[row[0][:40] for row in ROWS])
def test_every_figure_of_a_row_stands_in_its_report(question: str, found: str, how: str, report: str) -> None:
    figures = re.findall(r"(?<![\w.])\d[\d,.]*\d|(?<![\w.])\d", f"{question} {found} {how}".replace("p99", ""))
    there = text(report).replace("p99", "")
    assert [figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d]|\.\d)", there)] == []


def test_every_report_is_named() -> None:
    reports = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("benchmarks/results/*.md")}
    assert [report for report in sorted(reports) if f"(../{report})" not in PAGE] == []
    assert len(ROWS) > 5


def test_the_figures_of_the_models_are_those_of_their_cards() -> None:
    rows = re.findall(r"^\| \[[\w-]+\]\(\.\./(\S+)\) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 2
    for card, first, tenth in rows:
        row = re.search(r"^\| CREMA-D, 5 folds by speaker \| ([\d.]+) .*?\| .*?\| ([\d.]+) ", text(card), re.MULTILINE)
        assert row
        assert (first, tenth) == row.groups()
