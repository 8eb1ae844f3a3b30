"""What a failing disk is still to be told is not forgotten, and done when it can be."""

from __future__ import annotations

from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.database import MEMORY
from streamer.bus.debts import Debts
from streamer.bus.store import Store


def message(name: str, kind: Kind = Kind.UTTERANCE, call: str = "call-1") -> Outgoing:
    topic = f"calls/{call}/{'state' if kind in {Kind.STATE, Kind.CLEAR} else kind}"
    return Outgoing(id=name, kind=kind, topic=topic, payload=b"{}", call_key=call)


def test_nothing_is_held_back_that_nobody_has_decided_on() -> None:
    assert Debts().lets_go(1, "call-1", Kind.UTTERANCE)


def test_what_is_done_with_or_objected_to_is_held_back_but_the_clearing_of_a_state_goes() -> None:
    debts = Debts()
    debts.gone.add(1)
    debts.objected.add("call-1")
    assert not debts.lets_go(1, "call-2", Kind.UTTERANCE)
    assert debts.lets_go(2, "call-2", Kind.UTTERANCE)
    assert not debts.lets_go(3, "call-1", Kind.STATE)
    assert debts.lets_go(4, "call-1", "clear")


def test_all_is_done_once_the_disk_takes_it() -> None:
    store = Store(MEMORY, 100, 1e9)
    store.put([message("s", Kind.STATE, "call-2"), message("a"), message("b", call="call-2"), message("c")], 0)
    debts = Debts()
    debts.gone.add(4)
    debts.objected.add("call-1")
    debts.cleared.append(("calls/call-2/state", 9))
    debts.metas["salt"] = "s"
    debts.pay(store)
    assert [row.message.id for row in store.pending(0, 9)] == ["s", "b"]
    assert (store.lives(), store.meta("salt")) == ([], "s")
    debts.clear()
    assert debts.lets_go(4, "call-1", Kind.UTTERANCE)
    store.close()
