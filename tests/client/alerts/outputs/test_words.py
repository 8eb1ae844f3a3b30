from __future__ import annotations

import shlex
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.outputs.words import counted, how_to_take, one_line, safe_id, sentence
from streamer_client.events import AlertEvent


def named(make: Any, name: str, call: str = "CA1") -> AlertEvent:
    return AlertEvent(id=name, source="/x", subject="s", time="t", data=make.alert(call=call).data)


@given(st.text())
def test_one_line_is_one_line_and_changes_nothing_that_is_one(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line


def test_a_plain_sentence_stays_as_it_is() -> None:
    assert one_line("Höre mit: Listen in, now.") == "Höre mit: Listen in, now."


@given(st.text(), st.text())
def test_whatever_a_call_is_called_its_command_can_be_pasted_into_a_shell(make: Any, name: str, call: str) -> None:
    words = shlex.split(how_to_take(named(make, name, call)))
    assert words[:2] == ["streamer", "acknowledge"]
    assert words[2:] == [one_line(name), "--call", one_line(call), "--by", "YOUR-NAME"]


@given(st.text())
def test_an_id_in_a_header_is_harmless_and_the_same_each_time(make: Any, name: str) -> None:
    safe = safe_id(named(make, name))
    assert safe == safe_id(named(make, name))
    assert safe.isascii()
    assert safe.replace("-", "x").replace("_", "x").isalnum()


def test_our_own_ids_stay_as_they_are(make: Any) -> None:
    assert safe_id(named(make, "0a1b" * 8)) == "0a1b" * 8


def test_a_sentence_names_time_severity_rule_call_and_message(make: Any) -> None:
    assert sentence(make.alert()).startswith("2026-11-22T10:15:04.210Z CRITICAL angry-customer: call CA1, customer: L")


def test_one_utterance_is_no_utterances(make: Any) -> None:
    assert counted(make.alert()) == "2 utterances"
