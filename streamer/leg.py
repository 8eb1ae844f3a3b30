"""One party's audio, from encoded bytes on some clock to utterances ready to be judged.

The order of the stages is the order of this file: place on the media clock, resample to 8 kHz, turn into mu-law codes,
cut into 20 ms frames, ask the VAD, segment, and, for a party that is analysed, roll the model's features over the
speech. They go out together with the caller's own statistics, which the model reads and the batcher keeps; here they
are only made and let go. Pure: no socket, no clock, no file. For a party that is not analysed no feature is ever
computed; its speech serves turn-taking and the lawful summary only.

Everything passes G.711 mu-law once on its way in. The models are trained in telephone band, and this puts every source
on the same footing: the same call gives the same utterances and verdicts whether the platform hands it over as mu-law
or as linear samples. It is also what makes a leg cheap: a sample is one byte from here on, a mu-law platform's audio is
not touched at all, and whatever is asked of it stands in a table of 256 entries.

Taking audio and working on it are two steps, `take` and `work`, so that a server can work on what many legs have taken
in one go (`streamer.rounds`). `receive` does both. However the two are interleaved, the frames are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from streamer_client.events import Quality

from streamer.audio import g711
from streamer.audio.frames import FRAME, FRAME_MS, RATE_HZ, Frames
from streamer.audio.lookback import Lookback, Lost
from streamer.audio.resample import StreamingResampler
from streamer.audio.timeline import Hole, Run, Timeline
from streamer.config import ConfigError, SpeechSettings
from streamer.emotion.model import EmotionModel
from streamer.features import FrontEnd, RunningNormaliser
from streamer.heard import Heard, Numbers
from streamer.speech.activity import Activity
from streamer.speech.segmenter import Closed, Opened, Segment, Segmenter
from streamer.speech.vad import make_vad
from streamer.wire.events import Audio, Encoding, Role
from streamer.wire.pieces import apart

__all__ = ["RATE_HZ", "Leg", "prove", "warm_up"]

_FRAME_S = FRAME_MS / 1000
_ROLLED_AT_ONCE = 64 * 80
"""Samples of an open utterance that go to its features together: fewer calls, the same rows."""


def prove(speech: SpeechSettings) -> None:
    """Refuse settings of speech that contradict each other, before the first call does.

    Raises
    ------
    ConfigError
        The message names the key.
    """
    try:
        make_vad(speech.vad, speech.aggressiveness, speech.squelch_dbfs)
        _segmenter(speech)
    except ValueError as problem:
        raise ConfigError(f"speech: {problem}") from problem


def _segmenter(speech: SpeechSettings) -> Segmenter:
    return Segmenter(
        hangover_s=speech.hangover_ms / 1000,
        pre_roll_s=speech.pre_roll_ms / 1000,
        min_speech_s=speech.min_speech_ms / 1000,
        max_utterance_s=speech.max_utterance_ms / 1000,
    )


def warm_up(model: EmotionModel) -> None:
    """Load and build, before the first call, what is loaded and built on first use: filter bank, kernels, libraries."""
    features = model.new_features()
    features.push(np.zeros(RATE_HZ, np.float32))
    model.judge(features.features(), model.new_normaliser())


class _Open:
    """What is gathered of the utterance that is going on."""

    def __init__(self, start: int, features: FrontEnd) -> None:
        self.start = start
        """Sample on the leg's 8 kHz clock."""
        self.features = features
        self.rolled = start
        """Up to where the features have it."""
        self.speech_ms = 0
        self.next_partial = 0
        """Samples at which the next partial verdict is due."""


class Leg:
    """One channel of a call.

    Parameters
    ----------
    role, channel
        Who is heard, and on which channel of the call: that of its stream, where one stream carries it all.
    encoding, rate_hz
        How samples come in.
    speech
        How utterances are cut.
    model
        What judges them; None for a party that is not analysed, or not yet.
    partial_every_ms
        Media time between partial verdicts inside an utterance; 0 = none.
    numbers
        Shared by the legs of one role; its own where not given.
    """

    def __init__(
        self,
        role: Role,
        channel: int,
        *,
        encoding: Encoding,
        rate_hz: int,
        speech: SpeechSettings,
        model: EmotionModel | None,
        partial_every_ms: int = 0,
        numbers: Numbers | None = None,
    ) -> None:
        self.role = role
        self.channel = channel
        self.format = (encoding, rate_hz)
        self.utterances = 0
        """Utterances so far."""
        self._numbers = numbers or Numbers()
        self._to_mulaw = _TO_MULAW.get(encoding) if rate_hz == RATE_HZ else None
        """Of audio that comes in codes at 8 kHz; None where it must become linear samples first."""
        self._decode = _DECODERS[encoding]
        self.timeline = Timeline(rate_hz) if self._to_mulaw is None else Timeline(rate_hz, silence=_mulaw_silence)
        self.activity = Activity()
        self._rate_hz = rate_hz
        self._resampler = StreamingResampler(rate_hz, RATE_HZ)
        self._vad = make_vad(speech.vad, speech.aggressiveness, speech.squelch_dbfs)
        self._segmenter = _segmenter(speech)
        self._model = model
        self._caller: RunningNormaliser | None = model.new_normaliser() if model else None
        self.activity.remembers = model is not None
        self._partial_every = RATE_HZ * partial_every_ms // 1000
        self._spoken: list[tuple[float, float]] = []
        self._spoken_from: int | None = None
        """Where speech began that was not told yet and may go on."""
        self._taken = bytearray()
        """Codes that are not worked on yet; after `work`, less than a frame."""
        self._position = 0
        """Sample on the 8 kHz clock where the next frame begins."""
        self._reach = round(self._segmenter.lookback_s * RATE_HZ) + 2 * FRAME
        """How far an utterance that opens may reach back, in samples."""
        self._kept = Lookback()
        """What an utterance may still reach back to, or its features have not got; of who is analysed."""
        self._lost = Lost()
        self._open: _Open | None = None
        self.missed_ms = 0.0
        """Media time for which no stream carried this leg, between one that broke off and the next."""

    @property
    def position_ms(self) -> int:
        """Media time up to which audio has been taken."""
        return round((self._position + len(self._taken)) * 1000 / RATE_HZ)

    @property
    def framed_ms(self) -> float:
        """Media time up to which whole frames have been heard."""
        return self._position * 1000 / RATE_HZ

    @property
    def spells(self) -> int:
        """Stretches of speech that `take_speech` would tell."""
        return len(self._spoken)

    @property
    def due_ms(self) -> float:
        """How much more audio, in ms, may come before work on it can have a result: until then it may wait."""
        if self._model is None:
            return math.inf
        going, due_ms = self._open, self._segmenter.due_s * 1000
        if self._partial_every:
            said = self._reach if going is None else self._position - going.start
            next_partial = self._partial_every if going is None else going.next_partial or self._partial_every
            due_ms = min(due_ms, (next_partial - said) * 1000 / RATE_HZ)
        return due_ms - len(self._taken) * 1000 / RATE_HZ

    @property
    def waiting(self) -> int:
        """Samples that are taken and not worked on."""
        return len(self._taken)

    def take_speech(self) -> list[tuple[float, float]]:
        """Return when this party spoke since the last time this was asked: intervals on the media clock, in ms."""
        if self._spoken_from is not None:
            self._end_of_speech(self._position)
            self._spoken_from = self._position
        spoken, self._spoken = self._spoken, []
        return spoken

    def receive(self, audio: Audio) -> list[Heard]:
        """Take samples and work on them; return the utterances that they end, and partial ones that are due."""
        return self.take(audio) + self.advance()

    def take(self, audio: Audio) -> list[Heard]:
        """Take samples and leave the work for later; return utterances only where the clock's way ended them."""
        if self.follow(audio):
            return []
        if audio.pieces > 1:
            pieces = apart(audio, self._rate_hz * self.format[0].bytes_per_sample)
            return [heard for piece in pieces for heard in self.take(piece)]
        given = self._to_mulaw(audio.payload) if self._to_mulaw else self._decode(audio.payload)
        return self._place(self.timeline.place(given, audio.media_ms))

    def follow(self, audio: Audio) -> bool:
        """Take samples that simply come next, as nearly all do; False, and nothing is taken, where they do not."""
        payload = audio.payload
        if self._to_mulaw is not None:
            if self.timeline.follows(len(payload), audio.media_ms, audio.pieces):
                self._taken += self._to_mulaw(payload)
                return True
            return False
        samples = self._decode(payload)
        if self.timeline.follows(len(samples), audio.media_ms, audio.pieces):
            self._taken += g711.encode_mulaw(self._resampler.process(samples))
            return True
        return False

    def frames(self) -> bytes:
        """Hand out the whole frames that are taken, for `work`; what is left of a frame stays."""
        whole = len(self._taken) // FRAME * FRAME
        codes = bytes(self._taken[:whole])
        del self._taken[:whole]
        return codes

    def work(self, codes: bytes, measured: Frames, at: int) -> list[Heard]:
        """Work on frames; return the utterances that they end, and partial ones that are due.

        Parameters
        ----------
        codes
            What `frames` handed out; nothing may have been taken or worked on since but by `take`.
        measured
            Frames, these among them.
        at
            Which of those is the first of these.
        """
        heard: list[Heard] = []
        if not codes:
            return heard
        if self._model is not None:
            self._kept.extend(codes, self._position)
        until = at + len(codes) // FRAME
        energies, clipped = measured.energy[at:until], measured.clipped[at:until]
        spoken = self._vad.hear(measured.linear[2 * FRAME * at : 2 * FRAME * until], energies)
        if self._is_more_of_the_same(spoken):
            self._note(energies, clipped, spoken[0])
            if self._open is not None:
                heard += self._roll(self._open)
        else:
            for i, is_speech in enumerate(spoken):
                self._note(energies[i : i + 1], clipped[i : i + 1], is_speech)
                found = self._segmenter.process(_FRAME_S, is_speech)
                if found:
                    heard += self._follow(found)
                if self._open is not None:
                    heard += self._roll(self._open)
        if self._kept.is_long(self._reach):
            self._forget()
        return heard

    def _is_more_of_the_same(self, spoken: list[bool]) -> bool:
        """Have the segmenter take frames at once where none of them changes anything, as it mostly is; else False."""
        frames, is_speech = len(spoken), spoken[0]
        if self._lost or spoken.count(is_speech) != frames:
            return False
        going = self._open
        if going is not None and self._partial_every:
            said = self._position + FRAME * frames - going.start
            if said > (going.next_partial or self._partial_every):
                return False
        return self._segmenter.goes_on(frames, _FRAME_S, is_speech)

    def _note(self, energies: list[float], clipped: list[int], is_speech: bool) -> None:
        """Put down what the next frames are like; of one that never came in full, nothing is known."""
        position = self._position
        self._position += FRAME * len(energies)
        if self._lost and self._lost.between(position, self._position):
            self.activity.interrupt()
            self._end_of_speech(position)
            return
        self.activity.extend(energies, clipped, is_speech, position)
        if not is_speech:
            if self._spoken_from is not None:
                self._end_of_speech(position)
            return
        if self._spoken_from is None:
            self._spoken_from = position
        if self._open is not None:
            self._open.speech_ms += FRAME_MS * len(energies)

    def advance(self) -> list[Heard]:
        """Work on all that is taken; return the utterances that it ends, and partial ones that are due."""
        codes = self.frames()
        return self.work(codes, Frames(codes), 0) if codes else []

    def gap(self, duration_ms: float) -> list[Heard]:
        """Take note of media time that the sender leaves out."""
        return self._place(self.timeline.gap(duration_ms))

    def skip_to(self, position_ms: float) -> None:
        """Go on at a later place of the media clock, where another stream begins to carry this leg; never backwards.

        Only for a leg that is new or finished: nothing is said over a break.
        """
        missed_ms = position_ms - self.position_ms
        if missed_ms < FRAME_MS:
            return
        if self._position:
            self.missed_ms += missed_ms
        # Counted from the timeline's own end: a last frame that was filled up has put the frames a little ahead of it.
        self._place(self.timeline.gap(position_ms - self.timeline.position * 1000 / self._rate_hz))

    def finish(self) -> list[Heard]:
        """End the stream on this channel; an utterance that is going on ends with it.

        Another stream may carry the leg on: media time, numbers and the caller's statistics go on with it, and no
        utterance reaches back over the break.
        """
        heard = self._place(self.timeline.flush())
        self._taken += self._flushed()
        heard += self._pad()
        heard += self._follow(self._segmenter.finish())
        self._segmenter.gap(0)
        self.activity.interrupt()
        self._kept.clear()
        return heard

    def start_analysis(self, model: EmotionModel) -> None:
        """Judge what is said from now on; an utterance that is going on is left out whole."""
        self.advance()
        self._model = model
        self._caller = model.new_normaliser()
        self.activity.remembers = True

    def stop_analysis(self) -> None:
        """Forget everything that could lead to a verdict, and compute nothing of the kind any more."""
        self._model = None
        self._caller = None
        self._open = None
        self._kept.clear()
        self._taken.clear()

    def _place(self, pieces: list[Run | Hole]) -> list[Heard]:
        heard: list[Heard] = []
        for piece in pieces:
            if isinstance(piece, Hole):
                heard += self._hole(piece)
                continue
            codes = self._mulaw(piece)
            if piece.lost:
                begin = self._position + len(self._taken)
                if self._lost.note(begin, begin + len(codes)):
                    self._forget_lost()
            self._taken += codes
        return heard

    def _mulaw(self, run: Run) -> bytes:
        """Return a run at 8 kHz in mu-law."""
        if isinstance(run.samples, bytes):
            return run.samples
        return g711.encode_mulaw(self._resampler.process(run.samples))

    def _flushed(self) -> bytes:
        """Return what was still in the resampler."""
        return g711.encode_mulaw(self._resampler.flush())

    def _hole(self, hole: Hole) -> list[Heard]:
        """End what is open and go on behind the hole; the resampler and the framing start anew there."""
        if hole.length * RATE_HZ < FRAME * self._rate_hz:
            # Shorter than the grid of frames can show: silence, so that many of them cannot push the clock ahead.
            self._taken += g711.encode_mulaw(self._resampler.process(np.zeros(hole.length, np.int16)))
            return []
        self._taken += self._flushed()
        heard = self._pad()
        self.activity.interrupt()
        self._end_of_speech(self._position)
        behind = round((hole.start + hole.length) * RATE_HZ / self._rate_hz)
        # It may lie wholly within what frames were filled up with: that has put them up to a frame ahead of the clock.
        heard += self._follow(self._segmenter.gap(max(0, behind - self._position) / RATE_HZ))
        self._position = max(self._position, behind)
        self._kept.clear()
        return heard

    def _pad(self) -> list[Heard]:
        """Work on all that is taken; a frame that will not be completed is filled with silence."""
        self._taken += _mulaw_silence(-len(self._taken) % FRAME)
        return self.advance()

    def _end_of_speech(self, at: int) -> None:
        """Put down speech up to a place on the 8 kHz clock."""
        begin, self._spoken_from = self._spoken_from, None
        if begin is not None and begin < at:
            self._spoken.append((begin * 1000 / RATE_HZ, at * 1000 / RATE_HZ))

    def _forget(self) -> None:
        """Let go of what no utterance reaches back to and every feature has got."""
        needed = self._position - self._reach
        self._kept.forget(needed if self._open is None else min(needed, self._open.rolled))
        self._forget_lost()

    def _forget_lost(self) -> None:
        """Let go of what is known to be missing of audio that nobody will ask about."""
        reach = self._position if self._open is None else min(self._position, self._open.start)
        self._lost.forget(reach - self._reach)

    def _follow(self, events: Sequence[Segment]) -> list[Heard]:
        heard: list[Heard] = []
        for event in events:
            if isinstance(event, Opened):
                if self._model is not None:
                    # Where analysis has only just begun, there is nothing to reach back to.
                    start = max(round(event.start_s * RATE_HZ), self._kept.begin)
                    self._open = _Open(start, self._model.new_features())
            elif isinstance(event, Closed):
                heard += self._end(event)
            else:
                self._open = None
        return heard

    def _roll(self, going: _Open, until: int | None = None) -> list[Heard]:
        """Give the features what they have not got, if it is time for that; return a partial one that is due."""
        reached = self._position if until is None else until
        if until is None:
            length = self._position - going.start
            partial_due = bool(self._partial_every) and length >= (going.next_partial or self._partial_every)
            if not partial_due and reached - going.rolled < _ROLLED_AT_ONCE:
                return []
        else:
            partial_due = False
        if reached > going.rolled:
            going.features.push_int16(self._kept.linear(going.rolled, reached))
            going.rolled = reached
        return self._partial(going) if partial_due else []

    def _end(self, closed: Closed) -> list[Heard]:
        self.utterances += 1
        number = self._numbers.next()
        done, self._open = self._open, None
        if done is None or self._caller is None:
            return []
        length = max(0, round(closed.end_s * RATE_HZ) - done.start)
        self._roll(done, done.start + length)
        features = done.features.features(length)
        if not len(features):
            return []
        return [
            Heard(
                role=self.role,
                channel=self.channel,
                n=number,
                start_ms=round(closed.start_s * 1000),
                end_ms=round(closed.end_s * 1000),
                speech_ms=round(closed.speech_s * 1000),
                cut=closed.cut,
                features=features,
                caller=self._caller,
                quality=self._quality(done, closed.start_s * 1000, closed.end_s * 1000),
            )
        ]

    def _partial(self, going: _Open) -> list[Heard]:
        """Return the beginning of the open utterance."""
        if self._caller is None:
            return []
        going.next_partial = self._position - going.start + self._partial_every
        features = going.features.features()
        if not len(features):
            return []
        return [
            Heard(
                role=self.role,
                channel=self.channel,
                n=self._numbers.last + 1,
                start_ms=round(going.start * 1000 / RATE_HZ),
                end_ms=round(self._position * 1000 / RATE_HZ),
                speech_ms=going.speech_ms,
                cut=None,
                features=features,
                caller=self._caller,
                quality=self._quality(going, going.start * 1000 / RATE_HZ, self._position * 1000 / RATE_HZ),
            )
        ]

    def _quality(self, spoken: _Open, start_ms: float, end_ms: float) -> Quality:
        levels = self.activity.utterance(start_ms, end_ms)
        return Quality(
            snr_db=round(levels.snr_db, 1),
            clipped=round(levels.clipped, 4),
            lost_ms=round(self._lost.between(spoken.start, self._position) * 1000 / RATE_HZ),
        )


def _mulaw_silence(length: int) -> bytes:
    return g711.MULAW_SILENCE * length


def _as_it_is(codes: bytes) -> bytes:
    return codes


_TO_MULAW: dict[Encoding, Callable[[bytes], bytes]] = {
    Encoding.PCMU: _as_it_is,
    Encoding.PCMA: g711.transcode_alaw,
}
"""Audio that comes in codes needs no more."""

_DECODERS: dict[Encoding, Callable[[bytes], NDArray[np.int16]]] = {
    Encoding.PCM_S16LE: lambda data: np.frombuffer(data, "<i2").astype(np.int16, copy=False),
    Encoding.PCMU: g711.decode_mulaw,
    Encoding.PCMA: g711.decode_alaw,
}
