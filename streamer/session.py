"""One stream: between a peer that speaks a dialect and the call that it carries, alone or with other streams.

Owns the order of what is said to the peer: the answer to its start, the events of what is heard on it, the last word,
and who closes. What becomes of the audio is `conversation`'s business. A message that is nothing but audio, as nearly
all are, is taken in passing (`overhear`), without waking the task that serves the stream. It knows no socket: the peer
is an interface of a few verbs, so a test can be one. This file must never let a peer that does not read hold up the
bus, nor let a defect of a dialect go further than its stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar, runtime_checkable

import structlog
from streamer_client.events import CallRef
from structlog.contextvars import bind_contextvars

from streamer.auth import Pass
from streamer.bus.topics import call_id, pseudonymise
from streamer.call import Call, Identity
from streamer.conversation import MOST_PARTS, OUR_FAULT, Conversation, Services
from streamer.load.liveness import Liveness
from streamer.load.pacing import TURN
from streamer.load.refusals import DRAINING, FULL, OF_THE_NODE, why_refused
from streamer.observing.loggable import loggable
from streamer.part import Part
from streamer.rounds import HandOver, Wake
from streamer.wire.events import (
    BAD_TOKEN,
    Audio,
    Dialect,
    Fault,
    Flowing,
    Message,
    Reply,
    Start,
    Stop,
    WireEvent,
)
from streamer.wire.pieces import joined

__all__ = ["DRAINING", "FULL", "PARTING_S", "Peer", "Services", "Session", "understood"]

SEND_TIMEOUT_S = 5.0
"""A peer that takes longer to read an event gets no more of them; the bus has them all."""
FLOW_BYTES = 65_536
"""Of messages that are taken together, or one that is taken in passing: some seconds of audio. More of them are looked
at one by one, with a look at the room between them; a larger one is the reader's, who has it worked on in slices."""
PARTING_S = 5.0
"""How long a platform that wants to close the stream itself may take for it."""

CROWDED = Fault("too_many_parts", f"{MOST_PARTS} streams carry this call already; open one for each party")

_T = TypeVar("_T")

log = structlog.get_logger()


def understood(dialect: Dialect, message: Message, told: Any = log) -> list[WireEvent]:  # noqa: ANN401 - a bound logger
    """Return what a message means; a defect of the dialect in reading it ends the stream.

    Parameters
    ----------
    dialect, message
        Who reads what.
    told
        The log of the stream, where there is one that knows more than the dialect.
    """
    try:
        return dialect.receive(message)
    except Exception:  # noqa: BLE001 - logged whole by a bound logger, which ruff does not know as one
        return _defect(dialect, told)


def _defect(dialect: Dialect, told: Any) -> list[WireEvent]:  # noqa: ANN401 - as above
    told.exception("a defect of ours in reading a message", dialect=dialect.name)
    return [OUR_FAULT]


class Peer(Protocol):
    """Who is at the other end of the stream."""

    def messages(self) -> AsyncIterator[Message]:
        """Iterate over what the peer sends until the stream is closed, in whichever way."""
        ...

    async def send(self, message: Message) -> None:
        """Send a message; quietly nothing once the stream is closed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close the stream; a second time changes nothing."""
        ...

    def settle(self) -> None:
        """Take note that the stream carries a call now: it is not cut off to make room for others."""
        ...


class Ear(Protocol):
    """Takes messages that need no answer and no waiting."""

    def expect(self, hand_over: HandOver) -> int:
        """Take note that messages are held, and call `hand_over` in so many rounds; 0: do not hold them."""
        ...

    def remind(self, wake: Wake) -> None:
        """Call `wake` a round before that."""
        ...

    def overhear(self, messages: Sequence[Message]) -> int:
        """Take messages, from the first, as far as that can be done at once; return how many were taken."""
        ...


@runtime_checkable
class Overheard(Protocol):
    """A peer whose messages can be taken as they come, where its transport is in this process."""

    def show(self, ear: Ear | None) -> None:
        """Show messages to `ear`, if any, but only while `messages` is waited for and has nothing to hand out.

        They may be held for as long as `ear` takes to fetch them. One that is taken is done with; one that is not is
        handed out next, and all that came behind it after it.
        """
        ...


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
        self._flowing = dialect if isinstance(dialect, Flowing) else None
        self._admitted = admitted
        self._its = services
        self.session_id = services.new_session_id()
        """That of the call, as soon as the stream has joined one."""
        self.call: Call | None = None
        self.opened_s = services.monotonic_s()
        self.heard_s = self.opened_s
        """Monotonic time of the last audio, announced gap or pause, or of the opening."""
        self._stalled_from_s: float | None = None
        """When the last audio came before it stopped coming; None while it comes."""
        self._expired = False
        """The end has begun, from our side or the peer's."""
        self._conversation: Conversation | None = None
        self._part: Part | None = None
        self._reason = "disconnected"
        self._stopped = False
        """The peer has said that it is done and waits for our `ended`."""
        self._last_word: Fault | None = None
        self._said_last_word = False
        self._read = asyncio.Event()
        """Set once nothing more is read that could belong to the call."""
        self._peer_reads = True
        self._liveness = Liveness()
        self._piece_ms = 0.0
        """How much audio the last message brought, as the next one will."""
        self._ahead: list[WireEvent] | None = None
        """What the message means that is handed out next, where it has been read in passing."""
        self._log = log.bind(session=self.session_id, dialect=dialect.name, tenant=admitted.tenant)

    async def run(self) -> None:
        """Serve the stream until either side ends it; a part that leaves last also until its call is over."""
        # What others log in this task, dialects and libraries, has its names too. One stream has one task.
        bind_contextvars(session=self.session_id, dialect=self._dialect.name, tenant=self._admitted.tenant)
        try:
            await self._listen()
        except Exception:
            self._reason, self._last_word = "error", OUR_FAULT
            raise
        finally:
            self._read.set()
            try:
                await self._finish()
            finally:
                # A way back to itself would keep the call's audio until the collector of cycles comes round.
                if isinstance(self._peer, Overheard):
                    self._peer.show(None)
                self._conversation = self._part = None

    async def expire(self, reason: str, fault: Fault) -> None:
        """End the stream from our side: idle, draining. Does nothing to one that is at its end already.

        Where closing is the peer's business it may do so now; until then it is answered, and its audio is dropped.
        """
        if self._expired:
            return
        self._expired = True
        self._reason, self._last_word, self._said_last_word = reason, fault, True
        self._its.metrics.protocol_faults.labels(fault.code).inc()
        self._log.warning("stream ended by the server", code=fault.code, message=loggable(fault.message))
        for message in self._asked(self._dialect.fault, fault):
            await self._send(message)
        if self._dialect.peer_closes:
            with suppress(TimeoutError):
                async with asyncio.timeout(PARTING_S):
                    await self._read.wait()
                return  # whoever ended the reading closes
        await self._peer.close(fault.close_code, fault.code)

    @property
    def is_ending(self) -> bool:
        """Whether its end has begun, from either side."""
        return self._expired

    @property
    def paused(self) -> bool:
        """Whether this stream has said that it sends nothing for a while; others of its call may go on."""
        return self._part is not None and self._part.paused

    @property
    def stalled(self) -> bool:
        """Whether no audio comes just now, though it should."""
        return self._stalled_from_s is not None and not (self.paused or self._expired)

    def notice_stall(self, now_s: float, after_s: float) -> None:
        """Say when the audio of a call stops coming, and when it comes again."""
        if self._conversation is None or self.paused or self._expired:
            return
        silent_s = now_s - self.heard_s
        if silent_s > after_s and self._stalled_from_s is None:
            self._stalled_from_s = self.heard_s
            self._its.metrics.stalls.inc()
            self._conversation.note_stall(started=True)
            self._log.warning("stall started: no audio comes", for_s=round(silent_s, 1))
        elif silent_s <= after_s and self._stalled_from_s is not None:
            lasted_s = self.heard_s - self._stalled_from_s
            self._stalled_from_s = None
            self._conversation.note_stall(started=False)
            self._log.info("stall recovered", lasted_s=round(lasted_s, 1))

    async def _listen(self) -> None:
        if isinstance(self._peer, Overheard):
            self._peer.show(self)
        async for message in self._peer.messages():
            events, self._ahead = self._ahead, None
            if events is None:
                events = understood(self._dialect, message, self._log)
            flaw = self._liveness.flaw(message, events, self._its.monotonic_s())
            if flaw is not None and not self._expired:
                self._fail(flaw)
                return
            if not await self._take(events):
                return
        if not self._expired:  # else it was we who closed
            await self._take(self._asked(self._dialect.closed))

    def expect(self, hand_over: HandOver) -> int:
        """Have what is held of the stream fetched in the round in which it is due, if the call has room for it."""
        conversation, part = self._conversation, self._part
        if conversation is None or part is None or self._expired or not conversation.has_room:
            return 0
        rounds = self._its.rounds.add(conversation, hand_over, self._piece_ms)
        # A recording that is sent faster than it was spoken is not to be read more slowly.
        return max(1, rounds) if part.start.speed == 1.0 else 1

    def remind(self, wake: Wake) -> None:
        """Have the stream read again a round before."""
        if self._conversation is not None:
            self._its.rounds.remind(self._conversation, wake)

    def overhear(self, messages: Sequence[Message]) -> int:
        """Take messages that are audio of a call that has room for it; of the first other, remember what it means.

        What it means is for `_listen`, which reads that message next.
        """
        conversation, part = self._conversation, self._part
        if conversation is None or part is None or self._expired:
            return 0
        if conversation.has_room and self._flowing is not None and sum(map(len, messages)) <= FLOW_BYTES:
            audio = self._flow(self._flowing, messages)
            if audio is not None:
                start = part.start
                audio = joined(audio, start.rate_hz * start.encoding.bytes_per_sample)
                return len(messages) if self._hear(audio, conversation, part) else 0
        for taken, message in enumerate(messages):
            fits = conversation.has_room and len(message) <= FLOW_BYTES
            if not (fits and self._overheard(message, conversation, part)):
                return taken
        return len(messages)

    def _flow(self, dialect: Flowing, messages: Sequence[Message]) -> list[Audio] | None:
        """Return what messages mean, where all of them are the next audio; their dialect has taken them then."""
        try:
            return dialect.flow(messages)
        except Exception:  # noqa: BLE001 - as in `understood`; whose message it is will be seen one by one
            self._log.exception("a defect of ours in reading messages together; from here on one by one")
            self._flowing = None
            return None

    def _overheard(self, message: Message, conversation: Conversation, part: Part) -> bool:
        """Take a message if it is audio; else remember what it means."""
        try:
            events = self._dialect.receive(message)
        except Exception:  # noqa: BLE001 - as in `understood`
            events = _defect(self._dialect, self._log)
        audio = [event for event in events if isinstance(event, Audio)]
        if len(audio) == len(events) and (events or isinstance(message, bytes)):  # words without audio are counted
            return self._hear(audio, conversation, part)
        self._ahead = events
        return False

    def _hear(self, audio: Iterable[Audio], conversation: Conversation, part: Part) -> bool:
        """Take audio; False where this stream cannot go on."""
        now_s = self._its.monotonic_s()
        for piece in audio:
            if self._liveness.is_sign(piece, part.start):
                self.heard_s = now_s
            self._piece_ms = self._liveness.piece_ms / piece.pieces
            fault = conversation.overhear(piece, part, now_s)
            if fault is not None:
                self._ahead = [fault]
                return False
        return True

    async def _take(self, events: list[WireEvent]) -> bool:
        """Work through what a message meant; False once the stream is at its end."""
        for count, event in enumerate(events, 1):
            if count % TURN == 0:
                await asyncio.sleep(0)  # one read of a TCP stream may hold thousands
            match event:
                case Reply():
                    await self._send(event.message)
                    ended = False
                case Stop():
                    self._reason = self._reason if self._expired else "stop"
                    self._stopped, ended = True, True
                case _ if self._expired:
                    ended = False  # our last word is said; only the peer's is waited for
                case Start():
                    ended = await self._begin(event)
                case Fault():
                    self._fail(event)
                    ended = True
                case _:
                    ended = not await self._feed(event)
            if ended:
                return False
        return True

    async def _begin(self, start: Start) -> bool:
        """Let the stream join its call, or admit a new one; True if the stream must end instead."""
        its = self._its
        self._tell_token(right=True)
        ref = self._named(start)
        bind_contextvars(call=ref.id)
        conversation = its.conversations.to_join(ref) if start.is_part else None
        if conversation is not None:
            part = conversation.join(start, ref.labels)
            if part is None:
                self._fail(CROWDED)
                return True
        else:
            slot = its.admission.acquire(self._admitted.key_id, self._admitted.tenant)
            if slot is None:
                fault = why_refused(its.admission, self._admitted)
                if fault.code == "overloaded":
                    its.metrics.shed.labels("call").inc()
                self._fail(fault)
                return True
            identity = Identity(call=ref, session_id=self.session_id, source=f"/nodes/{its.settings.node}")
            conversation = Conversation(start, identity, slot, its)
            part = conversation.call.first
        if start.wants_events:
            conversation.tell_of(part, self._hand_over)
        self._conversation, self._part, self.call = conversation, part, conversation.call
        self._peer.settle()
        self.session_id = conversation.session_id
        self._log = self._log.bind(session=self.session_id, call=ref.id)
        bind_contextvars(session=self.session_id)
        # Before the disk is asked: some platforms give up on a call whose answer takes long.
        for message in self._asked(self._dialect.ready, self.session_id, self.call.analysed):
            await self._send(message)
        await conversation.tell_state()
        return False

    def _named(self, start: Start) -> CallRef:
        """Return what the call may be called on the bus."""
        salt = self._its.bus.salt(self._admitted.tenant)
        return CallRef(
            id=call_id(start.call_id, salt),
            tenant=self._admitted.tenant,
            dialect=self._dialect.name,
            labels={pseudonymise(name, salt): pseudonymise(value, salt) for name, value in start.labels.items()},
        )

    async def _feed(self, event: WireEvent) -> bool:
        """Hand an event to the call; False if the stream cannot go on."""
        if self._conversation is None or self._part is None:
            # A dialect never lets this happen; a broken one must not look like silence.
            self._fail(Fault("not_started", f"got {type(event).__name__.lower()} before the call was started"))
            return False
        if self._liveness.is_sign(event, self._part.start):
            self.heard_s = self._its.monotonic_s()
        fault = await self._conversation.receive(event, self._part)
        if fault is not None:
            self._fail(fault)
        return fault is None

    def _tell_token(self, *, right: bool) -> None:
        """Tell who let the stream in on trust what became of its secret."""
        if self._admitted.on_trust is not None:
            self._admitted.on_trust(right, self._its.monotonic_s())

    def _fail(self, fault: Fault) -> None:
        self._reason = "error" if fault.code not in OF_THE_NODE else fault.code
        self._last_word = fault
        self._its.metrics.protocol_faults.labels(fault.code).inc()
        if fault.code == BAD_TOKEN:
            self._its.metrics.auth_failures.labels("token").inc()
            self._tell_token(right=False)
        self._log.warning("stream refused", code=fault.code, message=loggable(fault.message))

    async def _finish(self) -> None:
        """Judge what is left, say goodbye, and see the call to its end if this stream was its last.

        A stream that is the whole call is told `ended` when the summary is handed over. A part is told before, for its
        call may go on without it.
        """
        self._expired = True
        if self._dialect.unknown_events:
            self._log.info("messages of unknown kinds were passed over", count=self._dialect.unknown_events)
        conversation, part = self._conversation, self._part
        if conversation is None or part is None:
            await self._say_goodbye()
            return
        closing = (1011, OUR_FAULT.message)
        try:
            try:
                await conversation.leave(part, self._reason)
            finally:
                if not part.start.is_part:
                    await conversation.outlast(part)
            await self._say_goodbye()
            closing = (1000, "")
        finally:
            if part.start.is_part:
                try:
                    await self._peer.close(*closing)  # not only when the call is over
                finally:
                    await conversation.outlast(part)

    async def _say_goodbye(self) -> None:
        fault = self._last_word
        if self._stopped:
            for message in self._asked(self._dialect.ended, self.call.utterances if self.call else 0):
                await self._send(message)
        elif fault is not None and not self._said_last_word:
            for message in self._asked(self._dialect.fault, fault):
                await self._send(message)
        if fault is not None:
            await self._close(fault.close_code, fault.code)
        elif self._stopped:
            await self._close(1000, "")

    async def _close(self, code: int, reason: str) -> None:
        """Close the stream; where closing is the peer's business, once it has, or has had its time."""
        if self._dialect.peer_closes:
            with suppress(TimeoutError):
                async with asyncio.timeout(PARTING_S):
                    async for message in self._peer.messages():
                        for event in understood(self._dialect, message, self._log):
                            if isinstance(event, Reply):
                                await self._send(event.message)
        await self._peer.close(code, reason)

    def _asked(self, verb: Callable[..., list[_T]], *given: Any) -> list[_T]:  # noqa: ANN401 - of several verbs
        """Return what the dialect answers; nothing where a defect keeps it from that."""
        try:
            return verb(*given)
        except Exception:  # noqa: BLE001 - as in `understood`
            self._log.exception("a defect of ours in what a dialect has to say")
            return []

    async def _hand_over(self, event: bytes) -> None:
        """Tell the peer an event of what was heard on this stream."""
        for message in self._asked(self._dialect.event, event):
            await self._send(message)

    async def _send(self, message: Message) -> None:
        if not self._peer_reads:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._peer.send(message)
        except TimeoutError:
            self._peer_reads = False
            self._log.warning("peer does not read; it gets no more messages, the bus has every event")
