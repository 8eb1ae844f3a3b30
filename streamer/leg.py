"""One party's audio, from encoded bytes on some clock to utterances ready to be judged.

The order of the stages is the order of this file: decode, place on the media clock, resample to 8 kHz, cut into 20 ms
frames, ask the VAD, segment, and, for a party that is analysed, roll the model's features over the speech. They go out
together with the caller's own statistics, which the model reads and the batcher keeps; here they are only made and let
go. Pure: no socket, no clock, no file. For a party that is not analysed no feature is ever
computed; its speech serves turn-taking and the lawful summary only.

Everything linear passes G.711 mu-law once on its way in. The models are trained in telephone band, and this puts every
source on the same footing: the same call gives the same utterances and verdicts whether the platform hands it over as
mu-law or as linear samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray
from streamer_client.events import Cut, Quality

from streamer.audio import g711
from streamer.audio.resample import StreamingResampler
from streamer.audio.timeline import Hole, Run, Timeline
from streamer.config import ConfigError, SpeechSettings
from streamer.emotion.model import EmotionModel
from streamer.features import FrontEnd, RunningNormaliser
from streamer.speech.activity import Activity
from streamer.speech.segmenter import Closed, Opened, Segment, Segmenter
from streamer.speech.vad import FRAME_MS, make_vad
from streamer.wire.events import Audio, Encoding, Role

RATE_HZ = 8000
FRAME = RATE_HZ * FRAME_MS // 1000
"""Samples of one VAD frame."""
FULL_SCALE = 32768.0


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


class Heard(msgspec.Struct, frozen=True, eq=False):
    """An utterance, or the beginning of one that goes on, ready to be judged."""

    role: Role
    channel: int
    n: int
    """Counts from 1 per role of a call; an unfinished one has the number it will keep."""
    start_ms: int
    end_ms: int
    speech_ms: int
    cut: Cut | None
    """None while the utterance goes on."""
    features: NDArray[np.float32]
    """float32[frames, features] as the model's front end gives them."""
    caller: RunningNormaliser
    """The statistics of who speaks on this channel in this call; the batcher's from now on."""
    quality: Quality


class Numbers:
    """Counts the utterances of one role; legs that share a role share it, so that no two bear one number."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        """Return the number of an utterance that has ended."""
        self.last += 1
        return self.last


class _Open:
    """What is gathered of the utterance that is going on."""

    def __init__(self, start: int, features: FrontEnd) -> None:
        self.start = start
        """Sample on the leg's 8 kHz clock."""
        self.features = features
        self.end = start
        self.samples = 0
        self.lost = 0
        self.speech_ms = 0
        self.next_partial = 0
        """Samples at which the next partial verdict is due."""

    def add(self, frame: NDArray[np.int16], *, lost: int) -> None:
        """Take samples that follow the last."""
        self.features.push(frame.astype(np.float32) / FULL_SCALE)
        self.samples += len(frame)
        self.end += len(frame)
        self.lost += lost


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
        self.timeline = Timeline(rate_hz)
        self.activity = Activity()
        self._decode = _DECODERS[encoding]
        self._is_linear = encoding is Encoding.PCM_S16LE
        self._rate_hz = rate_hz
        self._resampler = StreamingResampler(rate_hz, RATE_HZ)
        self._vad = make_vad(speech.vad, speech.aggressiveness, speech.squelch_dbfs)
        self._segmenter = _segmenter(speech)
        self._model = model
        self._caller: RunningNormaliser | None = model.new_normaliser() if model else None
        self._partial_every = RATE_HZ * partial_every_ms // 1000
        self._spoken: list[tuple[float, float]] = []
        self._position = 0
        """Sample on the 8 kHz clock where the next frame begins."""
        self._rest: NDArray[np.int16] = np.empty(0, np.int16)
        self._rest_lost = 0
        frames = int(self._segmenter.lookback_s * 1000 / FRAME_MS) + 2
        self._recent: deque[tuple[int, NDArray[np.int16], int]] = deque(maxlen=frames)
        """Frames that an utterance may still reach back to: where each begins, its samples, how many were lost."""
        self._open: _Open | None = None
        self.missed_ms = 0.0
        """Media time for which no stream carried this leg, between one that broke off and the next."""

    @property
    def position_ms(self) -> int:
        """Media time up to which audio has been heard."""
        return round((self._position + len(self._rest)) * 1000 / RATE_HZ)

    @property
    def framed_ms(self) -> float:
        """Media time up to which whole frames have been heard."""
        return self._position * 1000 / RATE_HZ

    def take_speech(self) -> list[tuple[float, float]]:
        """Return when this party spoke since the last time this was asked: intervals on the media clock, in ms."""
        spoken, self._spoken = self._spoken, []
        return spoken

    def receive(self, audio: Audio) -> list[Heard]:
        """Take samples; return the utterances that they end, and partial ones that are due."""
        samples = self._decode(audio.payload)
        return self._place(self.timeline.place(samples, audio.media_ms))

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
        heard += self._cut_frames(self._resampler.flush(), lost=False)
        heard += self._pad()
        heard += self._follow(self._segmenter.finish())
        self._segmenter.gap(0)
        self.activity.interrupt()
        self._recent.clear()
        return heard

    def start_analysis(self, model: EmotionModel) -> None:
        """Judge what is said from now on; an utterance that is going on is left out whole."""
        self._model = model
        self._caller = model.new_normaliser()

    def stop_analysis(self) -> None:
        """Forget everything that could lead to a verdict, and compute nothing of the kind any more."""
        self._model = None
        self._caller = None
        self._open = None
        self._recent.clear()

    def _place(self, pieces: list[Run | Hole]) -> list[Heard]:
        heard: list[Heard] = []
        for piece in pieces:
            if isinstance(piece, Hole):
                heard += self._hole(piece)
            else:
                heard += self._cut_frames(self._resampler.process(piece.samples), lost=piece.lost)
        return heard

    def _hole(self, hole: Hole) -> list[Heard]:
        """End what is open and go on behind the hole; the resampler and the framing start anew there."""
        if hole.length * RATE_HZ < FRAME * self._rate_hz:
            # Shorter than the grid of frames can show: silence, so that many of them cannot push the clock ahead.
            return self._cut_frames(self._resampler.process(np.zeros(hole.length, np.int16)), lost=False)
        heard = self._cut_frames(self._resampler.flush(), lost=False) + self._pad()
        self.activity.interrupt()
        behind = round((hole.start + hole.length) * RATE_HZ / self._rate_hz)
        if behind > self._position:
            heard += self._follow(self._segmenter.gap((behind - self._position) / RATE_HZ))
            self._position = behind
        self._recent.clear()
        return heard

    def _pad(self) -> list[Heard]:
        """Fill a frame that will not be completed with silence."""
        if not len(self._rest):
            return []
        return self._cut_frames(np.zeros(FRAME - len(self._rest), np.int16), lost=False)

    def _cut_frames(self, samples: NDArray[np.int16], *, lost: bool) -> list[Heard]:
        heard: list[Heard] = []
        if self._is_linear and len(samples):
            samples = g711.decode_mulaw(g711.encode_mulaw(samples))
        if len(self._rest):
            samples, lost_before = np.concatenate((self._rest, samples)), self._rest_lost
        else:
            lost_before = 0
        whole = len(samples) // FRAME * FRAME
        for begin in range(0, whole, FRAME):
            lost_samples = FRAME if lost else 0
            if begin == 0 and lost_before:
                lost_samples = max(lost_samples, lost_before)
            heard += self._frame(samples[begin : begin + FRAME], lost_samples)
        self._rest = samples[whole:]
        self._rest_lost = len(self._rest) if lost else (lost_before if whole == 0 else 0)
        return heard

    def _frame(self, frame: NDArray[np.int16], lost: int) -> list[Heard]:
        is_speech = self._vad.is_speech(frame)
        start_ms = self._position * 1000 / RATE_HZ
        if lost:
            self.activity.interrupt()
        else:
            self.activity.process(frame, is_speech, start_ms)
            if is_speech:
                self._spoken.append((start_ms, start_ms + FRAME_MS))
        if self._model is not None:
            self._recent.append((self._position, frame, lost))
        if self._open is not None:
            self._open.add(frame, lost=lost)
            self._open.speech_ms += FRAME_MS * is_speech
        self._position += FRAME
        return self._follow(self._segmenter.process(FRAME_MS / 1000, is_speech)) + self._partial()

    def _follow(self, events: list[Segment]) -> list[Heard]:
        heard: list[Heard] = []
        for event in events:
            if isinstance(event, Opened):
                self._begin(round(event.start_s * RATE_HZ))
            elif isinstance(event, Closed):
                heard += self._end(event)
            else:
                self._open = None
        return heard

    def _begin(self, start: int) -> None:
        if self._model is None:
            return
        self._open = _Open(start, self._model.new_features())
        for position, frame, lost in self._recent:
            if position + FRAME > start:
                self._open.add(frame[max(0, start - position) :], lost=lost)

    def _end(self, closed: Closed) -> list[Heard]:
        self.utterances += 1
        number = self._numbers.next()
        done, self._open = self._open, None
        if done is None or self._caller is None:
            return []
        features = done.features.features(round((closed.end_s - closed.start_s) * RATE_HZ))
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

    def _partial(self) -> list[Heard]:
        """Return the beginning of the open utterance where a partial verdict is due."""
        going = self._open
        if not self._partial_every or going is None or self._caller is None:
            return []
        if going.samples < (going.next_partial or self._partial_every):
            return []
        going.next_partial = going.samples + self._partial_every
        features = going.features.features()
        if not len(features):
            return []
        return [
            Heard(
                role=self.role,
                channel=self.channel,
                n=self._numbers.last + 1,
                start_ms=round(going.start * 1000 / RATE_HZ),
                end_ms=round(going.end * 1000 / RATE_HZ),
                speech_ms=going.speech_ms,
                cut=None,
                features=features,
                caller=self._caller,
                quality=self._quality(going, going.start * 1000 / RATE_HZ, going.end * 1000 / RATE_HZ),
            )
        ]

    def _quality(self, spoken: _Open, start_ms: float, end_ms: float) -> Quality:
        levels = self.activity.utterance(start_ms, end_ms)
        return Quality(
            snr_db=round(levels.snr_db, 1),
            clipped=round(levels.clipped, 4),
            lost_ms=round(spoken.lost * 1000 / RATE_HZ),
        )


_DECODERS: dict[Encoding, Callable[[bytes], NDArray[np.int16]]] = {
    Encoding.PCM_S16LE: lambda data: np.frombuffer(data, "<i2").astype(np.int16, copy=False),
    Encoding.PCMU: g711.decode_mulaw,
    Encoding.PCMA: g711.decode_alaw,
}
