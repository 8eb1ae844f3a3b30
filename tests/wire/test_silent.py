"""A dialect that says nothing says nothing, whatever there would be to say."""

from __future__ import annotations

from streamer.wire.events import Fault
from streamer.wire.silent import Silent


def test_a_listener_says_nothing() -> None:
    silent = Silent()
    said = [silent.ready("s", ("customer",)), silent.event(b"{}"), silent.fault(Fault("idle", "")), silent.ended(3)]
    assert said == [[], [], [], []]
