"""The pictures of the concepts are those that the demo call gives now."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
import zlib
from functools import cache

import numpy as np
import pytest

from streamer.archive.looks import LOOKS
from tests.docs.reading import ROOT, text
from tools.manual.heard import DemoCall, demo_call
from tools.manual.pictures import DRAWN, FOLDER, SHOWN

VERDICTS = rf"<g transform.*?</g>|\b(unsure|{'|'.join(LOOKS)})\b"
NEAR = 3.0
"""Points, or per cent: the network is 8-bit, and its last digit is the processor's."""


@cache
def call() -> DemoCall:
    return demo_call()


def parts(picture: str) -> tuple[str, list[float], bytes]:
    """Return a picture without its numbers; the numbers; the samples of a picture inside."""
    inside = re.search(r"base64,([^\"]*)", picture)
    samples = b""
    if inside:
        png = base64.b64decode(inside[1])
        at = png.index(b"IDAT")
        samples = zlib.decompress(png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at])])
        picture = picture.replace(inside[1], "")
    # What the network says may differ where it is near a threshold; what is drawn of it is not what is tested here.
    body = re.sub(VERDICTS, "~", picture.partition("</style>")[2], flags=re.DOTALL)
    number = r"-?\d+(?:\.\d+)?"
    return re.sub(number, "*", body), [float(found) for found in re.findall(number, body)], samples


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_committed_is_what_would_be_drawn_now(name: str) -> None:
    committed, now = parts(text(f"{FOLDER}/{name}.svg")), parts(DRAWN[name](call()))
    assert committed[0] == now[0], "run: .venv/bin/python -m tools.manual.pictures"
    assert np.abs(np.subtract(committed[1], now[1])).max() <= NEAR
    differ = np.abs(np.frombuffer(committed[2], np.uint8).astype(int) - np.frombuffer(now[2], np.uint8))
    assert not differ.size or differ.mean() < 1


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_small_says_what_it_shows_and_loads_nothing(name: str) -> None:
    picture = text(f"{FOLDER}/{name}.svg")
    assert len(picture) < 20_000
    assert len(ET.fromstring(picture).findtext("{*}title", "")) > 20  # noqa: S314 - our own
    assert re.findall(r"(?:href|src)=\"(?!data:)|url\(|@import|<script", picture) == []


def test_nothing_lies_there_that_is_not_drawn() -> None:
    assert {path.stem for path in (ROOT / FOLDER).iterdir()} == {*DRAWN}


def test_the_guide_shows_them_all() -> None:
    assert re.findall(r"\(pictures/concepts/(\w+)\.svg\)", text("docs/concepts.md")) == [*DRAWN]


def test_only_the_customer_is_judged_and_every_partial_belongs_to_an_utterance() -> None:
    customer, agent = call().customer, call().agent
    assert agent.utterances == agent.partials == ()
    assert agent.speech
    numbers = [one.heard.n for one in customer.utterances]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert SHOWN in numbers
    assert {one.heard.n for one in customer.partials} <= {*numbers}


def test_the_guide_tells_the_verdicts_that_the_picture_shows() -> None:
    """The sentences about the picture would be wrong of another one: then they must be written anew."""
    drawn = re.findall(r"(\w+) \d+%</text>", text(f"{FOLDER}/whole.svg"))
    told = re.search(r"with their verdicts: ([\w, ]+)\]", text("docs/concepts.md"))
    assert told
    assert told[1].split(", ") == drawn


def test_what_the_caller_has_said_weighs_more_from_utterance_to_utterance() -> None:
    own = [one.own_frames for one in call().customer.utterances]
    assert own[0] == 0
    assert own == sorted(own)
