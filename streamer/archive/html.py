"""What all pages of a report are made of: text that cannot become markup, the frame of a page, its one style sheet.

A page is a file by itself: no script, no picture from elsewhere, no request to any host; its policy says so to the
browser. This file must never let text of a recording or a table through unescaped.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable
from typing import Final

from streamer_client.pretty import position

from streamer.archive.looks import LOOKS, colours

OURS: Final = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="generator" content="emotion-streamer analyse">'
)
"""How each page begins: tells our files from others."""

_UNSAYABLE: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)), "\ufffd")
"""Control characters, which HTML does not allow."""

_LIGHT: Final = f"{colours(dark=False)}--on-sad:#fff;--edge:#1b2127;--critical:#b42318;--warning:#ffb52e;--info:#0a5aa8"
_DARK: Final = f"{colours(dark=True)}--on-sad:#000;--edge:#0a0d10;--critical:#c4321f;--warning:#ffb52e;--info:#78bbff"
_FILLS: Final = "".join(f"svg .f-{one}{{fill:var(--{one})}}" for one in LOOKS)

STYLE: Final = f"""
:root{{color-scheme:light dark;--text:#1b1f24;--soft:#555d66;--back:#fff;--panel:#f4f6f8;--line:#c5ccd3;--link:#0b57b0;
--wave:#9aa7b4;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{--text:#e8ecf0;--soft:#aeb8c2;--back:#14181c;--panel:#1e242a;--line:#46515c;
--link:#8ab8ff;--wave:#5d6a77;{_DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;padding:1.25rem;max-width:72rem;background:var(--back);color:var(--text);
font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}}
h1{{font-size:1.6rem;line-height:1.2;margin:.5rem 0}}h2{{font-size:1.15rem;margin:2rem 0 .5rem}}
a{{color:var(--link)}}p{{max-width:46rem;margin:.5rem 0}}.soft{{color:var(--soft)}}
.facts{{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0;padding:0;list-style:none}}
.facts li{{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;padding:.5rem .9rem}}
.facts b{{display:block;font-size:1.25rem;line-height:1.3}}.facts span{{color:var(--soft);font-size:.875rem}}
.wide{{overflow-x:auto}}.wide:focus-visible,a:focus-visible{{outline:3px solid var(--link);outline-offset:2px}}
table{{border-collapse:collapse;font-size:.875rem;width:100%}}
caption{{text-align:left;color:var(--soft);padding:.25rem 0}}
th,td{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}}
th{{font-weight:600}}thead th{{background:var(--panel);vertical-align:bottom}}
td.n,th.n{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}td.top{{font-weight:700}}td.verdict{{white-space:nowrap}}
code{{overflow-wrap:anywhere}}
.mark{{display:inline-block;width:1.5em;height:1.5em;margin-right:.4em;vertical-align:middle}}
.alert{{border-left:.4rem solid var(--critical);background:var(--panel);padding:.5rem .9rem;margin:.5rem 0}}
.alert.info{{border-color:var(--info)}}.alert.warning{{border-color:var(--warning)}}
.not{{border:2px solid var(--line);border-radius:.5rem;padding:.5rem .9rem;margin:1rem 0}}
.legend{{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.5rem 0;padding:0;list-style:none;font-size:.875rem}}
.timeline{{min-width:44rem}}.timeline svg{{display:block;width:100%;height:auto;margin:0 0 .75rem}}
svg text{{fill:var(--text);font:12px system-ui,"Segoe UI",Roboto,Arial,sans-serif}}
svg .soft{{fill:var(--soft)}}svg .who{{font-weight:600}}
svg .letter{{font-weight:700}}svg .letter:not(.l-unsure){{fill:#000}}svg .letter.l-sad{{fill:var(--on-sad)}}
svg .shape{{stroke:var(--edge);stroke-width:1}}
svg .grid{{stroke:var(--line);stroke-width:1}}svg .wave{{fill:var(--wave)}}
svg .lane{{fill:var(--panel)}}svg .u{{stroke:var(--edge);stroke-width:.75}}
svg .f-unsure{{fill:none;stroke:var(--soft);stroke-width:1.3;stroke-dasharray:3 2}}
{_FILLS}
svg .bell{{fill:var(--critical);stroke:var(--edge);stroke-width:.75}}svg .bell.info{{fill:var(--info)}}
svg .bell.warning{{fill:var(--warning)}}
@media print{{:root{{color-scheme:light;--text:#000;--soft:#444;--back:#fff;--panel:#fff;--line:#999;--link:#000;
--wave:#999;{_LIGHT}}}body{{max-width:none;padding:0;font-size:11pt}}.wide{{overflow:visible}}.timeline{{min-width:0}}
table{{font-size:8pt}}tr,svg,.alert,.not{{break-inside:avoid}}
svg *{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
nav{{display:none}}}}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"


def text(words: object) -> str:
    """Return words as text between tags or in an attribute between double quotes."""
    return html.escape(str(words).translate(_UNSAYABLE))


def name(words: object) -> str:
    """Return a name from elsewhere as text that cannot turn round what is written beside it (bidirectional marks)."""
    return f"<bdi>{text(words)}</bdi>"


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        Plain text.
    body
        Markup, of which all text went through :func:`text`.
    """
    return "\n".join(
        [
            OURS,
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">',
            f"<title>{text(title)}</title><style>{STYLE}</style></head><body>",
            *body,
            "</body></html>",
            "",
        ]
    )


def table(caption: str, columns: Iterable[tuple[str, bool]], rows: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Return a table that can be scrolled by keyboard where it is wider than the screen.

    Parameters
    ----------
    caption
        Plain text.
    columns
        Plain heading, and whether it holds numbers.
    rows
        Markup and class of each cell; the first cell of a row is its heading.
    """
    columns = list(columns)
    heads = "".join(f'<th scope="col"{_class("n" if number else "")}>{text(head)}</th>' for head, number in columns)
    lines = []
    for (first, first_class), *rest in rows:
        cells = "".join(f"<td{_class(kind)}>{cell}</td>" for cell, kind in rest)
        lines.append(f'<tr><th scope="row"{_class(first_class)}>{first}</th>{cells}</tr>')
    return (
        f'<div class="wide" role="region" aria-label="{text(caption)}" tabindex="0"><table><caption>{text(caption)}'
        f"</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a row of figures, each with what it is."""
    items = "".join(f"<li><b>{text(figure)}</b><span>{text(what)}</span></li>" for figure, what in pairs)
    return f'<ul class="facts">{items}</ul>'


def length(ms: float) -> str:
    """Return a length of time as ``1:02``, or ``1:02:03`` from an hour on."""
    if ms < 3_600_000:
        return position(round(ms))[:-2]
    minutes, seconds = divmod(round(ms) // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
