"""One call: wire events in, utterances to be judged and finished events out.

Pure: no socket, no file, no clock of its own; time comes in as an argument. The very object that serves is the one that
is tested and measured. It keeps the promises made to the people on the line: only analysed roles ever reach a model,
nothing is judged before a notice where one is required, and after an objection nothing of the call is kept.

Life of a call::

    call = Call(start, ...)              # from the dialect's Start
    part = call.join(start)              # another stream of the same call, where the platform opens several
    call.receive(event, now_s, part)     # Audio, Gap, Notice, ... -> utterances to judge
    call.take(audio, now_s, part)        # or only take audio, and work on it later, with that of other calls
    call.leave(part)                     # the last utterances of one stream; others may go on, or it may come back
    call.conclude(heard, judged, now_s)  # with the model's verdict -> the event, or None after an objection
    call.finish()                        # the last utterances of all
    call.summary(reason, now_s)          # the `ended` event

A stream that joins carries on a leg of the same role and the same format that no stream carries any more, the one that
was left last: utterance numbers, media time and the caller's statistics go on. Where there is none, it brings a new
leg, also for a role that another stream carries at that moment; legs of one role always share their numbers.
"""

from __future__ import annotations

import msgspec
from streamer_client.events import (
    CallRef,
    Emotion,
    EndedData,
    EndedEvent,
    Latency,
    ModelRef,
    PartialEvent,
    Speaker,
    SpeakerSummary,
    StateData,
    StateEvent,
    Utterance,
    UtteranceData,
    UtteranceEvent,
)

from streamer.audio.frames import Frames
from streamer.bus.cloudevents import event_id, rfc3339
from streamer.config import Settings
from streamer.emotion.batcher import Judged
from streamer.emotion.model import EmotionModel
from streamer.heard import Heard, Numbers
from streamer.leg import Leg
from streamer.part import Arrivals, Part
from streamer.speech.overlap import Overlap
from streamer.wire.events import (
    Audio,
    Encoding,
    Fault,
    Gap,
    Missing,
    Notice,
    Pause,
    Resume,
    Role,
    Start,
    WireEvent,
    Withdraw,
)

_SPELLS = 16
"""Stretches of a party's speech that are held against the other's together."""


class Identity(msgspec.Struct, frozen=True):
    """What a call is called, decided before it begins."""

    call: CallRef
    """Its id is safe for topics already."""
    session_id: str
    """One per call; event ids derive from it."""
    source: str
    """CloudEvents source, `/nodes/<node>`."""


class Call:
    """One call.

    Parameters
    ----------
    start
        What the dialect said of it.
    identity
        Its names.
    settings
        How speech is cut and whose is analysed.
    model
        Judges the analysed roles.
    now_s
        Wall-clock time of the call's beginning, seconds since the epoch.
    """

    def __init__(
        self, start: Start, identity: Identity, *, settings: Settings, model: EmotionModel, now_s: float
    ) -> None:
        self.identity = identity
        self.notice = False
        self.withdrawn = False
        self.missing_messages = 0
        self.utterances = 0
        """Utterance events so far, all roles."""
        self.revision = 0
        """Goes up when the state of the call must be told anew; its event's id depends on it."""
        self._started_s = now_s
        self._model = model
        self._settings = settings
        self._roles_analysed = frozenset(settings.emotion.analyse)
        self._model_ref = ModelRef(name=model.card.name, version=model.card.version, sha256=model.card.sha256)
        self._counts: dict[int, dict[str, int]] = {}
        self._partials = 0
        self._numbers: dict[Role, Numbers] = {}
        self._overlap = Overlap()
        self._arrivals = Arrivals()
        self.legs: tuple[Leg, ...] = ()
        self._idle: list[Leg] = []
        """Legs that no stream carries any more, the one that was left last at the end."""
        self.parts: list[Part] = []
        """Streams that carry the call now."""
        self.first = self.join(start)
        self.revision = 0

    @property
    def paused(self) -> bool:
        """Whether a sender has said that it stops for a while."""
        return any(part.paused for part in self.parts)

    @property
    def analysed(self) -> tuple[str, ...]:
        """The roles whose emotions are named, in channel order, each once."""
        return tuple(dict.fromkeys(str(leg.role) for leg in self.legs if leg.role in self._roles_analysed))

    def join(self, start: Start) -> Part:
        """Take another stream in; what the people heard on it were told counts for all of the call."""
        if start.notice and not self.notice:
            self._take_notice()
            self.revision += 1
        legs = tuple(self._carried(role, start.encoding, start.rate_hz) for role in start.roles)
        part = Part(start, legs, self._arrivals)
        self.parts.append(part)
        return part

    def add_labels(self, labels: dict[str, str]) -> None:
        """Take labels that a further stream of the call brings; those that the call has stay as they are."""
        call = self.identity.call
        merged = labels | call.labels
        if merged != call.labels:
            self.identity = msgspec.structs.replace(self.identity, call=msgspec.structs.replace(call, labels=merged))
            self.revision += 1

    def leave(self, part: Part) -> list[Heard]:
        """End a stream's audio; return the utterances that end with it. A second time there are none."""
        if part not in self.parts:
            return []
        self.parts.remove(part)
        self._idle += part.legs
        if self.withdrawn:
            return []
        return [heard for leg in part.legs for heard in leg.finish()]

    def receive(self, event: WireEvent, now_s: float, part: Part | None = None) -> list[Heard | Fault]:
        """Take what the platform said.

        Parameters
        ----------
        event
            From the dialect; `Start`, `Stop` and `Fault` are the server's business and change nothing here.
        now_s
            Monotonic seconds, to hold the declared sample rate against the clock and to place what joins.
        part
            The stream on which it was said; the one that began the call, if not given.

        Returns
        -------
        list of Heard, Fault
            Utterances to judge, in order; a fault where the stream cannot be right.
        """
        part = part or self.first
        if self.withdrawn:
            return []
        if isinstance(event, Audio):
            return [*self.take(event, now_s, part), *self._advance(part.legs[event.channel])]
        # What was said before comes before.
        heard: list[Heard | Fault] = list(self.advance())
        match event:
            case Gap():
                heard += part.gap(event.duration_ms)
            case Missing():
                self.missing_messages += event.messages
            case Pause():
                part.pause(paused=True)
            case Resume():
                part.pause(paused=False)
            case Notice():
                self._take_notice()
            case Withdraw():
                self._withdraw()
                return []
            case _:
                pass
        return heard

    def take(self, audio: Audio, now_s: float, part: Part) -> list[Heard | Fault]:
        """Take audio and leave the work on it for later: `advance`, or `streamer.rounds` for many calls at once.

        Parameters
        ----------
        audio, now_s, part
            As for `receive`.

        Returns
        -------
        list of Heard, Fault
            Mostly nothing: utterances that the media clock ended, or why the stream cannot be right.
        """
        if self.withdrawn:
            return []
        wrong = part.wrong_rate(audio, now_s)
        if wrong:
            return [Fault(code="sample_rate_mismatch", message=wrong)]
        return list(part.take(audio, now_s))

    def advance(self) -> list[Heard]:
        """Work on all audio that is taken; return the utterances that it ends, and partial ones that are due."""
        return [heard for leg in self.legs for heard in self._advance(leg)]

    def work(self, leg: Leg, codes: bytes, measured: Frames, at: int) -> list[Heard]:
        """Work on frames of one of the call's legs; see `Leg.work`."""
        heard = leg.work(codes, measured, at)
        if leg.spells >= _SPELLS:
            self._note_speech(leg)
        return heard

    def finish(self) -> list[Heard]:
        """End the call's audio; return the utterances that end with it."""
        return [heard for part in tuple(self.parts) for heard in self.leave(part)]

    def conclude(self, heard: Heard, judged: Judged, now_s: float) -> UtteranceEvent | PartialEvent | None:
        """Make the event of a judged utterance; None where the person has objected meanwhile."""
        if self.withdrawn:
            return None
        verdict = judged.verdict
        data = UtteranceData(
            call=self.identity.call,
            speaker=Speaker(role=heard.role, channel=heard.channel),
            utterance=Utterance(
                n=heard.n,
                start_ms=heard.start_ms,
                end_ms=heard.end_ms,
                speech_ms=heard.speech_ms,
                cut=heard.cut,
            ),
            emotion=Emotion(
                top=verdict.top,
                confidence=verdict.confidence,
                uncertain=verdict.uncertain,
                scores=verdict.scores,
            ),
            quality=heard.quality,
            model=self._model_ref,
            latency=Latency(
                hangover_ms=self._settings.speech.hangover_ms,
                queue_ms=round(judged.queue_ms, 1),
                compute_ms=round(judged.compute_ms, 1),
            ),
        )
        # A recording played faster than life is ahead of the clock; no event is stamped with a time to come.
        at_s = min(now_s, self._started_s + heard.end_ms / 1000)
        subject = f"{self.identity.call.id}/{heard.role}/{heard.n}"
        if heard.cut is None:
            self._partials += 1
            return PartialEvent(
                id=self._id(f"partial.{self._partials}", heard.role, heard.n, at_s),
                source=self.identity.source,
                subject=subject,
                time=rfc3339(at_s),
                # Sorts behind the utterance before and in front of the one it belongs to.
                sequence=f"{heard.n - 1:010d}.{self._partials:05d}",
                data=data,
            )
        self.utterances += 1
        if not verdict.uncertain:
            counts = self._counts.setdefault(heard.channel, {})
            counts[verdict.top] = counts.get(verdict.top, 0) + 1
        return UtteranceEvent(
            id=self._id("utterance", heard.role, heard.n, at_s),
            source=self.identity.source,
            subject=subject,
            time=rfc3339(at_s),
            sequence=f"{heard.n:010d}",
            data=data,
        )

    def state(self, now_s: float) -> StateEvent:
        """Return the retained state of the live call."""
        return StateEvent(
            id=self._id(f"state.{int(self.notice)}", "", self.revision, now_s),
            source=self.identity.source,
            subject=self.identity.call.id,
            time=rfc3339(now_s),
            data=StateData(
                call=self.identity.call,
                status="live",
                roles=tuple(str(leg.role) for leg in self.legs),
                analysed=self.analysed,
                notice=self.notice,
                lawful_basis=self._settings.emotion.lawful_basis,
            ),
        )

    def summary(self, reason: str, now_s: float) -> EndedEvent:
        """Return the summary of the finished call; it names no emotion of a role that is not analysed."""
        for leg in self.legs:
            self._note_speech(leg)
        duration_ms = max((leg.position_ms for leg in self.legs), default=0)
        return EndedEvent(
            id=self._id("ended", "", 0, now_s),
            source=self.identity.source,
            subject=self.identity.call.id,
            time=rfc3339(now_s),
            data=EndedData(
                call=self.identity.call,
                duration_ms=duration_ms,
                utterances=self.utterances,
                overlap_ms=round(self._overlap.total_ms) if len(self.legs) == 2 else 0,
                reason=reason,
                speakers=tuple(self._speaker(leg, duration_ms) for leg in self.legs),
            ),
        )

    def _carried(self, role: Role, encoding: Encoding, rate_hz: int) -> Leg:
        """Return the leg that a stream carries on, or a new one."""
        for leg in reversed(self._idle):
            if leg.role is role and leg.format == (encoding, rate_hz):
                self._idle.remove(leg)
                return leg
        leg = Leg(
            role,
            len(self.legs),
            encoding=encoding,
            rate_hz=rate_hz,
            speech=self._settings.speech,
            model=self._model if self._may_analyse(role) else None,
            partial_every_ms=self._settings.emotion.partial_every_ms,
            numbers=self._numbers.setdefault(role, Numbers()),
        )
        self.legs += (leg,)
        self.revision += 1
        return leg

    def _may_analyse(self, role: Role) -> bool:
        told = self.notice or not self._settings.emotion.require_notice
        return role in self._roles_analysed and told and not self.withdrawn

    def _advance(self, leg: Leg) -> list[Heard]:
        codes = leg.frames()
        return self.work(leg, codes, Frames(codes), 0) if codes else []

    def _note_speech(self, leg: Leg) -> None:
        """Count one party's speech against the other's; with more than two there is no such figure."""
        spoken = leg.take_speech()
        another_may_join = self.first.start.is_part and len(self.legs) == 1
        if len(self.legs) != 2 and not another_may_join:
            return
        for start_ms, end_ms in spoken:
            self._overlap.speech(leg.channel, start_ms, end_ms)
        self._overlap.passed(leg.channel, leg.framed_ms)

    def _take_notice(self) -> None:
        if self.notice:
            return
        self.notice = True
        if self._settings.emotion.require_notice:
            for leg in self.legs:
                if leg.role in self._roles_analysed:
                    leg.start_analysis(self._model)

    def _withdraw(self) -> None:
        self.withdrawn = True
        self._counts.clear()
        for leg in self.legs:
            leg.stop_analysis()

    def _id(self, kind: str, role: str, n: int, at_s: float) -> str:
        return event_id(self.identity.session_id, kind, role, n, int(at_s * 1000))

    def _speaker(self, leg: Leg, duration_ms: int) -> SpeakerSummary:
        activity = leg.activity.summary
        return SpeakerSummary(
            role=leg.role,
            channel=leg.channel,
            analysed=leg.role in self._roles_analysed,
            utterances=leg.utterances,
            talk_ms=activity.talk_ms,
            silence_ms=max(0, duration_ms - activity.talk_ms),
            loudness_dbfs=None if activity.loudness_dbfs is None else round(activity.loudness_dbfs, 1),
            syllables_per_s=None if activity.syllables_per_s is None else round(activity.syllables_per_s, 2),
            lost_ms=round(leg.timeline.counters.lost_ms + leg.timeline.counters.hole_ms + leg.missed_ms),
            emotions=self._counts.get(leg.channel, {}),
        )
