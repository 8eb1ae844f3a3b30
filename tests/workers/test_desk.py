"""What workers are answered, and what only is taken note of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamer.workers import desk as module
from streamer.workers.desk import Desk
from streamer.workers.process import NO_ANSWER

ONE, OTHER = SimpleNamespace(number=1), SimpleNamespace(number=2)


def desk() -> Desk:
    return Desk(lambda worker: f"assignment of {worker.number}")  # type: ignore[arg-type, return-value]


def ask(at: Desk, worker: Any, verb: str, *what: object) -> Any:
    return at.answer(worker, verb, list(what))


def test_each_worker_has_its_assignment() -> None:
    assert ask(desk(), ONE, "assignment") == "assignment of 1"


def test_room_is_that_of_all() -> None:
    here = desk()
    assert ask(here, ONE, "take", [["calls", 1]]) == ""
    assert ask(here, OTHER, "take", [["calls", 1]]) == "calls"
    assert ask(here, ONE, "give", ["calls"]) is NO_ANSWER
    assert ask(here, OTHER, "take", [["calls", 1]]) == ""


def test_a_claim_is_that_of_all() -> None:
    here = desk()
    assert [ask(here, worker, "claim", "call") for worker in (ONE, OTHER)] == [1, 1]
    assert ask(here, ONE, "disclaim", "call") is NO_ANSWER
    assert ask(here, OTHER, "claim", "call") == 2


def test_what_one_has_remembered_another_recalls_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    here = desk()
    for name in ("a", "b", "a", "c"):
        assert ask(here, ONE, "remember", name, f"of {name}") is NO_ANSWER
    assert [ask(here, OTHER, "recall", name) for name in ("a", "b", "c")] == ["of a", None, "of c"]
    assert ask(here, OTHER, "forget", "a") is NO_ANSWER
    assert ask(here, OTHER, "forget", "a") is NO_ANSWER
    assert ask(here, ONE, "recall", "a") is None


@pytest.mark.parametrize(("verb", "what"), [("sing", []), ("take", []), ("claim", ["a", "b"])])
def test_what_nobody_can_ask_is_an_error(verb: str, what: list[str]) -> None:
    with pytest.raises(LookupError, match=f"unknown verb '{verb}'"):
        ask(desk(), ONE, verb, *what)


def test_giving_back_what_is_not_held_is_an_error() -> None:
    with pytest.raises(ValueError, match="holds none"):
        ask(desk(), ONE, "give", ["calls"])
    with pytest.raises(ValueError, match="does not hold"):
        ask(desk(), ONE, "disclaim", "call")
