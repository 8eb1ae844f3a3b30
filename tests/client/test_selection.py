from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.events import EMOTIONS, CallRef, Severity
from streamer_client.selection import select

from tests.client.conftest import Make

MAKE = Make()


def labelled(event: Any, **labels: str) -> Any:
    call = CallRef(id=event.data.call.id, labels=labels)
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, call=call))


@given(
    top=st.sampled_from(EMOTIONS),
    confidence=st.floats(0, 1),
    uncertain=st.booleans(),
    emotions=st.lists(st.sampled_from(EMOTIONS)),
    least=st.floats(0, 1),
    certain=st.booleans(),
)
def test_a_verdict_is_taken_when_it_meets_every_condition(
    *, top: str, confidence: float, uncertain: bool, emotions: Any, least: float, certain: bool
) -> None:
    event = MAKE.utterance(top=top, confidence=confidence, uncertain=uncertain)
    wanted = confidence >= least and not (certain and uncertain)
    if emotions:
        wanted = wanted and top in emotions and not uncertain
    assert select(emotions=emotions, min_confidence=least, certain=certain).takes(event) is wanted


def test_without_conditions_everything_is_taken(make: Any) -> None:
    events = (
        make.utterance(uncertain=True),
        make.ended(),
        make.state(),
        make.alert(),
        make.acknowledgement(),
        make.status(),
    )
    assert [event for event in events if not select().takes(event)] == []


def test_conditions_on_verdicts_leave_other_events_alone(make: Any) -> None:
    strict = select(emotions=["happy"], min_confidence=1.0, certain=True, severities=["critical"])
    for event in (make.ended(), make.state(), make.alert(), make.acknowledgement(), make.status()):
        assert strict.takes(event)
    assert not strict.takes(make.utterance())


def test_severities_choose_among_alerts_only(make: Any) -> None:
    critical = select(severities=["critical"])
    assert critical.takes(make.alert())
    assert not critical.takes(make.alert(severity=Severity.INFO))
    assert critical.takes(make.utterance())


def test_labels_choose_calls_by_each_of_their_values(make: Any) -> None:
    billing = select(labels={"queue": "billing", "site": "leeds"})
    for event in (make.utterance(), make.ended(), make.state(), make.alert(), make.acknowledgement()):
        assert billing.takes(labelled(event, queue="billing", site="leeds", team="4"))
        assert not billing.takes(labelled(event, queue="billing"))
        assert not billing.takes(labelled(event, queue="billing", site="york"))
    assert billing.takes(make.status())


def test_one_call_and_one_role_choose_among_what_shares_a_topic(make: Any) -> None:
    one = select(call="CA1", role="customer")
    assert one.takes(make.alert("CA1"))
    assert one.takes(make.acknowledgement("CA1"))
    assert not one.takes(make.alert("CA2"))
    assert not one.takes(make.acknowledgement("CA2"))
    assert not select(role="agent").takes(make.alert("CA1"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"emotions": ["rage"]}, "got emotions rage; choose from neutral"),
        ({"emotions": "angry"}, r"got emotions='angry'; give a list, such as \['angry'\]"),
        ({"severities": ["high"]}, "got severities high; choose from info, warning, critical"),
        ({"min_confidence": 80}, "got min_confidence=80; give a number from 0 to 1"),
        ({"min_confidence": float("nan")}, "got min_confidence=nan"),
    ],
)
def test_a_condition_that_cannot_be_right_is_refused(wrong: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        select(**wrong)
