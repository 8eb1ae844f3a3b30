"""What the service remembers: all of a batch or nothing, each delivery until it is done, nothing of who objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamer_client.alerts import state as module
from streamer_client.alerts.memory import CallMemory, RepeatedMemory
from streamer_client.alerts.state import Acknowledged, Effect, State, StateError, pack

KEY = ("default", "CA1")
MEMORY_OF_CALL = CallMemory(last_s=5.0, trackers={"r": RepeatedMemory(ends=[(1000, "u1")])})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.sqlite"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    opened = State(path)
    yield opened
    opened.close()


def found(make: Any, *outputs: str, name: str = "a1", call: str = "CA1") -> Effect:
    alert = msgspec.structs.replace(make.alert(call), id=name)
    return Effect(alerts=[(alert, outputs or ("mqtt",))])


def test_what_was_stored_is_there_after_a_restart(make: Any, path: Path) -> None:
    first = State(path)
    effect = found(make)
    whole = Effect(
        seen=[(*KEY, "u1"), (*KEY, "u2")],
        calls={KEY: pack(MEMORY_OF_CALL)},
        alerts=effect.alerts,
        clock_s=12.5,
    )
    first.apply(whole, 100.0)
    first.apply(whole, 100.0)
    first.close()
    second = State(path)
    ((call,), alerted) = second.load()
    assert (call.key, call.memory, call.seen, alerted) == (KEY, MEMORY_OF_CALL, ("u1", "u2"), ["a1"])
    assert second.get("clock_s") == "12.5"
    assert [one.alert.id for one in second.due("mqtt", 100.0, 9)] == ["a1"], "found again is not found twice"
    second.close()


def test_calls_come_back_in_the_order_of_their_last_event(state: State) -> None:
    for name, last_s in (("CA1", 3.0), ("CA2", 1.0), ("CA3", 2.0)):
        state.apply(Effect(calls={("default", name): pack(CallMemory(last_s=last_s))}), 0.0)
    assert [call.key[1] for call in state.load()[0]] == ["CA2", "CA3", "CA1"]


def test_a_batch_is_stored_whole_or_not_at_all(state: State, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(State, "_trim", fail)
    with pytest.raises(ZeroDivisionError):
        state.apply(Effect(seen=[(*KEY, "u1")], calls={KEY: pack(CallMemory())}, alerts=found(make).alerts), 0.0)
    assert state.load() == ([], [])
    assert state.waiting() == {}


def test_a_forgotten_call_leaves_its_alerts_but_nothing_else(state: State, make: Any) -> None:
    state.apply(Effect(seen=[(*KEY, "u1")], calls={KEY: pack(MEMORY_OF_CALL)}, alerts=found(make).alerts), 0.0)
    state.apply(Effect(calls={KEY: None}), 0.0)
    assert state.load() == ([], ["a1"])
    assert state.run("SELECT count(*) FROM seen").fetchone() == (0,)


def test_of_a_call_whose_party_objects_nothing_is_left_in_the_file(state: State, make: Any, path: Path) -> None:
    secret = "CA-of-who-objects"
    acknowledgement = make.acknowledgement(secret, note="Rang back about the flat.")
    state.apply(
        Effect(
            seen=[("default", secret, "u1")],
            calls={("default", secret): pack(MEMORY_OF_CALL)},
            alerts=[(make.alert(secret), ("mqtt", "webhook"))],
            acknowledgements=[acknowledgement],
        ),
        0.0,
    )
    state.apply(found(make, name="other", call="CA2"), 0.0)
    state.apply(Effect(calls={("default", secret): None}, withdrawn=[("default", secret)]), 0.0)
    assert state.waiting() == {"mqtt": 1}
    for file in path.parent.iterdir():
        content = file.read_bytes()
        assert secret.encode() not in content, file
        assert b"flat" not in content, file


def test_a_delivery_waits_until_it_is_done_and_is_done_once(state: State, make: Any) -> None:
    state.apply(found(make, "mqtt", "webhook"), 50.0)
    (delivery,) = state.due("webhook", 50.0)
    assert (delivery.tries, delivery.found_s, delivery.alert.id) == (0, 50.0, "a1")
    assert [alert.id for alert in state.delivered(["a1", "unknown"], "webhook", 51.0)] == ["a1"]
    assert state.delivered(["a1"], "webhook", 52.0) == []
    assert (state.due("webhook", 99.0), state.next_try_s("webhook"), state.waiting()) == ([], None, {"mqtt": 1})


def test_a_delivery_that_failed_comes_up_again_in_its_time_behind_no_other(state: State, make: Any) -> None:
    state.apply(found(make, "webhook"), 50.0)
    state.apply(found(make, "webhook", name="a2"), 51.0)
    state.failed("a1", "webhook", "HTTP 500", 52.0, 60.0)
    assert [one.alert.id for one in state.due("webhook", 59.0, 9)] == ["a2"]
    assert [(one.alert.id, one.tries) for one in state.due("webhook", 60.0, 9)] == [("a1", 1), ("a2", 0)]
    state.failed("a1", "webhook", "HTTP 410", 61.0, None)
    assert [one.alert.id for one in state.due("webhook", 99.0, 9)] == ["a2"]
    row = state.run("SELECT state, error, tries FROM deliveries WHERE alert = 'a1'").fetchone()
    assert row == ("failed", "HTTP 410", 2), "given up is kept"


def test_what_waits_for_an_output_that_is_gone_is_given_up_and_kept(state: State, make: Any) -> None:
    state.apply(found(make, "mqtt", "pager"), 0.0)
    assert state.abandon(["mqtt", "webhook"], 1.0) == {"pager": 1}
    assert state.waiting() == {"mqtt": 1}
    assert state.abandon(["mqtt", "webhook"], 1.0) == {}


def test_the_first_acknowledgement_counts_and_the_others_are_its_history(state: State, make: Any) -> None:
    state.apply(Effect(alerts=[(make.alert(), ("mqtt",))]), 0.0)
    first, second = make.acknowledgement(), make.acknowledgement(by="desk-3", note="I as well.")
    second = msgspec.structs.replace(second, id="second")
    assert state.apply(Effect(acknowledgements=[first, second, first]), 1.0) == []
    assert state.acknowledged("CA1-alert") == [
        Acknowledged("desk-2", "Called back.", first.time),
        Acknowledged("desk-3", "I as well.", second.time),
    ]


def test_an_acknowledgement_of_an_alert_of_nobody_or_of_another_tenant_is_handed_back(state: State, make: Any) -> None:
    unknown = make.acknowledgement("CA9")
    assert state.apply(Effect(acknowledgements=[unknown]), 0.0) == [unknown]
    state.apply(Effect(alerts=[(make.alert(), ("mqtt",))]), 0.0)
    data = make.acknowledgement().data
    foreign = msgspec.structs.replace(
        make.acknowledgement(),
        data=msgspec.structs.replace(data, call=msgspec.structs.replace(data.call, tenant="acme")),
    )
    assert state.apply(Effect(acknowledgements=[foreign]), 0.0) == [foreign]
    assert state.acknowledged("CA1-alert") == []


def test_old_alerts_go_unless_one_has_still_to_be_delivered(state: State, make: Any) -> None:
    state.apply(found(make, name="old"), 10.0)
    state.apply(found(make, name="old-and-waiting"), 10.0)
    state.apply(found(make, name="new"), 20.0)
    state.delivered(["old", "new"], "mqtt", 20.0)
    assert state.forget_alerts(15.0) == 1
    assert state.load()[1] == ["old-and-waiting", "new"]


def test_the_list_of_what_was_seen_is_bounded(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SEEN", 1500)
    for start in range(0, 4000, 500):
        state.apply(Effect(seen=[(*KEY, f"u{n}") for n in range(start, start + 500)]), 0.0)
    (count,) = state.run("SELECT count(*) FROM seen").fetchone()
    assert count == 1500
    assert state.run("SELECT 1 FROM seen WHERE id = 'u3999'").fetchone() == (1,)


def test_a_memory_that_cannot_be_read_is_said_with_what_to_do(state: State) -> None:
    state.run("INSERT INTO calls VALUES ('default', 'CA1', 0, ?)", b"{broken")
    with pytest.raises(StateError, match=r"holds a call that cannot be read .*move the file aside, and keep it"):
        state.load()
