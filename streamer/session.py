"""One stream: between a peer that speaks a dialect and the bus that wants events.

Owns the order of things. Each utterance is judged, its event is committed to the outbox and only then handed to the
peer; a call's events keep their order; the summary comes last. It knows no socket: the peer is an interface of three
verbs, so a test can be one. This file must never publish what is not in the outbox, and never let a peer that does not
read hold up the bus.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog
from streamer_client.events import CallRef, PartialEvent, UtteranceEvent, encode

from streamer.auth import Pass
from streamer.bus.bus import Bus
from streamer.bus.outbox import OutboxError
from streamer.bus.topics import call_id, pseudonymise
from streamer.call import Call, Identity
from streamer.config import Settings
from streamer.emotion.batcher import Batcher, Judged
from streamer.emotion.model import EmotionModel, ModelError
from streamer.leg import Heard, Leg
from streamer.limits import Admission, Slot
from streamer.metrics import AudioFault, Metrics, Stage
from streamer.wire.events import (
    Audio,
    Dialect,
    Fault,
    Gap,
    Message,
    Pause,
    Reply,
    Resume,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)

UNJUDGED = 64
"""Utterances of one call that may wait for the model; beyond, the peer is read more slowly."""
SLICE_BYTES = 16_000
"""Audio is worked through in pieces of about a second, so that one large message does not hold up other calls."""
SEND_TIMEOUT_S = 5.0
"""A peer that takes longer to read an event gets no more of them; the bus has them all."""
PARTING_S = 5.0
"""How long a platform that wants to close the stream itself may take for it."""

DRAINING = Fault("draining", "this server is going down; connect again, another will answer", close_code=1001)
FULL = Fault("full", "this server carries as many calls as it may (server.max_calls); try again or another", 1013)

_NUMBER = re.compile(r"\+?\d(?:[ ().\-/]*\d){6,}")

log = structlog.get_logger()


class Peer(Protocol):
    """Who is at the other end of the stream."""

    def messages(self) -> AsyncIterator[Message]:
        """Iterate over what the peer sends until the stream is closed, in whichever way."""
        ...

    async def send(self, message: Message) -> None:
        """Send a message; quietly nothing once the stream is closed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close the stream."""
        ...


class Services(msgspec.Struct, frozen=True):
    """What all streams of a process share."""

    settings: Settings
    model: EmotionModel
    batcher: Batcher
    bus: Bus
    metrics: Metrics
    admission: Admission
    new_session_id: Callable[[], str]
    wall_s: Callable[[], float]
    monotonic_s: Callable[[], float]


class Session:
    """One stream from its first message to its close.

    Parameters
    ----------
    peer
        Who streams.
    dialect
        How it speaks; made for this stream alone.
    admitted
        As whom it came in.
    services
        What all streams share.
    """

    def __init__(self, peer: Peer, dialect: Dialect, admitted: Pass, services: Services) -> None:
        self._peer = peer
        self._dialect = dialect
        self._admitted = admitted
        self._its = services
        self.session_id = services.new_session_id()
        self.call: Call | None = None
        self.opened_s = services.monotonic_s()
        self.heard_s = self.opened_s
        """Monotonic time of the last audio, announced gap or pause, or of the opening."""
        self._stalled = False
        self._expired = False
        """The end has begun, from our side or the peer's."""
        self._start: Start | None = None
        self._slot: Slot | None = None
        self._reason = "disconnected"
        self._stopped = False
        """The peer has said that it is done and waits for our `ended`."""
        self._last_word: Fault | None = None
        self._judging: asyncio.Queue[tuple[Heard, asyncio.Future[Judged]] | None] = asyncio.Queue(UNJUDGED)
        self._concluding: asyncio.Task[None] | None = None
        self._peer_reads = True
        self._log = log.bind(session=self.session_id, dialect=dialect.name, tenant=admitted.tenant)

    async def run(self) -> None:
        """Serve the stream until either side ends it."""
        try:
            async for message in self._peer.messages():
                if not await self._take(self._dialect.receive(message)):
                    break
            else:
                await self._take(self._dialect.closed())
        finally:
            await self._finish()

    async def expire(self, reason: str, fault: Fault) -> None:
        """End the stream from our side: idle, draining. Does nothing to one that is at its end already."""
        if self._expired:
            return
        self._expired = True
        self._reason = reason
        self._its.metrics.protocol_faults.labels(fault.code).inc()
        self._log.warning("stream ended by the server", code=fault.code, message=_loggable(fault.message))
        for message in self._dialect.fault(fault):
            await self._send(message)
        await self._peer.close(fault.close_code, fault.code)

    def notice_stall(self, now_s: float, after_s: float) -> None:
        """Say when the audio of a call stops coming, and when it comes again."""
        call = self.call
        if call is None or call.paused:
            return
        silent_s = now_s - self.heard_s
        if silent_s > after_s and not self._stalled:
            self._stalled = True
            self._its.metrics.stalls.inc()
            self._log.warning("stall started: no audio comes", for_s=round(silent_s, 1))
        elif silent_s <= after_s and self._stalled:
            self._stalled = False
            self._log.info("stall recovered")

    async def _take(self, events: list[WireEvent]) -> bool:
        """Work through what a message meant; False once the stream is at its end."""
        for event in events:
            match event:
                case Reply():
                    await self._send(event.message)
                    ended = False
                case Start():
                    ended = await self._begin(event)
                case Stop():
                    self._reason, self._stopped, ended = "stop", True, True
                case Fault():
                    self._fail(event)
                    ended = True
                case _:
                    ended = not await self._feed(event)
            if ended:
                return False
        return True

    async def _begin(self, start: Start) -> bool:
        """Admit the call; True if the stream must end instead."""
        its = self._its
        slot = its.admission.acquire()
        if slot is None:
            self._fail(DRAINING if its.admission.draining else FULL)
            return True
        self._slot = slot
        self._start = start
        salt = its.bus.salt(self._admitted.tenant)
        call = CallRef(
            id=call_id(start.call_id, salt),
            tenant=self._admitted.tenant,
            dialect=self._dialect.name,
            labels={pseudonymise(name, salt): pseudonymise(value, salt) for name, value in start.labels.items()},
        )
        identity = Identity(call=call, session_id=self.session_id, source=f"/nodes/{its.settings.node}")
        self.call = Call(start, identity, settings=its.settings, model=its.model, now_s=its.wall_s())
        self._log = self._log.bind(call=call.id)
        self._concluding = asyncio.create_task(self._conclude(self.call), name=f"conclude {self.session_id}")
        its.metrics.calls_active.labels(self._dialect.name).inc()
        self._log.info(
            "call started",
            roles=[str(role) for role in start.roles],
            analysed=list(self.call.analysed),
            rate_hz=start.rate_hz,
        )
        # Before the disk is asked: some platforms give up on a call whose answer takes long.
        for message in self._dialect.ready(self.session_id, self.call.analysed):
            await self._send(message)
        await its.bus.state(self.call.state(its.wall_s()), self.session_id)
        return False

    async def _feed(self, event: WireEvent) -> bool:
        """Hand an event to the call and what it heard to the model; False if the stream cannot go on."""
        call = self.call
        if call is None:  # a dialect never lets this happen; a broken one must not look like silence
            self._fail(Fault("not_started", f"got {type(event).__name__.lower()} before the call was started"))
            return False
        if isinstance(event, Audio | Gap | Pause | Resume):
            self.heard_s = self._its.monotonic_s()  # the sender is there and accounts for its silence
        notice_before = call.notice
        for piece in _slices(event):
            for heard in call.receive(piece, self._its.monotonic_s()):
                if isinstance(heard, Fault):
                    self._fail(heard)
                    return False
                await self._judge(heard)
            if piece is not event:
                await asyncio.sleep(0)
        if call.notice is not notice_before:
            await self._its.bus.state(call.state(self._its.wall_s()), self.session_id)
        if isinstance(event, Withdraw):
            self._log.info("analysis withdrawn; what was pending of this call is removed")
            await self._its.bus.forget(call.identity.call, self.session_id)
        return True

    async def _judge(self, heard: Heard) -> None:
        """Queue an utterance; waits, and so slows the peer down, while too many are unjudged."""
        judged = self._its.batcher.submit(heard.features, heard.caller, final=heard.cut is not None)
        await self._judging.put((heard, judged))

    def _fail(self, fault: Fault) -> None:
        self._reason = "error" if fault.code not in {"full", "draining"} else fault.code
        self._last_word = fault
        self._its.metrics.protocol_faults.labels(fault.code).inc()
        self._log.warning("stream refused", code=fault.code, message=_loggable(fault.message))

    async def _conclude(self, call: Call) -> None:
        """Turn verdicts into events, in the order of the call."""
        while (item := await self._judging.get()) is not None:
            heard, future = item
            try:
                await self._conclude_one(call, heard, await future)
            except ModelError as problem:
                self._its.metrics.model_failures.inc()
                self._log.error("utterance not judged", n=heard.n, role=heard.role, problem=str(problem))
            except Exception:  # noqa: BLE001 - logged whole by a bound logger, which ruff does not know as one
                # Were this task to end here, the call would wait for it for ever.
                self._its.metrics.events_lost.inc()
                self._log.exception("event lost: a defect of ours", n=heard.n, role=heard.role)

    async def _conclude_one(self, call: Call, heard: Heard, judged: Judged) -> None:
        event = call.conclude(heard, judged, self._its.wall_s())
        if event is None:
            return
        if isinstance(event, PartialEvent):
            self._its.bus.partial(event, self.session_id)
        else:
            await self._deliver(event, heard, judged)
        if self._start is not None and self._start.wants_events:
            for message in self._dialect.event(encode(event)):
                await self._send(message)

    async def _deliver(self, event: UtteranceEvent, heard: Heard, judged: Judged) -> None:
        judged_s = self._its.monotonic_s()
        try:
            await self._its.bus.utterance(event, self.session_id)
        except OutboxError as problem:
            # The call goes on: its next events may find the disk well again. What is lost is said.
            self._its.metrics.events_lost.inc()
            self._log.error("event lost: the outbox does not take it", event_id=event.id, problem=str(problem))
        metrics, emotion = self._its.metrics, event.data.emotion
        metrics.utterances.labels(emotion.top, str(emotion.uncertain).lower()).inc()
        metrics.stage_latency.labels(Stage.QUEUE).observe(judged.queue_ms / 1000)
        metrics.stage_latency.labels(Stage.MODEL).observe(judged.compute_ms / 1000)
        metrics.stage_latency.labels(Stage.OUTBOX).observe(self._its.monotonic_s() - judged_s)
        self._log.debug("utterance", n=heard.n, role=heard.role, start_ms=heard.start_ms, end_ms=heard.end_ms)

    async def _finish(self) -> None:
        """Judge what is left, hand over the summary, make room for the next call, say goodbye."""
        self._expired = True
        call = self.call
        try:
            if call is not None and self._concluding is not None:
                for heard in call.finish():
                    await self._judge(heard)
                await self._judging.put(None)
                await self._concluding
                await self._account(call)
        finally:
            self._release()
        if self._last_word is not None:
            for message in self._dialect.fault(self._last_word):
                await self._send(message)
            await self._part(self._last_word.close_code, self._last_word.code)
        elif self._stopped:
            for message in self._dialect.ended(call.utterances if call else 0):
                await self._send(message)
            await self._part(1000, "")

    async def _part(self, code: int, reason: str) -> None:
        """Close the stream; where closing is the peer's business, once it has, or has had its time."""
        if self._dialect.peer_closes:
            with suppress(TimeoutError):
                async with asyncio.timeout(PARTING_S):
                    async for message in self._peer.messages():
                        for event in self._dialect.receive(message):
                            if isinstance(event, Reply):
                                await self._send(event.message)
        await self._peer.close(code, reason)

    def _release(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.release()
            self._its.metrics.calls_active.labels(self._dialect.name).dec()
            self._its.metrics.calls.labels(self._dialect.name, self._reason).inc()

    async def _account(self, call: Call) -> None:
        """Publish the summary and clear the state; after an objection only the latter, which happened then."""
        its = self._its
        _count_audio(its.metrics, call, self._dialect.name)
        if call.withdrawn:
            self._reason = "withdrawn"
            self._log.info("call ended", reason=self._reason)
            return
        ended = call.summary(self._reason, its.wall_s())
        await its.bus.ended(ended, self.session_id)
        self._log.info(
            "call ended",
            reason=self._reason,
            utterances=call.utterances,
            duration_ms=ended.data.duration_ms,
            missing_messages=call.missing_messages,
            **{f"{leg.role}_{name}": value for leg in call.legs for name, value in _losses(leg).items()},
        )

    async def _send(self, message: Message) -> None:
        if not self._peer_reads:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._peer.send(message)
        except TimeoutError:
            self._peer_reads = False
            self._log.warning("peer does not read; it gets no more messages, the bus has every event")


def _slices(event: WireEvent) -> list[WireEvent]:
    """Cut audio without a place on the clock into pieces that are quickly worked through."""
    if not isinstance(event, Audio) or len(event.payload) <= SLICE_BYTES or event.media_ms is not None:
        return [event]
    return [
        Audio(channel=event.channel, payload=event.payload[begin : begin + SLICE_BYTES])
        for begin in range(0, len(event.payload), SLICE_BYTES)
    ]


def _loggable(message: str) -> str:
    """Return a fault's words without what may be a telephone number in what the peer sent; it alone gets it back."""
    return _NUMBER.sub("<number>", message)


def _count_audio(metrics: Metrics, call: Call, dialect: str) -> None:
    """Add a finished call to the totals."""
    for leg in call.legs:
        counters = leg.timeline.counters
        metrics.audio.inc(leg.position_ms / 1000)
        metrics.speech.inc(leg.activity.summary.talk_ms / 1000)
        metrics.audio_faults.labels(AudioFault.LOST).inc(counters.lost_ms / 1000)
        metrics.audio_faults.labels(AudioFault.LATE).inc(counters.late_ms / 1000)
        metrics.audio_faults.labels(AudioFault.DUPLICATE).inc(counters.duplicate_ms / 1000)
    metrics.messages_missing.labels(dialect).inc(max(0, call.missing_messages))


def _losses(leg: Leg) -> dict[str, float]:
    """Return what of a leg's audio was missing or out of place, where anything was."""
    counters = msgspec.to_builtins(leg.timeline.counters)
    return {name: value for name, value in counters.items() if value}
