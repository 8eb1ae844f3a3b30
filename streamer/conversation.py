"""One call as the bus sees it, whichever streams carry it: one slot, one state, one order of events, one summary.

Its audio is worked on in rounds, with that of all other calls. Each utterance is judged and its event committed to the
outbox before it is handed to the stream on which it was heard; the events of a call keep their order; the summary comes
last. A call of parts outlives its streams by a grace time, in which one that comes back continues it. This file must
never publish what is not in the outbox, never know a dialect or a socket, and never leave a call without an end: each
has its summary, its state cleared and its slot given back.

Theory of operation. Every stream calls `join` or begins a `Conversation`, hands over what it hears, and calls `leave`
and then `outlast`: whoever left last stays with the call until it is over, so no task is needed that nobody owns.

========== ============================================ ========== ================================================
state      what happens                                 next       then
========== ============================================ ========== ================================================
carried    a stream joins, or one of several leaves     carried
carried    the only stream a call can have leaves       over       summary, state cleared, slot given back
carried    the last of the parts leaves                 deserted   the grace time begins
deserted   a part joins                                 carried    the one that waited goes
deserted   the grace time is over; or the server drains over       summary, state cleared, slot given back
========== ============================================ ========== ================================================

A drain waits for no grace time. While the server drains, a part may still join a call that another one carries. An
objection on any part, and a notice on any part, are those of the call and last as long as it does, its grace included.

Streams of one call id that are no parts are calls of their own, and share a topic for their state. So when one of them
ends and clears it, the one that goes on says its state again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator

import msgspec
import structlog
from streamer_client.events import CallRef, PartialEvent, UtteranceEvent, encode

from streamer.bus.bus import Bus
from streamer.bus.outbox import OutboxError
from streamer.call import Call, Identity
from streamer.config import Settings
from streamer.emotion.batcher import Batcher, Judged
from streamer.emotion.model import EmotionModel, ModelError
from streamer.heard import Heard
from streamer.leg import Leg
from streamer.limits import Admission, Slot
from streamer.load.shedding import Shedding
from streamer.metrics import Metrics
from streamer.observing.tally import Tally
from streamer.observing.tracing import NO_TRACES, Traces
from streamer.part import Part
from streamer.rounds import Rounds
from streamer.wire.events import Audio, Fault, Start, WireEvent, Withdraw

UNJUDGED = 64
"""Utterances of one call that may wait for the model; beyond, its peers are read more slowly."""
SLICE_BYTES = 16_000
"""Audio is worked through in pieces of about a second, so that one large message does not hold up other calls."""
MOST_WAITING = 4000
"""Samples of a leg, half a second, that may wait for the next round; a recording that comes faster is worked on as it
comes, and waits for its turn."""
MOST_PARTS = 16
"""Streams that may carry one call at once: a call takes one slot, however many there are."""

OUR_FAULT = Fault("internal", "our fault; the server's log says more", close_code=1011)

Tell = Callable[[bytes], Awaitable[None]]
"""Hands an event (structured JSON) to the peer of the stream on which its utterance was heard."""

log = structlog.get_logger()


class Conversations:
    """The calls that are live on this node, by tenant and call id."""

    def __init__(self) -> None:
        self._live: dict[tuple[str, str], list[Conversation]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._live.values()))

    def __iter__(self) -> Iterator[Conversation]:
        return (conversation for same in self._live.values() for conversation in same)

    def to_join(self, call: CallRef) -> Conversation | None:
        """Return the call that a further part of this tenant and call id belongs to."""
        return next((one for one in self._live.get(_key(call), ()) if one.is_of_parts), None)

    def add(self, conversation: Conversation) -> None:
        """Take note of a call that begins."""
        self._live.setdefault(_key(conversation.call.identity.call), []).append(conversation)

    def remove(self, conversation: Conversation) -> None:
        """Forget a call that is over; a second time nothing happens."""
        key = _key(conversation.call.identity.call)
        left = [one for one in self._live.get(key, ()) if one is not conversation]
        if left:
            self._live[key] = left
        else:
            self._live.pop(key, None)

    def other(self, conversation: Conversation) -> Conversation | None:
        """Return the latest other call of the same tenant and call id whose state may be seen."""
        same = reversed(self._live.get(_key(conversation.call.identity.call), []))
        return next((one for one in same if one is not conversation and not one.call.withdrawn), None)


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
    conversations: Conversations = msgspec.field(default_factory=Conversations)
    rounds: Rounds = msgspec.field(default_factory=lambda: Rounds(time.monotonic))
    shedding: Shedding = msgspec.field(default_factory=lambda: Shedding(0, 0))
    traces: Traces = NO_TRACES


class Conversation:
    """One live call.

    Parameters
    ----------
    start
        What the dialect of its first stream said.
    identity
        Its names.
    slot
        Its right to be served; given back at its end.
    services
        What all streams share.
    """

    def __init__(self, start: Start, identity: Identity, slot: Slot, services: Services) -> None:
        self._its = services
        self._slot = slot
        try:
            self.call = Call(start, identity, settings=services.settings, model=services.model, now_s=services.wall_s())
        except BaseException:
            slot.release()
            raise
        self.tally = Tally(services.metrics, self.call)
        self._trace = services.traces.begin(identity, services.wall_s())
        self.is_of_parts = start.is_part
        self._stalls = 0
        self._reason = "disconnected"
        self._last_out: Part | None = None
        """The part that left last, while none carries the call."""
        self._left_s = 0.0
        self._joined = asyncio.Event()
        """Set when a part joins; a new one for each time of grace."""
        self._told: tuple[int, bool] | None = None
        """What the state that was published last depended on."""
        self._judging: asyncio.Queue[_Unjudged | asyncio.Future[None] | None] = asyncio.Queue()
        self._unjudged: set[asyncio.Future[Judged]] = set()
        """What the model still owes; an objection takes it back."""
        self._owed = 0
        """Utterances that were submitted and are not concluded."""
        self.has_room = True
        """Whether more audio may be taken without waiting: nothing of the call is far behind."""
        self._concluded = asyncio.Event()
        """Set whenever one is."""
        self._tells: dict[Part, Tell] = {}
        """Who is told what is heard on which stream."""
        self.broken = False
        """Work on its audio has failed: its streams must end."""
        self._log = log.bind(session=identity.session_id, dialect=identity.call.dialect, tenant=identity.call.tenant)
        self._log = self._log.bind(call=identity.call.id)
        self._concluding = asyncio.create_task(self._conclude(), name=f"conclude {identity.session_id}")
        services.conversations.add(self)
        services.metrics.calls_active.labels(identity.call.dialect).inc()
        self._log.info(
            "call started",
            roles=[str(role) for role in start.roles],
            analysed=list(self.call.analysed),
            rate_hz=start.rate_hz,
        )

    @property
    def session_id(self) -> str:
        """What the call is called inside the server, the same for all its streams."""
        return self.call.identity.session_id

    def join(self, start: Start, labels: dict[str, str]) -> Part | None:
        """Take a further part in; None where there are as many as may be.

        Parameters
        ----------
        start
            What its dialect said.
        labels
            As they may stand on the bus.
        """
        if len(self.call.parts) >= MOST_PARTS:
            return None
        part = self.call.join(start)
        self.call.add_labels(labels)
        self._last_out = None
        self._joined.set()
        self._log.info("part joined the call", roles=[str(role) for role in start.roles], parts=len(self.call.parts))
        return part

    def note_stall(self, *, started: bool) -> None:
        """Take note that the audio of a stream has stopped coming, or comes again."""
        self._stalls += started
        self._trace.note("stall started" if started else "stall recovered", self._its.wall_s())

    async def tell_state(self) -> None:
        """Publish what the call is like, where that has changed; not after an objection, which has taken it away."""
        call = self.call
        depends_on = (call.revision, call.notice)
        if call.withdrawn or depends_on == self._told:
            return
        self._told = depends_on
        await self._its.bus.state(call.state(self._its.wall_s()), self.session_id)

    def tell_of(self, part: Part, tell: Tell) -> None:
        """Tell somebody what is heard on a stream, until it leaves."""
        self._tells[part] = tell

    def overhear(self, audio: Audio, part: Part, now_s: float) -> Fault | None:
        """Take audio for the next round, without waiting; only while there is room.

        Parameters
        ----------
        audio, part
            What was heard, and on which stream.
        now_s
            Monotonic.

        Returns
        -------
        Fault or None
            Why this stream cannot go on.
        """
        if self.call.withdrawn:
            return None
        leg = part.legs[audio.channel]
        if not (part.is_plain and leg.follow(audio)):
            fault = self._submit_all(self.call.take(audio, now_s, part))
            if fault is not None:
                return fault
        if leg.waiting >= MOST_WAITING:
            self.has_room = False
        self._its.rounds.add(self)
        return None

    def worked(self, heard: list[Heard], work_s: float) -> None:
        """Take what a round has heard."""
        self.tally.worked(work_s, self._its.monotonic_s())
        self._submit_all(heard)
        self._look_for_room()

    def broke(self) -> None:
        """Take note that a round has failed on this call's audio."""
        self.broken = True

    def _look_for_room(self) -> None:
        behind = any(leg.waiting >= MOST_WAITING for leg in self.call.legs)
        self.has_room = not (self.broken or behind or self._owed >= UNJUDGED)

    def _tell_of(self, heard: Heard) -> Tell | None:
        """Return who is told of an utterance: the stream that carries its leg now."""
        leg = self.call.legs[heard.channel]
        return next((tell for part, tell in self._tells.items() if leg in part.legs), None)

    def _submit_all(self, everything_heard: Iterable[Heard | Fault]) -> Fault | None:
        """Have utterances judged, whether or not there is room: whoever brings more is made to wait.

        Returns
        -------
        Fault or None
            What was among them; what was heard before it counts.
        """
        fault: Fault | None = None
        for heard in everything_heard:
            if isinstance(heard, Fault):
                fault = fault or heard
            elif heard.cut is None and self._its.shedding.level:
                self._its.metrics.shed.labels("partial").inc()
            else:
                self._judge(heard, self._tell_of(heard))
        return fault

    async def _until_room(self) -> None:
        """Wait, and so slow the peer down, while too many are unjudged."""
        while self._owed >= UNJUDGED:
            self._concluded.clear()
            await self._concluded.wait()

    async def receive(self, event: WireEvent, part: Part) -> Fault | None:
        """Hand an event to the call and what it heard to the model; waits while too much of the call is behind.

        Returns
        -------
        Fault or None
            Why this stream cannot go on.
        """
        if self.broken:
            return OUR_FAULT
        for piece in _slices(event):
            began_s = self._its.monotonic_s()
            everything_heard = self.call.receive(piece, began_s, part)
            now_s = self._its.monotonic_s()
            self.tally.worked(now_s - began_s, now_s)
            fault = self._submit_all(everything_heard)
            if fault is not None:
                return fault
            if isinstance(piece, Audio):  # an objection must not wait for what it takes back
                await self._until_room()
            self._look_for_room()
            if piece is not event:
                await asyncio.sleep(0)
        await self.tell_state()
        if isinstance(event, Withdraw):
            self._log.info("analysis withdrawn; what was pending of this call is removed")
            self._trace.note("withdrawn", self._its.wall_s())
            for judged in tuple(self._unjudged):
                judged.cancel()
            await self._its.bus.forget(self.call.identity.call, self.session_id)
            await self._restore_other()
        return None

    async def leave(self, part: Part, reason: str) -> None:
        """End a stream; returns when all that was heard on it has been handed over.

        Whoever has left must call `outlast`, whatever happened: the call is over only then.
        """
        self._reason = reason
        handed_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            tell = self._tells.pop(part, None)
            for heard in self.call.leave(part):
                self._judge(heard, tell)
            self._judging.put_nowait(handed_over)
        finally:
            # Nothing has been awaited since the part left: nobody else can have been the last meanwhile.
            if not self.call.parts:
                self._last_out, self._left_s = part, self._its.monotonic_s()
        # Where everything is being cancelled, who concludes may be gone already.
        await asyncio.wait({handed_over, self._concluding}, return_when=asyncio.FIRST_COMPLETED)

    async def outlast(self, part: Part) -> None:
        """For one that has left: where it was the last, stay until a part joins or the call is over."""
        if self._last_out is not part:
            return
        joined = self._joined = asyncio.Event()
        try:
            if self.is_of_parts and not self._its.admission.draining and not _is_cancelled():
                await self._grace(joined)
        finally:
            if not joined.is_set():
                await self._end()

    async def _grace(self, joined: asyncio.Event) -> None:
        """Return when a part has joined, when it has had its time for that, or when the server drains."""
        its = self._its
        left_s = max(0.0, its.settings.audio.join_grace_s - (its.monotonic_s() - self._left_s))
        self._log.info("no part carries the call; waiting for one to come back", for_s=round(left_s, 1))
        waiting = [
            asyncio.create_task(joined.wait(), name=f"grace {self.session_id}"),
            asyncio.create_task(its.admission.wait_draining(), name=f"no grace {self.session_id}"),
        ]
        try:
            await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _end(self) -> None:
        """Hand over the summary behind all that is still being judged, and make room for the next call."""
        its = self._its
        its.conversations.remove(self)  # from here on nobody joins
        try:
            self._judging.put_nowait(None)
            await self._concluding
            await self._account()
            await self._restore_other()
        finally:
            self._slot.release()
            dialect = self.call.identity.call.dialect
            its.metrics.calls_active.labels(dialect).dec()
            its.metrics.calls.labels(dialect, self._reason).inc()
            self._trace.end(self._reason, self.call.utterances, its.wall_s())

    async def _restore_other(self) -> None:
        """Say the state of another call of this id again, from whose topic this one's has just been cleared."""
        other = self._its.conversations.other(self)
        if other is not None:
            other.call.revision += 1
            await other.tell_state()

    def _judge(self, heard: Heard, tell: Tell | None) -> None:
        if self.call.withdrawn:
            return
        self._owed += 1
        self.has_room = self.has_room and self._owed < UNJUDGED
        judged = self._its.batcher.submit(heard.features, heard.caller, final=heard.cut is not None)
        self._unjudged.add(judged)
        judged.add_done_callback(self._unjudged.discard)
        is_final = heard.cut is not None
        ended_s = self.tally.ended_s(heard, self._its.monotonic_s())
        work_s = self.tally.take_work_s() if is_final else 0.0
        self._judging.put_nowait(_Unjudged(heard, judged, tell, ended_s, work_s))

    async def _conclude(self) -> None:
        """Turn verdicts into events, in the order of the call."""
        while await self._conclude_next():
            pass

    async def _conclude_next(self) -> bool:
        """Turn the next verdict into an event, and keep nothing of it; False once there will be no more."""
        item = await self._judging.get()
        if isinstance(item, asyncio.Future):
            item.set_result(None)
        elif item is not None:
            heard = item.heard
            try:
                await self._conclude_one(item, await item.judged)
            except asyncio.CancelledError:
                # After an objection it is the verdict that was cancelled, not this task.
                if _is_cancelled() or not item.judged.cancelled():
                    raise
            except ModelError as problem:
                self._its.metrics.model_failures.inc()
                self._trace_utterance(item, None)
                self._log.error("utterance not judged", n=heard.n, role=heard.role, problem=str(problem))
            except Exception:  # noqa: BLE001 - logged whole by a bound logger, which ruff does not know as one
                # Were this task to end here, the call would wait for it for ever.
                self._its.metrics.events_lost.inc()
                self._log.exception("event lost: a defect of ours", n=heard.n, role=heard.role)
            finally:
                self._owed -= 1
                self._look_for_room()
                self._concluded.set()
        return item is not None

    async def _conclude_one(self, item: _Unjudged, judged: Judged) -> None:
        event = self.call.conclude(item.heard, judged, self._its.wall_s())
        if event is None:
            return
        if isinstance(event, PartialEvent):
            self._its.bus.partial(event, self.session_id)
        else:
            await self._deliver(event, item, judged)
        if item.tell is not None and not self.call.withdrawn:
            await item.tell(encode(event))

    async def _deliver(self, event: UtteranceEvent, item: _Unjudged, judged: Judged) -> None:
        judged_s = self._its.monotonic_s()
        try:
            await self._its.bus.utterance(event, self.session_id)
        except OutboxError as problem:
            # The call goes on: its next events may find the disk well again. What is lost is said.
            self._its.metrics.events_lost.inc()
            self._log.error("event lost: the outbox does not take it", event_id=event.id, problem=str(problem))
        if self.call.withdrawn:
            return  # meanwhile: it has been removed again, and is not spoken of
        now_s = self._its.monotonic_s()
        self.tally.delivered(event, judged, ended_s=item.ended_s, work_s=item.work_s, judged_s=judged_s, now_s=now_s)
        self._trace_utterance(item, judged)
        heard = item.heard
        self._log.debug("utterance", n=heard.n, role=heard.role, start_ms=heard.start_ms, end_ms=heard.end_ms)

    def _trace_utterance(self, item: _Unjudged, judged: Judged | None) -> None:
        took_s = self._its.monotonic_s() - item.ended_s
        self._trace.utterance(item.heard, judged, took_s=took_s, at_s=self._its.wall_s())

    async def _account(self) -> None:
        """Publish the summary and clear the state; after an objection only the latter, which happened then."""
        its, call = self._its, self.call
        self.tally.finish()
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
            stalls=self._stalls,
            **{f"{leg.role}_{name}": value for leg in call.legs for name, value in _losses(leg).items()},
        )


class _Unjudged(msgspec.Struct, frozen=True, eq=False):
    """An utterance on its way through the model."""

    heard: Heard
    judged: asyncio.Future[Judged]
    tell: Tell | None
    ended_s: float
    """When its speech ended, monotonic."""
    work_s: float
    """Time spent on the audio since the utterance before."""


def _is_cancelled() -> bool:
    """Whether the present task has been told to end, and does what must be done before."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _key(call: CallRef) -> tuple[str, str]:
    return call.tenant, call.id


def _slices(event: WireEvent) -> list[WireEvent]:
    """Cut audio without a place on the clock into pieces that are quickly worked through."""
    if not isinstance(event, Audio) or len(event.payload) <= SLICE_BYTES or event.media_ms is not None:
        return [event]
    return [
        Audio(channel=event.channel, payload=event.payload[begin : begin + SLICE_BYTES])
        for begin in range(0, len(event.payload), SLICE_BYTES)
    ]


def _losses(leg: Leg) -> dict[str, float]:
    """Return what of a leg's audio was missing or out of place, where anything was."""
    counters = msgspec.to_builtins(leg.timeline.counters)
    return {name: value for name, value in counters.items() if value}
