"""Who took care of an alert, said on the bus."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.acknowledge import acknowledge, acknowledgement, topic_of
from streamer_client.broker import Broker
from streamer_client.errors import BrokerError, OptionError
from streamer_client.events import CallRef, decode, encode

NOW_S = 1_795_342_504.21
WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=80).filter(str.strip)


def test_it_says_who_when_what_and_which_alert_of_which_call(make: Any) -> None:
    event = acknowledgement(make.alert(), by=" Desk 2 ", note="Called back.", at_s=NOW_S)
    assert (event.time, event.subject) == ("2026-11-22T10:15:04.210Z", "CA1/CA1-alert")
    assert (event.data.call, event.data.alert) == (make.alert().data.call, "CA1-alert")
    assert (event.data.by, event.data.note) == ("Desk 2", "Called back.")
    assert decode(encode(event)) == event
    assert topic_of(event, "base/x") == "base/x/v1/default/acknowledgements"


@given(WORDS, WORDS, WORDS, WORDS)
def test_the_same_act_is_the_same_event_and_another_act_is_not(
    make: Any, by: str, note: str, by2: str, n2: str
) -> None:
    first = acknowledgement(make.alert(), by=by, note=note, at_s=NOW_S)
    again = acknowledgement("CA1-alert", call=CallRef(id="CA1"), by=by, note=note, at_s=NOW_S + 60)
    other = acknowledgement(make.alert(), by=by2, note=n2, at_s=NOW_S)
    assert first.id == again.id
    assert (first.id == other.id) == ((first.data.by, first.data.note) == (other.data.by, other.data.note))
    assert first.id != acknowledgement(make.alert(call="CA2"), by=by, note=note, at_s=NOW_S).id


def test_a_letter_is_the_same_from_every_keyboard(make: Any) -> None:
    composed, apart = (acknowledgement(make.alert(), by=by, at_s=0) for by in ("Ren\u00e9", "Rene\u0301"))
    assert composed.id == apart.id


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"by": ""}, "by has 0 characters; give 1 to 80"),
        ({"by": "  "}, "by has 0 characters"),
        ({"by": "x" * 81}, "by has 81 characters"),
        ({"note": "x" * 1001}, "note has 1001 characters; give 0 to 1000"),
        ({"note": "one\ntwo"}, r"note holds the control character U\+000A"),
        ({"by": "a\x1b[31mb"}, r"by holds the control character U\+001B"),
        ({"by": "a\u202eb"}, r"by holds the control character U\+202E"),
        ({"by": "a\ud800b"}, r"by holds the control character U\+D800"),
        ({"alert": ""}, "the alert's id has 0 characters"),
        ({"alert": "a\nb"}, "the alert's id holds the control character"),
        ({"call": None}, "the call of alert 'a' is not known"),
        ({"call": CallRef(id="CA1", tenant="+")}, r"got tenant '\+'; name the one"),
        ({"call": CallRef(id="CA1", tenant="a/b")}, "got tenant 'a/b'"),
    ],
)
def test_what_would_break_a_line_or_says_nothing_is_refused(keys: Any, words: str) -> None:
    base = {"alert": "a", "call": CallRef(id="CA1"), "by": "Desk 2", "at_s": NOW_S}
    with pytest.raises(OptionError, match=words):
        acknowledgement(**base | keys)


@given(st.text(max_size=100), st.text(max_size=1100))
def test_what_is_accepted_is_one_line_within_bounds(make: Any, by: str, note: str) -> None:
    try:
        event = acknowledgement(make.alert(), by=by, note=note, at_s=0)
    except OptionError:
        return
    assert 1 <= len(event.data.by) <= 80
    assert len(event.data.note) <= 1000
    assert len((event.data.by + event.data.note).splitlines()) == 1


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_it_is_published_once_the_broker_has_it(mosquitto: Any, collecting: Any, make: Any, version: str) -> None:
    async with collecting(mosquitto, "emotion/v1/+/acknowledgements") as heard:
        said = await acknowledge(
            Broker(mosquitto.url, version), make.alert(), by="Desk 2", note="Called back.", now_s=lambda: NOW_S
        )
        (message,) = await heard.count(1)
    assert message.topic.value == "emotion/v1/default/acknowledgements"
    assert (message.qos, message.retain) == (1, False)
    assert decode(message.payload) == said
    if version == "5":
        assert message.properties.ContentType == "application/cloudevents+json"
        assert ("id", said.id) in message.properties.UserProperty


async def test_a_broker_that_forbids_it_says_so(mosquitto_with: Any, make: Any, tmp_path: Any) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read #\n")
    broker = mosquitto_with(f"acl_file {rights}")
    with pytest.raises(BrokerError, match="forbids us to publish on emotion/v1/default/acknowledgements"):
        await acknowledge(Broker(broker.url), make.alert(), by="Desk 2")


async def test_a_broker_that_is_away_is_said_in_words(make: Any) -> None:
    with pytest.raises(BrokerError, match="cannot reach the MQTT broker"):
        await acknowledge(Broker("mqtt://127.0.0.1:1"), make.alert(), by="Desk 2")


async def test_nothing_is_connected_for_what_is_refused(make: Any) -> None:
    with pytest.raises(OptionError):
        await acknowledge(Broker("mqtt://127.0.0.1:1"), make.alert(), by="")


def test_words_that_run_together_are_different_acts_all_the_same(make: Any) -> None:
    first, second = (acknowledgement(make.alert(), by=by, note=note, at_s=0) for by, note in (("ab", "c"), ("a", "bc")))
    assert first.id != second.id
