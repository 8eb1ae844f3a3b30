from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.rules import default_rules

from streamer.archive.results import CallResult, with_alerts
from streamer.archive.tables import ALERTS, CALLS, UTTERANCES, Table, alert_rows, call_rows, utterance_rows


def written(columns: Any, rows: Any) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    Table(file, columns).add(rows)
    file.seek(0)
    return list(csv.DictReader(file, strict=True))


@pytest.fixture
def angry(said_otherwise: Any) -> CallResult:
    return with_alerts(said_otherwise(top="angry", labels={"desk": "7"}), default_rules())


def test_a_line_says_of_an_utterance_what_its_event_says(angry: CallResult) -> None:
    lines = written(UTTERANCES, utterance_rows(angry))
    for line, event in zip(lines, angry.analysed.utterances, strict=True):
        data = event.data
        assert (line["call_id"], line["role"], line["top"], line["uncertain"]) == ("CA1", "customer", "angry", "no")
        assert {name: float(line[name]) for name in data.emotion.scores} == data.emotion.scores
        assert line["surprise"] == ""
        assert int(line["start_ms"]), int(line["end_ms"]) == (data.utterance.start_ms, data.utterance.end_ms)
        assert (line["event_id"], line["cut"], line["model"]) == (event.id, str(data.utterance.cut), "telephone")


def test_a_call_has_a_line_for_each_party_and_none_of_an_emotion_that_is_not_analysed(angry: CallResult) -> None:
    customer, agent = written(CALLS, call_rows(angry))
    assert (customer["role"], customer["analysed"], customer["alerts"]) == ("customer", "yes", "1")
    assert (agent["role"], agent["analysed"], agent["certain_angry"], agent["alerts"]) == ("agent", "no", "", "0")
    assert (customer["started_at"], customer["labels"], customer["notice"]) == ("", "desk=7", "no")
    assert float(agent["loudness_dbfs"]) < 0  # a number stays one


def test_an_alert_stands_at_the_end_of_the_last_utterance_behind_it(angry: CallResult) -> None:
    (line,) = written(ALERTS, alert_rows(angry))
    assert int(line["at_ms"]) == angry.analysed.utterances[1].data.utterance.end_ms
    assert line["utterances"].split() == [one.id for one in angry.analysed.utterances[:2]]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_no_cell_is_a_formula_and_no_text_is_lost(text: str) -> None:
    (line,) = written(("text",), [[text]])[:1] or [{"text": ""}]
    assert not line["text"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert line["text"] in {text, f"'{text}"}
