from __future__ import annotations

import re
from typing import Final

import pytest
from streamer_client.events import EMOTIONS

from streamer.archive.html import STYLE
from streamer.archive.looks import LOOKS, UNSURE, colours, glyph, kind
from tests.web.sites import PAGES

SHARED: Final = PAGES / "shared"
CSS: Final = (SHARED / "emotions.css").read_text(encoding="utf-8")
MODULE: Final = (SHARED / "emotions.js").read_text(encoding="utf-8")
LEAST_CONTRAST: Final = 4.5
"""WCAG 2.2, 1.4.3, for text."""


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` by WCAG 2.2, 0 to 1."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lower, upper = sorted((luminance(one), luminance(other)))
    return (upper + 0.05) / (lower + 0.05)


def test_every_emotion_has_a_look_in_which_nothing_is_another_ones() -> None:
    assert set(LOOKS) == set(EMOTIONS)
    for part in ("light", "dark", "letter", "shape"):
        assert len({getattr(one, part) for one in LOOKS.values()}) == len(LOOKS), part


@pytest.mark.parametrize("emotion", LOOKS)
def test_the_report_wears_the_colours_of_the_web_pages(emotion: str) -> None:
    of_the_web = re.search(rf"--{emotion}: light-dark\((#\w{{6}}), (#\w{{6}})\);", CSS)
    assert of_the_web is not None
    assert of_the_web.groups() == (LOOKS[emotion].light, LOOKS[emotion].dark)


def test_the_report_has_the_shapes_and_letters_of_the_web_pages_in_their_order() -> None:
    of_the_web = re.findall(r'word: "(\w+)",\s*letter: "(.)",\s*shape: "([^"]+)",\s*baseline: ([\d.]+)', MODULE)
    listed = [(emotion, letter, shape, float(at)) for emotion, letter, shape, at in of_the_web if emotion != "other"]
    assert listed == [(name, one.letter, one.shape, one.baseline) for name, one in LOOKS.items()]


@pytest.mark.parametrize("emotion", LOOKS)
def test_every_letter_can_be_read_on_its_colour(emotion: str) -> None:
    on_light = "#ffffff" if emotion == "sad" else "#000000"
    assert contrast(on_light, LOOKS[emotion].light) >= LEAST_CONTRAST
    assert contrast("#000000", LOOKS[emotion].dark) >= LEAST_CONTRAST


def test_no_page_of_the_web_names_a_colour_for_an_emotion_elsewhere() -> None:
    for path in PAGES.rglob("*.css"):
        named = re.findall(rf"--(?:{'|'.join(LOOKS)}):", path.read_text(encoding="utf-8"))
        assert len(named) == (len(LOOKS) if path == SHARED / "emotions.css" else 0), path


def test_the_style_of_a_report_has_every_colour_for_light_dark_and_paper() -> None:
    assert STYLE.count(colours(dark=False)) == 2
    assert STYLE.count(colours(dark=True)) == 1
    assert all(f".f-{emotion}{{fill:var(--{emotion})}}" in STYLE for emotion in LOOKS)


@pytest.mark.parametrize("emotion", [*LOOKS, "boredom"])
def test_what_is_uncertain_or_unknown_wears_no_emotion(emotion: str) -> None:
    assert kind(emotion, uncertain=True) == kind("boredom", uncertain=False) == UNSURE
    assert glyph(emotion, uncertain=True) == glyph("boredom", uncertain=False)
    assert ">?<" in glyph(emotion, uncertain=True)
