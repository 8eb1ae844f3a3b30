from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from streamer_client.alerts.rules import default_rules
from streamer_client.events import EndedEvent

from streamer.archive.call_page import call_page
from streamer.archive.results import with_alerts
from streamer.archive.ways import Ways

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><style>*{display:none}</style>",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "&lt;b&gt;",
    "\x00\x1b[31m",
]


def shown(analysed: Any, ways: Ways) -> str:
    return call_page(with_alerts(analysed, default_rules(), done_s=1795338900.0), ways)


def test_the_page_says_what_was_heard_and_what_judged_and_when(analysed: Any, ways: Ways) -> None:
    whole = shown(analysed, ways)
    for event in analysed.utterances:
        best = event.data.emotion.scores[event.data.emotion.top]
        assert f'<td class="n top">{best:.0%}</td>' in whole
    assert whole.count("<tr>") == 1 + 3 + 1 + 2
    assert f"Model telephone {ways.model_version}" in whole
    assert ways.model_sha256 in whole
    assert "on 2026-11-22 09:15 UTC" in whole
    assert "never a decision" in whole
    assert "When it began was not said" in whole


@pytest.mark.parametrize("words", HOSTILE)
def test_no_name_becomes_markup(said_otherwise: Any, ways: Ways, words: str) -> None:
    plain = shown(said_otherwise(labels={"desk": "seven"}), ways)
    hostile = shown(
        said_otherwise(call_id=words, labels={words: words}), msgspec.structs.replace(ways, lawful_basis=words)
    )
    tags = [re.findall(r"<(\w+)", whole) for whole in (plain, hostile)]
    assert tags[0] == tags[1]
    assert "onerror" not in re.sub(r"&[^;]+;[^<]*", "", hostile)
    assert "\x00" not in hostile


def test_an_uncertain_utterance_is_called_so(said_otherwise: Any, ways: Ways) -> None:
    whole = shown(said_otherwise(top="sad", uncertain=True), ways)
    assert "uncertain (sad?)" in whole
    assert "uncertain: no verdict" in whole
    assert "0 of 3" in whole


def test_an_alert_stands_with_what_is_behind_it(said_otherwise: Any, ways: Ways) -> None:
    whole = shown(said_otherwise(top="angry"), ways)
    assert "▲ warning: angry-customer" in whole
    assert "Behind it: utterances 1, 2." in whole


def test_where_nothing_was_judged_the_page_says_why(analysed: Any, ways: Ways) -> None:
    replace = msgspec.structs.replace
    silent = replace(analysed, utterances=(), not_judged=0)
    assert "a notice is required and was not said" in shown(silent, ways)
    assert "no speech was long enough for one." in shown(replace(silent, notice=True), ways)
    nobody = tuple(replace(one, analysed=False) for one in analysed.ended.data.speakers)
    ended: EndedEvent = replace(analysed.ended, data=replace(analysed.ended.data, speakers=nobody))
    assert "nobody in this call is analysed" in shown(replace(silent, ended=ended), ways)


def test_where_the_model_failed_the_page_says_so(analysed: Any, ways: Ways) -> None:
    assert "The model failed on 2 more" in shown(msgspec.structs.replace(analysed, not_judged=2), ways)
