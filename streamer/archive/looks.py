"""How an emotion looks in a report: the colour, shape and letter that it has in the dashboard and on the softphone.

The truth stands in `clients/web/src/shared/`, emotions.css and emotions.ts; a test compares. A report is one file
without a script, so it carries its own copy. This file must never give an uncertain verdict the look of an emotion.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Look(msgspec.Struct, frozen=True):
    """One emotion: fill on light and on dark ground, ``#rrggbb``; letter, its baseline and the outline, 24 by 24."""

    light: str
    dark: str
    letter: str
    shape: str
    baseline: float


LOOKS: Final = {
    "neutral": Look("#a7adb3", "#a7adb3", "N", "M7 6H17A6 6 0 0 1 17 18H7A6 6 0 0 1 7 6Z", 16.2),
    "happy": Look("#009e73", "#009e73", "H", "M12 1.5A10.5 10.5 0 1 1 12 22.5A10.5 10.5 0 1 1 12 1.5Z", 16.4),
    "sad": Look("#0072b2", "#2f8fd0", "S", "M1 2.5H23L12 23.5Z", 13.4),
    "angry": Look("#d55e00", "#e8731a", "A", "M12 .5L23.5 21.5H.5Z", 19),
    "fear": Look("#cc79a7", "#cc79a7", "F", "M12 0L24 12L12 24L0 12Z", 16.4),
    "disgust": Look("#f0e442", "#f0e442", "D", "M2.5 2.5H21.5V21.5H2.5Z", 16.4),
    "surprise": Look(
        "#56b4e9",
        "#56b4e9",
        "!",
        "M12 0L14.9 5L20.5 3.5L19 9.1L24 12L19 14.9L20.5 20.5L14.9 19L12 24L9.1 19L3.5 20.5L5 14.9L0 12L5 9.1L3.5 3.5"
        "L9.1 5Z",
        16.6,
    ),
}
"""By name, in the order in which emotions are listed everywhere."""
_UNSURE: Final = Look("", "", "?", "M3 6H21V18H3Z", 16.2)
UNSURE: Final = "unsure"
"""The kind of a verdict that names no emotion."""


def kind(emotion: str, *, uncertain: bool) -> str:
    """Return the name of the look of a verdict: that of the emotion, or :data:`UNSURE`."""
    return UNSURE if uncertain or emotion not in LOOKS else emotion


def glyph(emotion: str, *, uncertain: bool) -> str:
    """Return the shape of a verdict with its letter, as SVG for a box of 24 by 24."""
    which = kind(emotion, uncertain=uncertain)
    one = LOOKS.get(which, _UNSURE)
    return (
        f'<path class="shape f-{which}" d="{one.shape}"/><text class="letter l-{which}" x="12" y="{one.baseline:g}" '
        f'text-anchor="middle">{one.letter}</text>'
    )


def colours(*, dark: bool) -> str:
    """Return every colour as a CSS custom property with its emotion's name."""
    return "".join(f"--{name}:{one.dark if dark else one.light};" for name, one in LOOKS.items())
