"""What one event has changed, in the order in which a page must hear of it."""

from __future__ import annotations

from streamer_client.dashboard.changes import Changes


def test_changes_stand_in_their_order_and_a_call_that_goes_changes_the_day() -> None:
    changes = Changes()
    changes.gone(("t", "c"))
    changes.alert("a")
    changes.call(("t", "d"))
    changes.node("n")
    assert changes.shown == [("gone", ("t", "c")), ("alert", "a"), ("call", ("t", "d")), ("node", "n")]
    assert changes.today
    assert not changes.keep
