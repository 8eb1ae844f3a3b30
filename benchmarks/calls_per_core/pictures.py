"""Pictures of what was found, as SVG: bars, and a line over the number of legs. Readable on light and dark. Pure.

This file must never need a font or a file beside the picture, nor draw a scale that does not begin at nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

_STYLE: Final = """<style>
    text { font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2933; }
    .small { font-size: 11.5px; fill: #52606d; }
    .ours { fill: #3f7cc4; }
    .others { fill: #9aa5b1; }
    .axis { stroke: #7b8794; stroke-width: 1; }
    .line { fill: none; stroke: #3f7cc4; stroke-width: 2.5; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #a3b1bf; }
      .ours { fill: #6aa5e8; }
      .others { fill: #66727f; }
      .axis { stroke: #8594a3; }
      .line { stroke: #6aa5e8; }
    }
  </style>"""
_WIDTH: Final = 750
_NAMES: Final = 210
_ROW: Final = 34
_PLOT: Final = 220


def bars(title: str, unit: str, values: Sequence[tuple[str, float, bool]]) -> str:
    """Return a picture of bars.

    Parameters
    ----------
    title
        What they show.
    unit
        Behind each value.
    values
        Name, value of at least 0, and whether it is ours, from the top down.
    """
    most = max((value for _, value, _ in values), default=0.0) or 1.0
    room = _WIDTH - _NAMES - 110
    rows = []
    for number, (name, value, is_ours) in enumerate(values):
        y = 52 + number * _ROW
        width = room * value / most
        rows += [
            f'<text x="{_NAMES - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{_whose(is_ours)}" x="{_NAMES}" y="{y}" width="{width:.1f}" height="22" rx="2"/>',
            f'<text x="{_NAMES + width + 8:.1f}" y="{y + 16}">{value:.0f} {escape(unit)}</text>',
        ]
    said = "; ".join(f"{name} {value:.0f}" for name, value, _ in values)
    return _picture(title, said, 60 + len(values) * _ROW, rows)


def line(title: str, x_unit: str, y_unit: str, points: Sequence[tuple[float, float]]) -> str:
    """Return a picture of a line through points, both scales from nothing.

    Parameters
    ----------
    title
        What it shows.
    x_unit, y_unit
        Of the scales.
    points
        x and y, at least 0, in order of x.
    """
    most_x = max((x for x, _ in points), default=0.0) or 1.0
    most_y = 1.25 * (max((y for _, y in points), default=0.0) or 1.0)
    left, bottom = 60, 52 + _PLOT
    room = _WIDTH - left - 40

    def place(x: float, y: float) -> tuple[float, float]:
        return left + room * x / most_x, bottom - _PLOT * y / most_y

    rows = [
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{_WIDTH - 30}" y2="{bottom}"/>',
        f'<line class="axis" x1="{left}" y1="52" x2="{left}" y2="{bottom}"/>',
        f'<text class="small" x="{left + 8}" y="56">{escape(y_unit)}</text>',
        f'<text class="small" x="{_WIDTH - 30}" y="{bottom + 34}" text-anchor="end">{escape(x_unit)}</text>',
        f'<polyline class="line" points="{" ".join("{:.1f},{:.1f}".format(*place(*one)) for one in points)}"/>',
    ]
    for x, y in points:
        px, py = place(x, y)
        rows += [
            f'<circle class="ours" cx="{px:.1f}" cy="{py:.1f}" r="4"/>',
            f'<text class="small" x="{px:.1f}" y="{py - 12:.1f}" text-anchor="middle">{y:.2f}</text>',
            f'<text class="small" x="{px:.1f}" y="{bottom + 18}" text-anchor="middle">{x:.0f}</text>',
        ]
    said = "; ".join(f"{x:.0f} {x_unit}: {y:.2f} {y_unit}" for x, y in points)
    return _picture(title, said, bottom + 44, rows)


def _whose(is_ours: bool) -> str:
    return "ours" if is_ours else "others"


def _picture(title: str, said: str, height: int, rows: Sequence[str]) -> str:
    lines = [
        "<!-- Drawn by python -m benchmarks.calls_per_core from what it measured. -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t d">',
        f'  <title id="t">{escape(title)}</title>',
        f'  <desc id="d">{escape(said)}</desc>',
        f"  {_STYLE}",
        f'  <text x="10" y="28" font-weight="600">{escape(title)}</text>',
        *(f"  {row}" for row in rows),
        "</svg>",
    ]
    return "\n".join([*lines, ""])
