"""One recording to the events of its call: through the dialect, the call, the batcher and the model that serve.

The recording is streamed natively, as a client would, in large pieces: any cutting gives the same utterances, frames
and verdicts. Nothing in the result depends on when, where, how fast or beside which others it was made, so that a
second analysis gives the same bytes. This file must never open a socket, and never judge by any other way than a live
call does.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Final

import msgspec
from streamer_client.dialects import native
from streamer_client.errors import ClientError
from streamer_client.events import CallRef, EndedEvent, UtteranceEvent
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import Row
from streamer_client.recordings.names import content_key
from streamer_client.replay import roles_of

from streamer.archive.levels import Levels
from streamer.archive.ways import Ways
from streamer.bus.topics import call_id, pseudonymise
from streamer.call import Call, Identity
from streamer.config import Settings
from streamer.emotion.batcher import Batcher, Judged
from streamer.emotion.model import EmotionModel, ModelError
from streamer.heard import Heard
from streamer.wire.events import Fault, Start
from streamer.wire.native import Native

TENANT: Final = "default"
DIALECT: Final = "recording"
SOURCE: Final = "/archive"
"""CloudEvents source: the same on every machine."""
BLOCK_MS: Final = 10_000
"""Large pieces cost less; what they may not do is hold an hour of audio."""
_UNJUDGED: Final = 64


class Job(msgspec.Struct, frozen=True):
    """One recording to be analysed."""

    source: Source
    name: str
    """Id of its call, without telephone numbers unless the table says one."""
    row: Row


class Analysed(msgspec.Struct, frozen=True):
    """What an analysis gives."""

    session_id: str
    """Follows from the recording and from what decides its verdicts."""
    started_s: float | None
    """When the call began, seconds since 1970; None where nobody said."""
    notice: bool
    utterances: tuple[UtteranceEvent, ...]
    ended: EndedEvent
    levels: tuple[bytes, ...]
    """See `Levels.finish`."""
    not_judged: int = 0
    """Utterances on which the model failed."""


class NotAnalysedError(Exception):
    """A recording that cannot be analysed; the message says which and why. Others can."""


class Analyst:
    """The model and what it is asked; for any number of recordings, one after the other.

    Parameters
    ----------
    settings
        The configuration; partial verdicts are left out, for nobody waits for them.
    model
        What judges.
    ways
        What decides verdicts, of the same settings and model.
    salt
        Secret of the tenant's pseudonyms; None where there is none, and each recording's content serves.
    """

    def __init__(self, settings: Settings, model: EmotionModel, ways: Ways, salt: bytes | None) -> None:
        emotion = msgspec.structs.replace(settings.emotion, partial_every_ms=0)
        self._settings = msgspec.structs.replace(settings, emotion=emotion)
        self._model = model
        self._ways = ways
        self._salt = salt

    def analyse(self, job: Job) -> Analysed:
        """Return the events of a recording.

        Raises
        ------
        NotAnalysedError
            It cannot be read, or cannot be such a call.
        """
        try:
            return asyncio.run(self._analyse(job))
        except ClientError as problem:
            raise NotAnalysedError(str(problem)) from problem
        except OSError as problem:
            reason = (problem.strerror or str(problem)).lower()
            raise NotAnalysedError(f"cannot read {job.source.path}: {reason}") from problem

    async def _analyse(self, job: Job) -> Analysed:
        recording = job.source.open()
        content = content_key(job.source.paths)
        dialect = Native()
        first = native.start(
            call_id=job.name,
            roles=roles_of(recording, job.row.roles or self._ways.roles or job.source.roles),
            rate_hz=recording.wire_rate_hz,
            labels=job.row.labels,
            notice=self._ways.notice if job.row.notice is None else job.row.notice,
            speed=None,
        )
        (start,) = dialect.receive(first)
        if not isinstance(start, Start):
            raise NotAnalysedError(f"{job.source.path}: {start.message if isinstance(start, Fault) else start}")
        began_s = job.row.started_s or 0.0
        salt = self._salt or content
        identity = Identity(
            call=CallRef(
                id=call_id(start.call_id, salt),
                tenant=TENANT,
                dialect=DIALECT,
                labels={pseudonymise(name, salt): pseudonymise(text, salt) for name, text in start.labels.items()},
            ),
            session_id=self._session(job, start, content),
            source=SOURCE,
        )
        call = Call(start, identity, settings=self._settings, model=self._model, now_s=began_s)
        levels = Levels(start.rate_hz, len(start.roles))
        batcher = Batcher(self._model, clock=lambda: 0.0)  # what it took is no property of the recording
        judging = _Judging(call, batcher)
        try:
            for block in recording.blocks(BLOCK_MS, start.rate_hz):
                levels.feed(block.samples)
                for event in dialect.receive(native.audio(block.samples, native.Encoding.PCM_S16LE)):
                    for heard in call.receive(event, 0.0):
                        await judging.take(heard)
            for heard in call.finish():
                await judging.take(heard)
            await judging.finish()
        finally:
            await batcher.close()
        ended_s = began_s + max(leg.position_ms for leg in call.legs) / 1000
        return Analysed(
            session_id=identity.session_id,
            started_s=job.row.started_s,
            notice=call.notice,
            utterances=tuple(judging.utterances),
            ended=call.summary("stop", ended_s),
            levels=levels.finish(),
            not_judged=judging.failed,
        )

    def _session(self, job: Job, start: Start, content: bytes) -> str:
        """Return a name that is the same whenever this recording is analysed in these ways under this name."""
        about = (job.name, content.hex(), start.roles, start.notice, job.row.started_s, self._ways.digest)
        return hashlib.sha256(msgspec.json.encode(about)).hexdigest()[:32]


class _Judging:
    """Utterances of one call on their way through the model, in order, not too many at once."""

    def __init__(self, call: Call, batcher: Batcher) -> None:
        self.utterances: list[UtteranceEvent] = []
        self.failed = 0
        self._call = call
        self._batcher = batcher
        self._waiting: list[tuple[Heard, asyncio.Future[Judged]]] = []

    async def take(self, heard: Heard | Fault) -> None:
        """Hand an utterance over; waits while many are with the model."""
        if isinstance(heard, Fault):
            raise NotAnalysedError(heard.message)
        self._waiting.append((heard, self._batcher.submit(heard.features, heard.caller, final=True)))
        if len(self._waiting) >= _UNJUDGED:
            await self.finish()

    async def finish(self) -> None:
        """Make the events of all that was handed over."""
        for heard, verdict in self._waiting:
            try:
                judged = await verdict
            except ModelError:
                self.failed += 1  # said in the report and on the screen
                continue
            event = self._call.conclude(heard, judged, float("inf"))
            if isinstance(event, UtteranceEvent):
                self.utterances.append(event)
        self._waiting.clear()


def tenant_salt(secret: str) -> bytes:
    """Return the secret of the tenant's pseudonyms as the server makes it from the content of `privacy.salt_file`."""
    return hmac.digest(secret.encode(), TENANT.encode(), hashlib.sha256)
