"""The explanation of a recorded stream: what it says, and that it never says anything but what the engine does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.engine import Engine
from streamer_client.alerts.explain import Unreadable, explain, read_events
from streamer_client.alerts.rules import Rule, default_rules
from streamer_client.events import EMOTIONS, EndedEvent, Event, Severity, UnknownEvent, encode

TWICE = Rule(
    name="twice",
    severity=Severity.WARNING,
    message="Listen in.",
    emotions=("angry",),
    min_confidence=0.5,
    count=2,
    within_s=60,
    cooldown_s=100,
)
UNANSWERED = Rule(
    name="unanswered",
    severity=Severity.INFO,
    message="m",
    emotions=("angry",),
    silence_of="agent",
    silence_s=10,
    longest_utterance_s=5,
)
RULES = (
    *default_rules(),
    TWICE,
    UNANSWERED,
    Rule(name="eager", severity=Severity.INFO, message="m", emotions=("sad",), within_s=5),
    Rule(name="climb", severity=Severity.INFO, message="m", emotions=("fear",), trend="rising", over=3, rise=0.1),
    Rule(name="stretch", severity=Severity.INFO, message="m", emotions=("angry",), sustained_s=20, share=0.5),
    Rule(name="agents", severity=Severity.INFO, message="m", emotions=("angry",), role="agent", within_s=60),
    Rule(name="elsewhere", severity=Severity.INFO, message="m", emotions=("angry",), within_s=60, tenants=("acme",)),
    Rule(
        name="once-a-call", severity=Severity.INFO, message="m", emotions=("sad",), within_s=9, cooldown_s=float("inf")
    ),
)


def said(make: Any, n: int, top: str = "angry", **more: Any) -> Event:
    """Return utterance n of a call in which one is said every ten seconds."""
    event: Event = make.utterance(n, top=top, start_ms=10_000 * n, end_ms=10_000 * n + 2000, **more)
    return event


def told(rules: Iterable[Rule], *events: Any) -> str:
    return "\n".join(explain(rules, events))


@st.composite
def streams(draw: Any) -> list[tuple[Any, ...]]:
    """Return what happens in some calls: utterances of everybody, ends, repetitions, and lines that are no events."""
    kinds = ["said"] * 20 + ["ended", "withdrawn", "again", "state", "unknown", "broken", "alert"]
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(kinds),
                st.sampled_from(["CA1", "CA2"]),
                st.sampled_from(["default", "acme"]),
                st.sampled_from(["customer", "customer", "agent"]),
                st.sampled_from(EMOTIONS[:5]),
                st.booleans(),
                st.floats(0, 1),
                st.integers(0, 20_000),
            ),
            max_size=60,
        )
    )


def events_of(make: Any, story: list[tuple[Any, ...]]) -> list[Any]:
    events: list[Any] = []
    at_ms = 0
    for n, (kind, call, tenant, role, top, uncertain, confidence, pause_ms) in enumerate(story):
        at_ms += pause_ms
        ended = make.ended(call, tenant)
        if kind == "said":
            more = {"call": call, "tenant": tenant, "role": role, "uncertain": uncertain and n % 2 == 0}
            events.append(
                make.utterance(n, top=top, confidence=confidence, start_ms=at_ms, end_ms=at_ms + 2000, **more)
            )
        elif kind == "again" and events:
            events.append(events[pause_ms % len(events)])
        elif kind in {"ended", "withdrawn"}:
            data = type(ended.data)(
                call=ended.data.call,
                duration_ms=at_ms,
                utterances=3,
                overlap_ms=0,
                reason="stop" if kind == "ended" else kind,
                speakers=(),
            )
            events.append(EndedEvent(id=f"end-{n}", source="/n", subject=call, time=ended.time, data=data))
        elif kind == "state":
            events.append(make.state(call))
        elif kind == "alert":
            events.append(make.alert(call))
        elif kind == "unknown":
            events.append(UnknownEvent("x", "y"))
        else:
            events.append(Unreadable(n, "broken"))
    return events


@given(streams())
def test_what_it_says_fired_is_what_the_engine_gives(make: Any, story: list[tuple[Any, ...]]) -> None:
    events = events_of(make, story)
    engine = Engine(RULES)
    alerts = [
        alert.id
        for event in events
        if not isinstance(event, UnknownEvent | Unreadable)
        for alert in engine.receive(event, now_s=0.0)
    ]
    lines = list(explain(RULES, events))
    assert re.findall(r"FIRES .* alert (\w+)", "\n".join(lines)) == alerts
    assert all(len(line.splitlines()) <= 1 for line in lines)
    summed = [line for line in lines if ": fired at " in line]
    assert sum(line.split("fired at ")[1].split(";")[0].count(", ") + 1 for line in summed) == len(alerts)


def test_each_utterance_says_what_it_counted_for_and_why_not(make: Any) -> None:
    text = told(
        [TWICE],
        said(make, 1),
        said(make, 2, "neutral"),
        said(make, 3, confidence=0.42),
        said(make, 4, uncertain=True),
        said(make, 5, role="agent"),
        said(make, 6),
        said(make, 7),
        said(make, 8),
    )
    reasons = [line.removeprefix("  twice: ") for line in text.splitlines() if line.startswith("  twice: ")]
    assert reasons[:5] == [
        "counts, 1 of 2 within 60 s",
        "does not count: neutral is not asked for (angry)",
        "does not count: confidence 0.42 below 0.5",
        "does not count: uncertain",
        "does not count: other role: the rule is about the customer",
    ]
    assert reasons[5].startswith("counts; FIRES (warning), 2 utterances behind it, alert ")
    assert reasons[5].endswith("; silent until 2:42.0")
    assert reasons[7] == "counts, 2 of 2 within 60 s; met, but silent until 2:42.0 after its last alert"
    assert reasons[8] == "fired at 1:02.0; met 1 time while it was silent"


def test_the_nearest_miss_says_what_was_missing(make: Any) -> None:
    thrice = Rule(name="thrice", severity=Severity.INFO, message="m", emotions=("angry",), count=3, within_s=60)
    text = told([thrice], said(make, 1), said(make, 8), said(make, 10), said(make, 20))
    assert text.splitlines()[-1] == (
        "  thrice: did not fire; nearest at 1:42.0: 2 of 3 within 60 s; 1 more would have had to end by 2:22.0"
    )


def test_a_rule_for_which_nothing_counted_says_why(make: Any) -> None:
    text = told([TWICE], said(make, 1, "sad"), said(make, 2, "sad"), said(make, 3, uncertain=True))
    assert text.splitlines()[-1] == (
        "  twice: did not fire: no utterance counted (2 sad is not asked for (angry), 1 uncertain)"
    )


def test_a_repeated_event_counts_once(make: Any) -> None:
    text = told([TWICE], said(make, 1), said(make, 1))
    assert "  came before: a repeated event counts once" in text
    assert "FIRES" not in text


def test_a_stretch_that_broke_says_why(make: Any) -> None:
    rule = Rule(name="r", severity=Severity.INFO, message="m", emotions=("sad",), sustained_s=40, share=0.7)
    text = told([rule], said(make, 1, "sad"), said(make, 2), said(make, 3, "sad"), said(make, 9, "sad"))
    assert "does not count: angry is not asked for (sad); the stretch since 0:10.0 is over: less than 70% qual" in text
    assert "the stretch since 0:30.0 is over: too long without a qualifying utterance" in text


def test_silence_of_a_side_that_nobody_hears_cannot_be_told(make: Any) -> None:
    text = told([UNANSWERED], *(said(make, n) for n in range(1, 5)))
    assert "met, but the agent is not analysed in this call: its silence cannot be told" in text
    assert "unanswered: did not fire; met " in text
    heard = told([UNANSWERED], said(make, 1), said(make, 2, role="agent"), said(make, 3), make.ended())
    assert "unanswered: counts, answered after 8 of 10 s" in heard
    assert "CA1 ended at 4:05.0, stop\n  unanswered: FIRES (info), 1 utterance behind it" in heard


def test_a_trend_says_how_far_it_climbed(make: Any) -> None:
    rule = Rule(name="r", severity=Severity.INFO, message="m", emotions=("angry",), trend="rising", over=3)
    scores = (0.3, 0.5, 0.4)
    text = told([rule], *(said(make, n, scores={"angry": score}) for n, score in enumerate(scores)))
    assert "counts, 0.30, 0.50, 0.40 climbs by 0.10 (0.3 asked); the newest is not the highest" in text


def test_several_calls_are_summed_up_one_by_one(make: Any) -> None:
    lines = told([TWICE], said(make, 1), said(make, 1, call="CA2", tenant="acme")).splitlines()
    assert lines[lines.index("") + 1] == "CA1"
    assert "CA2 of acme" in lines


def test_what_is_no_event_is_told_and_left_out(make: Any) -> None:
    lines = [b"{broken", encode(said(make, 1)), b"", b'{"type":"new","id":"1"}', encode(make.alert())]
    text = "\n".join(explain([TWICE], read_events(lines)))
    assert text.startswith("line 1: got 7 bytes that are no emotion-streamer event")
    assert text.endswith("left out: 1 line of no event, 1 line of an unknown type")


@pytest.mark.parametrize("events", [[], [Unreadable(1, "x")]])
def test_an_empty_recording_says_so(events: list[Any]) -> None:
    assert "nothing to explain" in told([TWICE], *events)


@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=60)), max_size=5))
def test_no_file_breaks_it(lines: list[bytes | str]) -> None:
    assert all(isinstance(line, str) for line in explain([TWICE], read_events(lines)))
