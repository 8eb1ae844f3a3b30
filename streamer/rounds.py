"""Works on the audio of all calls in rounds, 100 times a second, and on each call's only when that can have a result.

Whatever is done to one message of twenty milliseconds alone costs more than as one of many: the interpreter and the
processor's caches have to find their way into it anew. So messages are held as they come, a leg's frames are
worked on several at a time, and what can be done to the frames of all legs at once is (`streamer.audio.frames`). The
frames, and so the verdicts, are the same (`streamer.leg`).

Nothing is told later for it. What is waited for is the end of an utterance, and a leg knows how much silence is still
missing to that (`Leg.due_ms`): with 400 ms of it to come, nothing that comes within the next 200 ms can have a result.

The same knowledge saves reads. A stream whose call is not due for some rounds need not be read until shortly before:
what comes waits in the socket, and one read brings all of it (`remind`, `streamer.load.holding`).

A wheel of rounds: a call that something has come for is put into the round in which it is due, ``LATEST`` at most.
The wheel turns while anything is on it, and no timer runs while nothing is. A round that has very much to do (a crowd
of recordings, a network that stood still) lets others have the loop in between. This file must never wait, and never
let what goes wrong in one call reach another.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from streamer.audio.frames import FRAME, Frames
from streamer.call import Call
from streamer.heard import Heard
from streamer.leg import Leg

ROUND_MS: Final = 10
"""An event waits for its round, half of this on average; and what is done in one go is that much shorter."""
LATEST: Final = 20
"""Rounds for which a call may wait that nothing is expected of: 200 ms, half of the usual hangover."""
_ROUND_S: Final = ROUND_MS / 1000
FRAMES_AT_ONCE: Final = 512
"""A few ms of work; whoever waited much longer for the loop would notice."""

log = structlog.get_logger()

T = TypeVar("T")
HandOver = Callable[[], None]
"""Has what is held of a stream taken by its call."""
Wake = Callable[[], None]
"""Has a stream read again."""


class Worked(Protocol):
    """A call whose audio is worked on in rounds."""

    call: Call

    def worked(self, heard: list[Heard], work_s: float) -> None:
        """Take note of work on the call's audio, what was heard in it and how long it took."""
        ...

    def broke(self) -> None:
        """Take note that work on the call's audio failed, for a reason that is in the log; it cannot go on."""
        ...


class _Place:
    """A call's place on the wheel."""

    __slots__ = ("hand_overs", "turn", "wakes")

    def __init__(self, turn: int) -> None:
        self.turn = turn
        """In which turn it is due."""
        self.hand_overs: list[HandOver] = []
        """What has to be fetched then."""
        self.wakes: list[Wake] = []
        """Which streams have to be read from the turn before on."""


class Rounds:
    """The rounds of a process.

    Parameters
    ----------
    monotonic_s
        Seconds, on a clock that never goes back; only for how long work took.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._wheel: deque[list[Worked]] = deque([] for _ in range(LATEST))
        """Who is due in the next round, in the one after, ..."""
        self._turns = 0
        """How often it has turned."""
        self._places: dict[Worked, _Place] = {}
        """Of each call on the wheel or due."""
        self._due: deque[Worked] = deque()
        """Calls whose round has come."""
        self._timer: asyncio.Handle | None = None
        self._next_s = 0.0
        """When the next turn is to come, on the loop's clock."""
        self._at_work = False

    def add(self, conversation: Worked, hand_over: HandOver | None = None, held_ms: float = 0.0) -> int:
        """See to it that what has come for a call is worked on when that can have a result.

        Parameters
        ----------
        conversation
            The call; its legs may have taken audio already.
        hand_over
            Fetches what is held.
        held_ms
            How much audio that is by now.

        Returns
        -------
        int
            In how many turns it is due; 0 where it is due now.
        """
        place = self._places.get(conversation)
        if place is None:
            if self._at_work and hand_over is None:
                return 0  # it is this call's turn
            due_ms = min([leg.due_ms for leg in conversation.call.legs]) - held_ms
            rounds = LATEST - 1 if due_ms >= LATEST * ROUND_MS else max(0, math.ceil(due_ms / ROUND_MS))
            rounds = min(rounds, LATEST - 1)
            place = self._places[conversation] = _Place(self._turns + rounds + 1)
            self._wheel[rounds].append(conversation)
        if hand_over is not None:
            place.hand_overs.append(hand_over)
        if self._timer is None:
            self._next_s = asyncio.get_running_loop().time()
            self._wait()
        return max(0, place.turn - self._turns)

    def remind(self, conversation: Worked, wake: Wake) -> None:
        """Have a stream read again in the turn before its call's; `add` has said that there is one."""
        self._places[conversation].wakes.append(wake)

    def _turn(self) -> None:
        """Turn the wheel by a round."""
        self._turns += 1
        self._due.extend(self._wheel.popleft())
        self._wheel.append([])
        self._timer = None
        if self._places:
            self._wait()
        for conversation in self._wheel[0]:
            for wake in self._places[conversation].wakes:
                _without_harm(conversation, wake)
        if self._due:
            self._round()

    def _wait(self) -> None:
        """Have the next turn come when it is time for it, not so long after this one: a turn may be late.

        So the wheel keeps the time of the clock under load, too. What is late comes turn by turn, and sockets are read
        in between; from very late on it is given up.
        """
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._next_s = max(self._next_s, now_s - LATEST * _ROUND_S) + _ROUND_S
        self._timer = loop.call_at(self._next_s, self._turn)

    def _round(self) -> None:
        """Work on as much of what is due as may be done at once."""
        began_s = self._monotonic_s()
        batch: list[tuple[Worked, Leg, bytes]] = []
        calls: list[Worked] = []
        n_codes = 0
        self._at_work = True
        while self._due and n_codes < FRAMES_AT_ONCE * FRAME:
            conversation = self._due.popleft()
            calls.append(conversation)
            for hand_over in self._places.pop(conversation).hand_overs:
                _without_harm(conversation, hand_over)
            for leg in conversation.call.legs:
                codes = leg.frames()
                if codes:
                    batch.append((conversation, leg, codes))
                    n_codes += len(codes)
        self._at_work = False
        heard = self._work(batch)
        # What one call took of it is not measured: asking the clock for each would be a good part of it.
        share_s = (self._monotonic_s() - began_s) / max(1, len(calls))
        for conversation in calls:
            _without_harm(conversation, partial(conversation.worked, heard.get(conversation, []), share_s))
        if self._due:
            asyncio.get_running_loop().call_soon(self._round)

    def _work(self, batch: list[tuple[Worked, Leg, bytes]]) -> dict[Worked, list[Heard]]:
        measured = Frames(b"".join([codes for _, _, codes in batch]))
        at = 0
        heard: dict[Worked, list[Heard]] = {}
        for conversation, leg, codes in batch:
            found = _without_harm(conversation, partial(conversation.call.work, leg, codes, measured, at))
            if found:
                heard.setdefault(conversation, []).extend(found)
            at += len(codes) // FRAME
        return heard


def _without_harm(conversation: Worked, work: Callable[[], T]) -> T | None:
    """Do something for a call; a defect in it is logged whole, and ends that call alone."""
    try:
        return work()
    except Exception:
        identity = conversation.call.identity
        log.exception("a defect of ours in audio", session=identity.session_id, call=identity.call.id)
        conversation.broke()
        return None
