"""What a generator is asked to do, and when each call is due. Values only; this file must never look at a clock.

Calls begin one after the other during `spread_s`, so that not everybody falls silent at once, and each leg sends at a
moment of its own within a frame's period, as legs do that began at unrelated times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from streamer.bench.tape import LEGS


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One load, to be kept up for a while."""

    host: str = "127.0.0.1"
    port: int
    """Of the server."""
    mqtt_port: int
    base: str = "emotion"
    """First level of the topics (`mqtt.base`)."""
    dialect: str = "twilio"
    frame_ms: int = 20
    calls: int
    seconds: float
    """How long the load is measured, in s."""
    warm_s: float = 2.0
    """Between the beginning of the last call and the measuring, in s."""
    spread_s: float = 4.0
    """Time over which calls begin, in s."""
    hangover_ms: int = 400
    roles: tuple[str, ...] = ("customer",)
    """Whose utterances must come."""
    tapes: int = 8
    """Different calls that are played."""
    seed: int = 1
    run: str = "bench"
    """In front of the calls' ids, so that runs on one broker are told apart."""
    patience_s: float = 3.0
    """How long after the last frame an event may come before it counts as lost, in s."""

    @property
    def period_s(self) -> float:
        """Between two frames of a leg, in s."""
        return self.frame_ms / 1000

    @property
    def legs(self) -> int:
        """Parties, all calls together."""
        return LEGS * self.calls

    @property
    def begins_s(self) -> float:
        """When measuring begins, since the first frame was due; whole periods, as `ends_s`."""
        return math.ceil((self.spread_s + self.warm_s) / self.period_s) * self.period_s

    @property
    def ends_s(self) -> float:
        """When measuring ends."""
        return self.begins_s + math.ceil(self.seconds / self.period_s) * self.period_s

    @property
    def rounds(self) -> int:
        """Periods in all: behind the measuring enough for the utterances that ended in it."""
        return round(self.ends_s / self.period_s) + math.ceil((self.hangover_ms / 1000 + 0.5) / self.period_s)

    def call_id(self, number: int) -> str:
        """Return the id of a call; with a letter in front, as what looks like a telephone number is not shown."""
        return f"{self.run}-c{number:05d}"


@dataclass(frozen=True)
class Sender:
    """Messages of one leg, or of both where they travel together."""

    call: int
    place: int
    """Which of the call's senders."""
    phase_s: float
    """Within each period, when its frame is due."""
    first_round: int
    """In which its first frame is due; the n-th frame is due n rounds later."""


def schedule(plan: Plan, places: int) -> list[Sender]:
    """Return all senders in the order in which they are due within a period.

    Parameters
    ----------
    plan
        The load.
    places
        Senders of each call: 2 where each leg has messages of its own, else 1.
    """
    senders = plan.calls * places
    starts = max(1, round(plan.spread_s / plan.period_s))
    # Neighbours in phase begin far apart, so that neither the beginnings nor the sending come in heaps.
    return [
        Sender(
            call=number // places,
            place=number % places,
            phase_s=number / senders * plan.period_s,
            first_round=(number // places) * 7919 % plan.calls * starts // plan.calls,
        )
        for number in range(senders)
    ]
