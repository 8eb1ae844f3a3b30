"""A made-up floor: the events of many calls, for pictures and for measuring the dashboard; nobody ever spoke so.

The events are of the client's own types, so they can be nothing that the bus could not carry; who says what when is
drawn at random from a seed, so the same seed gives the same floor. This file must never be taken for a measurement of
people or of a model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Final

from streamer_client.events import (
    AcknowledgementData,
    AcknowledgementEvent,
    AlertData,
    AlertEvent,
    CallRef,
    Cut,
    Emotion,
    EndedData,
    EndedEvent,
    Event,
    Latency,
    ModelRef,
    Quality,
    Severity,
    Speaker,
    SpeakerSummary,
    StateData,
    StateEvent,
    Status,
    StatusData,
    StatusEvent,
    Utterance,
    UtteranceData,
    UtteranceEvent,
)

EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "fear", "disgust")
MOODS: Final[dict[str, tuple[float, ...]]] = {
    "calm": (0.82, 0.1, 0.04, 0.02, 0.01, 0.01),
    "cheerful": (0.5, 0.44, 0.02, 0.02, 0.01, 0.01),
    "annoyed": (0.4, 0.02, 0.06, 0.4, 0.02, 0.1),
    "furious": (0.12, 0.0, 0.03, 0.76, 0.03, 0.06),
    "distressed": (0.16, 0.0, 0.42, 0.04, 0.36, 0.02),
}
"""How likely each of :data:`EMOTIONS` is in an utterance of such a call."""
MOOD_SHARES: Final = (0.62, 0.2, 0.11, 0.04, 0.03)
QUEUES: Final = ("billing", "power cuts", "moving house", "tariffs", "meter readings", "complaints")
MESSAGES: Final = {
    "angry-customer": (
        Severity.WARNING,
        "The customer has sounded angry twice within a minute: listen in or offer help.",
    ),
    "distressed-customer": (
        Severity.CRITICAL,
        "The customer has sounded distressed for over a minute: see whether they need more care.",
    ),
    "escalation": (Severity.WARNING, "The customer's anger is rising: be ready to take over."),
}
NOTES: Final = ("Listened in, the agent has it in hand.", "Called back, refund agreed.", "Took over the call.")
NODE: Final = "node-1"


def stamp(at_s: float) -> str:
    """Return a time of the bus."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class MadeCall:
    """One call and what it has said so far.

    Attributes
    ----------
    ref
        Which call.
    mood
        A key of :data:`MOODS`.
    began_s
        Seconds since 1970.
    """

    ref: CallRef
    mood: str
    began_s: float
    chance: random.Random
    end_ms: int = 0
    said: int = 0
    talk_ms: int = 0

    @property
    def now_s(self) -> float:
        """When its last utterance was over."""
        return self.began_s + self.end_ms / 1000

    def state(self) -> StateEvent:
        """Return what the bus keeps of a live call."""
        return StateEvent(
            id=f"{self.ref.id}-state",
            source=f"/nodes/{NODE}",
            subject=self.ref.id,
            time=stamp(self.began_s),
            data=StateData(
                call=self.ref, status="live", roles=("customer", "agent"), analysed=("customer",), notice=True
            ),
        )

    def speak(self) -> UtteranceEvent:
        """Return the customer's next utterance."""
        chance = self.chance
        start_ms = self.end_ms + round(chance.expovariate(1 / 7000)) + 1200
        length_ms = min(15_000, 600 + round(chance.gammavariate(2.0, 1400)))
        self.end_ms = start_ms + length_ms
        self.said += 1
        self.talk_ms += length_ms
        top = chance.choices(EMOTIONS, MOODS[self.mood])[0]
        confidence = round(min(0.97, max(0.3, chance.gauss(0.7, 0.15))), 2)
        rest = [chance.random() ** 2 for _ in EMOTIONS]
        others = sum(share for name, share in zip(EMOTIONS, rest, strict=True) if name != top)
        scores = {
            name: confidence if name == top else round((1 - confidence) * share / others, 2)
            for name, share in zip(EMOTIONS, rest, strict=True)
        }
        return UtteranceEvent(
            id=f"{self.ref.id}-customer-{self.said}",
            source=f"/nodes/{NODE}",
            subject=f"{self.ref.id}/customer/{self.said}",
            time=stamp(self.now_s + 0.41),
            sequence=f"{self.said:010}",
            data=UtteranceData(
                call=self.ref,
                speaker=Speaker(role="customer", channel=0),
                utterance=Utterance(
                    n=self.said, start_ms=start_ms, end_ms=self.end_ms, speech_ms=round(length_ms * 0.9),
                    cut=Cut.MAX_LENGTH if length_ms == 15_000 else Cut.SILENCE,
                ),
                emotion=Emotion(
                    top=max(scores, key=scores.__getitem__),
                    confidence=max(scores.values()),
                    uncertain=max(scores.values()) < 0.5,
                    scores=scores,
                ),
                quality=Quality(
                    snr_db=round(chance.gauss(19, 4), 1),
                    clipped=round(max(0.0, chance.gauss(-0.002, 0.003)), 4),
                    lost_ms=chance.choices((0, 20, 60), (0.94, 0.04, 0.02))[0],
                ),
                model=ModelRef(name="telephone", version="2.0.0", sha256="0" * 64),
                latency=Latency(hangover_ms=400, queue_ms=1.1, compute_ms=4.2),
            ),
        )  # fmt: skip

    def ended(self) -> EndedEvent:
        """Return its summary."""
        whole_ms = self.end_ms + 4000
        agent_ms = round((whole_ms - self.talk_ms) * 0.6)
        customer = SpeakerSummary(
            role="customer", channel=0, analysed=True, utterances=self.said, talk_ms=self.talk_ms,
            silence_ms=whole_ms - self.talk_ms, loudness_dbfs=-21.5, syllables_per_s=4.4, lost_ms=40,
        )  # fmt: skip
        agent = SpeakerSummary(
            role="agent", channel=1, analysed=False, utterances=0, talk_ms=agent_ms,
            silence_ms=whole_ms - agent_ms, loudness_dbfs=-19.0, syllables_per_s=4.9, lost_ms=0,
        )  # fmt: skip
        return EndedEvent(
            id=f"{self.ref.id}-ended",
            source=f"/nodes/{NODE}",
            subject=self.ref.id,
            time=stamp(self.began_s + whole_ms / 1000),
            data=EndedData(
                call=self.ref, duration_ms=whole_ms, utterances=self.said, overlap_ms=round(whole_ms * 0.03),
                reason="stop", speakers=(customer, agent),
            ),
        )  # fmt: skip

    def alert(self, rule: str, behind: list[UtteranceEvent]) -> AlertEvent:
        """Return an alert of a rule over these utterances."""
        severity, message = MESSAGES[rule]
        return AlertEvent(
            id=f"{self.ref.id}-{rule}-{behind[-1].data.utterance.n}",
            source="/alerts",
            subject=self.ref.id,
            time=behind[-1].time,
            data=AlertData(
                call=self.ref, rule=rule, severity=severity, role="customer", message=message,
                utterances=tuple(event.id for event in behind),
            ),
        )  # fmt: skip


def acknowledged(alert: AlertEvent, by: str, note: str, after_s: float) -> AcknowledgementEvent:
    """Return the event that says who took care of an alert."""
    at_s = datetime.fromisoformat(alert.time).timestamp() + after_s
    return AcknowledgementEvent(
        id=f"{alert.id}-taken",
        source="/acknowledgements",
        subject=alert.subject,
        time=stamp(at_s),
        data=AcknowledgementData(call=alert.data.call, alert=alert.id, by=by, note=note),
    )


def made_call(number: int, chance: random.Random, *, mood: str, began_s: float) -> MadeCall:
    """Return a call that has just begun."""
    name = f"{chance.choice('abcdefgh')}{chance.getrandbits(24):06x}-{number:03}"
    ref = CallRef(id=name, dialect="audiohook", labels={"queue": chance.choice(QUEUES)})
    return MadeCall(ref, mood, began_s, random.Random(chance.random()))  # noqa: S311 - a made-up floor, no key


def topic_of(event: Event, base: str = "emotion") -> str:
    """Return where the bus carries an event."""
    if isinstance(event, StatusEvent):
        return f"{base}/v1/nodes/{event.data.node}/status"
    tenant = f"{base}/v1/{event.data.call.tenant}"
    match event:
        case AlertEvent():
            return f"{tenant}/alerts/{event.data.severity}"
        case AcknowledgementEvent():
            return f"{tenant}/acknowledgements"
        case StateEvent():
            return f"{tenant}/calls/{event.data.call.id}/state"
        case EndedEvent():
            return f"{tenant}/calls/{event.data.call.id}/ended"
        case _:
            return f"{tenant}/calls/{event.data.call.id}/{event.data.speaker.role}/utterance"


def node_online(at_s: float) -> StatusEvent:
    """Return a server that is there."""
    data = StatusData(node=NODE, status=Status.ONLINE, version="0.1.0")
    return StatusEvent(
        id=f"{NODE}-online", source=f"/nodes/{NODE}", subject=NODE, time=stamp(at_s), data=data
    )  # fmt: skip


def floor(now_s: float, *, live: int, over: int, hours: float = 7, seed: int = 7) -> Iterator[Event]:
    """Yield the events of a day up to now: so many calls that are over, then so many that are still live.

    Parameters
    ----------
    now_s
        Seconds since 1970.
    live, over
        How many calls of each kind.
    hours
        How long ago the day began; the calls that are over are spread over it.
    """
    chance = random.Random(seed)  # noqa: S311 - as above
    numbers = count(1)
    moods = tuple(MOODS)
    yield node_online(now_s - hours * 3600)
    for _ in range(over):
        length_s = chance.uniform(90, 600)
        began_s = now_s - length_s - 30 - chance.triangular(0, hours * 3600, hours * 1300)
        call = made_call(
            next(numbers), chance, mood=chance.choices(moods, MOOD_SHARES)[0], began_s=began_s
        )  # fmt: skip
        yield from _until(call, began_s + length_s, taken=chance.choice(NOTES), after_s=chance.uniform(20, 240))
        yield call.ended()
    for _ in range(live):
        call = made_call(
            next(numbers), chance, mood=chance.choices(moods, MOOD_SHARES)[0],
            began_s=now_s - chance.gammavariate(2.2, 110) - 15,
        )  # fmt: skip
        yield from _until(call, now_s)


def _until(call: MadeCall, until_s: float, taken: str = "", after_s: float = 0.0) -> Iterator[Event]:
    """Yield a call's events up to a moment; its alerts are acknowledged where there is a note."""
    yield call.state()
    recent: list[UtteranceEvent] = []
    fired: set[str] = set()
    while call.now_s < until_s - 4:
        before_ms, before = call.end_ms, call.said
        event = call.speak()
        if call.now_s + 1 > until_s:
            call.end_ms, call.said = before_ms, before
            return
        yield event
        recent = [*recent, event][-4:]
        for alert in _alerts(call, recent, fired):
            yield alert
            if taken:
                yield acknowledged(alert, call.chance.choice(("Desk 2", "Maria", "Desk 5")), taken, after_s)


def _alerts(call: MadeCall, recent: list[UtteranceEvent], fired: set[str]) -> Iterator[AlertEvent]:
    sure = [event for event in recent if not event.data.emotion.uncertain]
    angry = [event for event in sure if event.data.emotion.top == "angry"]
    distressed = [event for event in sure if event.data.emotion.top in {"sad", "fear"}]
    found = {"angry-customer": angry[-2:] if len(angry) >= 2 else [], "escalation": angry if len(angry) >= 4 else []}
    found["distressed-customer"] = distressed if len(distressed) >= 3 else []
    for rule, behind in found.items():
        if behind and rule not in fired:
            fired.add(rule)
            yield call.alert(rule, behind)
