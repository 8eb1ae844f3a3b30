"""The desk at which workers ask the supervisor: for room, for calls, and for what they keep for each other.

Pure: it decides nothing but what the ledger says. This file must never wait, for whoever asks waits for it.

=========================== ===========================================================================================
verb                        answer
=========================== ===========================================================================================
assignment                  what the worker is to be
take limits                 an empty text, or the counter that is full
give names                  none: these counters are given back
claim name                  the worker that carries the call
disclaim name               none: the claim is given up
remember name value         none: any worker may ask for it
forget name                 none: it is not needed any more
recall name                 the value, or nothing
=========================== ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from streamer.workers.assignment import Assignment
from streamer.workers.ledger import Ledger
from streamer.workers.process import NO_ANSWER, Worker

MOST_REMEMBERED: Final = 10_000


class Desk:
    """Answers.

    Parameters
    ----------
    assign
        Returns what a worker is to be.
    """

    def __init__(self, assign: Callable[[Worker], Assignment]) -> None:
        self.ledger = Ledger()
        self._assign = assign
        self._remembered: dict[str, str] = {}

    def answer(self, worker: Worker, verb: str, what: list[Any]) -> Any:  # noqa: ANN401 - whatever was asked
        """Answer what a worker asks; `NO_ANSWER` to what it only tells.

        Raises
        ------
        LookupError
            There is no such verb.
        ValueError
            It gives back what it does not hold.
        """
        match verb, what:
            case "assignment", []:
                return self._assign(worker)
            case "take", [limits]:
                return self.ledger.take(worker.number, [(name, most) for name, most in limits])
            case "claim", [name]:
                return self.ledger.claim(worker.number, name)
            case "recall", [name]:
                return self._remembered.get(name)
            case "give", [names]:
                self.ledger.give_back(worker.number, names)
            case "disclaim", [name]:
                self.ledger.disclaim(worker.number, name)
            case "remember", [name, value]:
                self._remember(name, value)
            case "forget", [name]:
                self._remembered.pop(name, None)
            case _:
                raise LookupError(f"unknown verb {verb!r}")
        return NO_ANSWER

    def _remember(self, name: str, value: str) -> None:
        self._remembered.pop(name, None)
        self._remembered[name] = value
        while len(self._remembered) > MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
