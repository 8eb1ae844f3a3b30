"""What a bad line does to a call: late, bunched, lost, swapped and held-back messages, drawn from a seed.

Pure: positions of the recording in, messages with the moment they leave out. The same seed and the same call give the
same faults, whatever the speed. This file must never wait, send, or look into a message.

Theory of operation. Each socket of a call has a line of its own. A block of the recording is due when its last sample
has been spoken. The platform's messages for it pass, in this order: loss (a message never leaves), reordering (it
changes places with its like of the next block: a track's message with the same track's), jitter (it leaves up to so
much later), stall (what falls into one leaves at its end, all at once). No message overtakes another by jitter: the
network below is TCP, so a late message makes those behind it late too, and bursts arise.

A pause is none of this: the platform itself holds the call, what is said meanwhile is never sent, and where the
platform has words for that it says them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import count, pairwise

import msgspec

from streamer_client.dialects.speaker import Message
from streamer_client.errors import OptionError

MAX_CHUNK_MS = 5000
"""The longest flush of a platform seen: a send buffer of jambonz."""


class Break(msgspec.Struct, frozen=True):
    """A stretch of the recording."""

    at_ms: float
    length_ms: float

    @property
    def end_ms(self) -> float:
        """Where it ends."""
        return self.at_ms + self.length_ms

    def covers(self, position_ms: float) -> bool:
        """Whether a position lies in it; its end does not."""
        return self.at_ms <= position_ms < self.end_ms


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong on the way; nothing if not said.

    Raises
    ------
    OptionError
        A figure that cannot be right, or two pauses or two stalls that overlap.
    """

    jitter_ms: float = 0.0
    """Each message leaves up to so much later than due, in ms of the recording."""
    loss_percent: float = 0.0
    """How many of the media messages never leave."""
    reorder_percent: float = 0.0
    """How many of the media messages change places with the next one."""
    pauses: tuple[Break, ...] = ()
    """Where the platform holds the call: what is said there is never sent."""
    stalls: tuple[Break, ...] = ()
    """Where nothing leaves until the end of the stall, and then everything at once."""
    seed: int = 0
    """Whatever is drawn is drawn from it and the id of the call."""

    def __post_init__(self) -> None:
        """Refuse figures that cannot be right."""
        if not 0 <= self.jitter_ms < math.inf:
            raise OptionError(f"got a jitter of {self.jitter_ms:g} ms; give 0 or more")
        for name, percent in (("loss", self.loss_percent), ("reordering", self.reorder_percent)):
            if not 0 <= percent <= 100:
                raise OptionError(f"got {percent:g} % of {name}; give 0 to 100")
        for name, breaks in (("pause", self.pauses), ("stall", self.stalls)):
            for one in breaks:
                if not (0 <= one.at_ms < math.inf and 0 < one.length_ms < math.inf):
                    raise OptionError(
                        f"got a {name} of {one.length_ms / 1000:g} s at {one.at_ms / 1000:g} s; "
                        "give a time from 0 on and a length above 0"
                    )
            for first, second in pairwise(sorted(breaks, key=lambda one: one.at_ms)):
                if second.at_ms < first.end_ms:
                    raise OptionError(f"two {name}s overlap at {second.at_ms / 1000:g} s; make one of them")


class Due(msgspec.Struct, frozen=True):
    """A message and when it leaves."""

    message: Message
    at_ms: float
    """Position of the recording, at least that of the message before."""


class Line:
    """The way of one socket's messages; feed it in the order of the call.

    Parameters
    ----------
    faults : Faults
    name : str
        Of call and socket: what is drawn differs from line to line, and is the same from run to run.
    is_text : bool
        Whether media are text messages or bytes; messages of the other kind among them are never lost.
    """

    def __init__(self, faults: Faults, name: str, *, is_text: bool) -> None:
        self.lost = 0
        """Media messages that never left."""
        self._faults = faults
        self._media_type = str if is_text else bytes
        self._stalls = sorted(faults.stalls, key=lambda stall: stall.at_ms)
        self._late_by = random.Random(f"jitter {faults.seed} {name}")  # noqa: S311 - faults, not secrets
        self._falls = random.Random(f"loss {faults.seed} {name}")  # noqa: S311
        self._last_ms = 0.0
        self._held: dict[int, Message] = {}
        """By place in the block: what leaves behind its successor."""

    def is_paused(self, position_ms: float) -> bool:
        """Whether the platform holds the call at this position."""
        return any(pause.covers(position_ms) for pause in self._faults.pauses)

    def media(self, messages: Sequence[Message], due_ms: float) -> list[Due]:
        """Return what leaves when the media messages of a block are due."""
        passed: list[Message] = []
        late: list[Message] = []
        for place, message in enumerate(messages):
            if not isinstance(message, self._media_type):
                passed.append(message)
            elif self._draws(self._faults.loss_percent):
                self.lost += 1
            elif place in self._held:
                passed.append(message)
                late.append(self._held.pop(place))
            elif self._draws(self._faults.reorder_percent):
                self._held[place] = message
            else:
                passed.append(message)
        return self._timed([*passed, *late], due_ms)

    def control(self, messages: Sequence[Message], due_ms: float) -> list[Due]:
        """Return what leaves when other messages are due: they are never lost, and nothing is held back beyond them."""
        held, self._held = list(self._held.values()), {}
        return self._timed([*held, *messages], due_ms)

    def _draws(self, percent: float) -> bool:
        return percent > 0 and self._falls.random() * 100 < percent

    def _timed(self, messages: list[Message], due_ms: float) -> list[Due]:
        timed = []
        for message in messages:
            at_ms = due_ms
            if self._faults.jitter_ms:
                at_ms += self._late_by.random() * self._faults.jitter_ms
            for stall in self._stalls:
                if stall.covers(at_ms):
                    at_ms = stall.end_ms
            self._last_ms = max(self._last_ms, at_ms)
            timed.append(Due(message, self._last_ms))
        return timed


def chunks_ms(chunk_ms: int | tuple[int, int], seed: int, name: str) -> Iterator[int]:
    """Return the lengths of the blocks, without end: always the same, or drawn from a range, both ends included.

    Raises
    ------
    OptionError
        A length below 1 ms or above 5 s, or a range that goes backwards.
    """
    shortest, longest = (chunk_ms, chunk_ms) if isinstance(chunk_ms, int) else chunk_ms
    if not 1 <= shortest <= longest <= MAX_CHUNK_MS:
        given = f"{shortest}" if shortest == longest else f"{shortest}-{longest}"
        raise OptionError(f"got a chunk of {given} ms; give 1 to {MAX_CHUNK_MS}, or a range like 20-200")
    draw = random.Random(f"chunks {seed} {name}")  # noqa: S311 - lengths, not secrets
    return (draw.randint(shortest, longest) for _ in count())


def parse_chunk(text: str) -> int | tuple[int, int]:
    """Return ``"20"`` as 20 and ``"20-200"`` as a range.

    Raises
    ------
    OptionError
        Anything else.
    """
    first, dash, last = text.partition("-")
    try:
        return (int(first), int(last)) if dash else int(first)
    except ValueError:
        raise OptionError(f"got a chunk of {text!r}; give milliseconds like 20, or a range like 20-200") from None


def parse_break(text: str, flag: str) -> Break:
    """Return ``"12.5:3"``, three seconds at 12.5 s of the recording, as a break.

    Raises
    ------
    OptionError
        Anything else.
    """
    at, colon, length = text.partition(":")
    try:
        if colon:
            return Break(1000 * float(at), 1000 * float(length))
    except ValueError:
        pass
    raise OptionError(f"got {flag} {text!r}; give AT:SECONDS, for example 12.5:3 for three seconds at 12.5 s") from None
