"""An event counts on its own topic alone: whoever may write on another one cannot speak for a call."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.belonging import belongs
from streamer_client.events import Event, PartialEvent, Severity, StatusData, decode, encode

from tests.client.conftest import Make

LEVEL = st.text(st.characters(exclude_characters="/+#\0", exclude_categories=("Cs",)), min_size=1, max_size=8)
BASE = st.lists(LEVEL, min_size=1, max_size=3).map("/".join)


def tenanted(event: Any, tenant: str) -> Any:
    call = msgspec.structs.replace(event.data.call, tenant=tenant)
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, call=call))


def everywhere(base: str, tenant: str, call: str, role: str, severity: Severity) -> list[tuple[str, Event]]:
    """Return one event of each kind with its topic, as the contract writes it."""
    make, of = Make(), f"{base}/v1/{tenant}/calls/{call}"
    said = make.utterance(call=call, tenant=tenant, role=role)
    partial = decode(encode(said).replace(b"emotion-streamer.utterance.v1", b"emotion-streamer.partial.v1"))
    assert isinstance(partial, PartialEvent)
    return [
        (f"{of}/{role}/utterance", said),
        (f"{of}/{role}/partial", partial),
        (f"{of}/state", tenanted(make.state(call), tenant)),
        (f"{of}/ended", make.ended(call, tenant)),
        (f"{base}/v1/{tenant}/alerts/{severity}", tenanted(make.alert(call, severity), tenant)),
        (f"{base}/v1/{tenant}/acknowledgements", tenanted(make.acknowledgement(call), tenant)),
        (f"{base}/v1/nodes/node-1/status", make.status()),
    ]


@given(BASE, LEVEL, LEVEL, LEVEL, st.sampled_from(Severity))
def test_each_event_belongs_to_its_own_topic_and_to_no_other(
    base: str, tenant: str, call: str, role: str, severity: Severity
) -> None:
    all_of_them = everywhere(base, tenant, call, role, severity)
    for topic, event in all_of_them:
        assert [own for own, _ in all_of_them if belongs(own, event, base)] == [topic]
        assert belongs(topic, event, None)
        assert not belongs(topic, event, f"{base}x")
        assert not belongs(f"{topic}/more", event, None)


@given(LEVEL, LEVEL, st.data())
def test_no_event_of_another_tenant_call_or_role_gets_in(name: str, other: str, data: st.DataObject) -> None:
    if name == other:
        return
    place = data.draw(st.sampled_from(range(3)))
    names = [name if at == place else "same" for at in range(3)]
    others = [other if at == place else "same" for at in range(3)]
    ours = everywhere("emotion", *names, severity=Severity.INFO)[:2]
    theirs = everywhere("emotion", *others, severity=Severity.INFO)[:2]
    for (topic, _), (_, event) in zip(ours, theirs, strict=True):
        assert not belongs(topic, event, "emotion")


@given(st.text(max_size=40))
def test_any_topic_at_all_is_answered(topic: str) -> None:
    for _, event in everywhere("emotion", "t", "c", "customer", Severity.INFO):
        assert not belongs(topic, event, "emotion")


def test_what_a_topic_level_cannot_hold_belongs_nowhere() -> None:
    event = Make().utterance(tenant="a/v1/b")
    assert not belongs("emotion/v1/b/calls/CA1/customer/utterance", event, "emotion")


@pytest.mark.parametrize(("level", "own"), [("a_b-c14cddc0", True), ("a_b-00000000", False), ("a_b", False)])
def test_a_node_whose_name_is_no_level_is_known_by_its_digest(level: str, own: bool) -> None:
    event = msgspec.structs.replace(Make().status(), data=StatusData(node="a/b", status=Make().status().data.status))
    assert belongs(f"emotion/v1/nodes/{level}/status", event, "emotion") is own
