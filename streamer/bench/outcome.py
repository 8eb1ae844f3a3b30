"""What a load came to: were all utterances heard, how long did their events take, and was the generator itself in time.

Pure: values in, values out. This file must never leave out what speaks against a run: an event that is missing, twice,
or that nobody expected, and a generator that was late.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.bench.plan import Plan
from streamer.bench.speech import RATE_HZ, ROLES
from streamer.bench.tape import Tape

LATE_MS: Final = 5.0
"""A load whose frames left later than this in one case of a hundred says nothing about the server."""
TOLERANCE_MS: Final = 300.0
"""A detector may hear the end of speech so much before or behind where it was put."""

SentBy = tuple[int, float, "array[float]"]
"""A sender's first round, its phase in s, and when each of its frames left."""


class Speaking(msgspec.Struct, frozen=True):
    """Of an event, who spoke."""

    role: str


class Calling(msgspec.Struct, frozen=True):
    """Of an event, in which call."""

    id: str


class Uttered(msgspec.Struct, frozen=True):
    """Of an event, the utterance."""

    end_ms: float


class Lag(msgspec.Struct, frozen=True):
    """Of an event, what the server says of its own time."""

    queue_ms: float = 0.0
    compute_ms: float = 0.0


class Told(msgspec.Struct, frozen=True):
    """Of an event, its data."""

    call: Calling
    speaker: Speaking
    utterance: Uttered
    latency: Lag = Lag()


class Event(msgspec.Struct, frozen=True):
    """An utterance event, as far as it is looked at."""

    data: Told


class Spread(msgspec.Struct, frozen=True):
    """A distribution, in ms."""

    count: int = 0
    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    most: float = 0.0

    @classmethod
    def of(cls, values_ms: Sequence[float] | NDArray[np.float64]) -> Spread:
        """Return that of some values; all zero of none."""
        if not len(values_ms):
            return cls()
        p50, p99, p999, most = np.percentile(np.asarray(values_ms, np.float64), (50, 99, 99.9, 100))
        return cls(len(values_ms), float(p50), float(p99), float(p999), float(most))


class Outcome(msgspec.Struct, frozen=True):
    """What a load came to."""

    legs: int
    frames: int
    """Sent while it was measured."""
    late: Spread
    """How late the generator sent."""
    expected: int
    """Utterances that must come."""
    lost: int
    """Of these, not heard."""
    twice: int
    unexpected: int
    """Events that belong to no utterance: a detector that hears one where none is, or cuts one in two."""
    cut: int
    """Calls that the server ended."""
    stuck: int
    """Calls of which the server did not take all."""
    latency: Spread
    """From the moment at which the last sample of the hangover was sent to the event on MQTT."""
    tail: Spread
    """How far behind the known end of speech the server's detector heard it; at most 0 where it was before."""
    queue: Spread
    """`latency.queue_ms` of the same events."""
    compute: Spread
    """`latency.compute_ms`."""

    @property
    def is_void(self) -> bool:
        """Whether the generator was too slow to say anything."""
        return self.late.p99 > LATE_MS


def judge(
    plan: Plan,
    tapes: Sequence[Tape],
    senders: Sequence[SentBy],
    began_s: float,
    heard: Sequence[tuple[float, bytes]],
    *,
    cut: int,
    stuck: int,
) -> Outcome:
    """Return what a load came to.

    Parameters
    ----------
    plan
        What was to be done.
    tapes
        What the calls played, in turn.
    senders
        In the order of calls, and within a call of places.
    began_s
        When the first frame was due.
    heard
        Moments and payloads of the events.
    cut, stuck
        Calls that the server ended, or of which it did not take all.
    """
    places = len(tapes[0].senders)
    open_: dict[tuple[int, int], list[int]] = {}
    for number in range(plan.calls):
        played, sent = tapes[number % len(tapes)], len(senders[number * places][2])
        most = sent * plan.frame_ms - plan.hangover_ms - TOLERANCE_MS
        for one in played.talk.spoken:
            if ROLES[one.channel] in plan.roles and one.end * 1000 / RATE_HZ <= most:
                open_.setdefault((number, one.channel), []).append(one.end)
    expected = sum(map(len, open_.values()))
    known = {plan.call_id(number): number for number in range(plan.calls)}
    seen: set[tuple[int, int, int]] = set()
    latency, tail, queue, compute = [], [], [], []
    twice = unexpected = 0
    for came_s, payload in heard:
        event = msgspec.json.decode(payload, type=Event).data
        call = known.get(event.call.id)
        if call is None or event.speaker.role not in plan.roles:
            continue
        channel, end_ms = ROLES.index(event.speaker.role), event.utterance.end_ms
        end = _nearest(open_.get((call, channel), []), end_ms)
        if end is None:
            unexpected += _is_due(plan, senders[call * places][2], end_ms)
            continue
        twice += (call, channel, end) in seen
        seen.add((call, channel, end))
        place = channel if places > 1 else 0
        frame = tapes[0].frame_that_holds(round((end_ms + plan.hangover_ms) * RATE_HZ / 1000) - 1)
        sent_s = senders[call * places + place][2]
        if frame >= len(sent_s):
            continue
        if began_s + plan.begins_s <= sent_s[frame] < began_s + plan.ends_s:
            latency.append(1000 * (came_s - sent_s[frame]))
            tail.append(end_ms - end * 1000 / RATE_HZ)
            queue.append(event.latency.queue_ms)
            compute.append(event.latency.compute_ms)
    late, frames = _late(plan, senders, began_s)
    return Outcome(
        legs=plan.legs,
        frames=frames,
        late=late,
        expected=expected,
        lost=expected - len(seen),
        twice=twice,
        unexpected=unexpected,
        cut=cut,
        stuck=stuck,
        latency=Spread.of(latency),
        tail=Spread.of(tail),
        queue=Spread.of(queue),
        compute=Spread.of(compute),
    )


def _nearest(ends: Sequence[int], end_ms: float) -> int | None:
    """Return the known end, in samples, that an event's is near to; None where there is none."""
    if not ends:
        return None
    nearest = min(ends, key=lambda end: abs(end * 1000 / RATE_HZ - end_ms))
    return nearest if abs(nearest * 1000 / RATE_HZ - end_ms) <= TOLERANCE_MS else None


def _is_due(plan: Plan, sent: Sequence[float], end_ms: float) -> bool:
    """Whether an utterance ended so early that it is none of those that the end of the load cuts."""
    return end_ms <= len(sent) * plan.frame_ms - plan.hangover_ms - 2 * TOLERANCE_MS


def _late(plan: Plan, senders: Sequence[SentBy], began_s: float) -> tuple[Spread, int]:
    """Return how late frames left while it was measured, in ms, and how many they were."""
    begins, ends = round(plan.begins_s / plan.period_s), round(plan.ends_s / plan.period_s)
    late_s = []
    for first_round, phase_s, sent_s in senders:
        left_s = np.frombuffer(sent_s, np.float64) if len(sent_s) else np.empty(0)
        rounds = first_round + np.arange(len(left_s))
        due_s = began_s + rounds * plan.period_s + phase_s
        late_s.append((left_s - due_s)[(rounds >= begins) & (rounds < ends)])
    everything = np.concatenate(late_s)
    return Spread.of(1000 * everything), len(everything)
