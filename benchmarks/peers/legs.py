"""One leg of a call, for all peers: samples cut into frames, the detector asked, utterances found and gathered.

What detector, and what is gathered how, is the shape's own; the numbers of the segmentation are the product's. This
file must never know a socket or publish anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from streamer_client.events import Cut

from streamer.audio.g711 import decode_mulaw
from streamer.config import SpeechSettings
from streamer.features import FrontEnd
from streamer.speech.segmenter import Closed, Opened, Segment, Segmenter
from streamer.speech.vad import FRAME_SAMPLES, RATE_HZ, Vad, make_vad

FULL_SCALE: Final = np.float32(32768)
SPEECH: Final = SpeechSettings()
"""The product's as they come: aggressiveness 2, hangover 400 ms, pre-roll 200 ms, 250 ms to 15 s."""

Features = NDArray[np.float32]
"""float32[frames, features] as the model takes them."""


@dataclass(frozen=True, eq=False, slots=True)
class Spoken:
    """An utterance of an analysed leg that has ended."""

    channel: int
    start_ms: int
    end_ms: int
    speech_ms: int
    cut: Cut
    features: Callable[[], Features]
    """Computes what is still to be computed; called once, in the model's thread."""


class Leg(Protocol):
    """What the server sees of a leg."""

    def receive(self, payload: bytes) -> list[Spoken]:
        """Take encoded samples; return the utterances that they end."""
        ...

    def finish(self) -> list[Spoken]:
        """End the call; return the utterance that ends with it."""
        ...


class Gathered(Protocol):
    """What is kept of an utterance while it goes on."""

    def add(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples, int16[n] at 8 kHz."""
        ...

    def features(self, n_samples: int) -> Features:
        """Return the features of the first `n_samples` samples: the hangover is none of the utterance."""
        ...


def decode(payload: bytes, *, is_linear: bool) -> NDArray[np.int16]:
    """Return int16[samples]."""
    return np.frombuffer(payload, "<i2") if is_linear else decode_mulaw(payload)


def product_vad() -> Vad:
    """Return the product's detector for one leg: WebRTC in mode 2 behind the product's squelch.

    The squelch is a few microseconds a frame, and with it all peers that bring no detector of their own hear the very
    utterances that the product hears.
    """
    return make_vad(SPEECH.vad, SPEECH.aggressiveness, SPEECH.squelch_dbfs)


class FramedLeg:
    """A leg whose detector answers for one frame after the other.

    Parameters
    ----------
    channel
        Of the call.
    is_linear
        Whether samples come as 16-bit numbers instead of mu-law.
    vad
        The leg's own detector; asked about int16[frame].
    gather
        Makes what an utterance is gathered in; None for a leg that is not analysed.
    frame
        Samples that the detector wants at once.
    """

    def __init__(
        self,
        channel: int,
        *,
        is_linear: bool,
        vad: Vad,
        gather: Callable[[], Gathered] | None,
        frame: int = FRAME_SAMPLES,
    ) -> None:
        self._channel = channel
        self._is_linear = is_linear
        self._vad = vad
        self._gather = gather
        self._frame = frame
        self._frame_s = frame / RATE_HZ
        self._segmenter = Segmenter(
            hangover_s=SPEECH.hangover_ms / 1000,
            pre_roll_s=SPEECH.pre_roll_ms / 1000,
            min_speech_s=SPEECH.min_speech_ms / 1000,
            max_utterance_s=SPEECH.max_utterance_ms / 1000,
        )
        self._rest: NDArray[np.int16] = np.empty(0, np.int16)
        self._position = 0
        self._recent: deque[NDArray[np.int16]] = deque(maxlen=int(self._segmenter.lookback_s / self._frame_s) + 2)
        """Frames that an utterance may still reach back to, the last one ends at the position."""
        self._open: Gathered | None = None

    def receive(self, payload: bytes) -> list[Spoken]:
        """Take encoded samples; return the utterances that they end."""
        return self._take(decode(payload, is_linear=self._is_linear))

    def finish(self) -> list[Spoken]:
        """End the call; return the utterance that ends with it."""
        missing = -len(self._rest) % self._frame
        return self._take(np.zeros(missing, np.int16)) + self._follow(self._segmenter.finish())

    def _take(self, samples: NDArray[np.int16]) -> list[Spoken]:
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) - len(samples) % self._frame
        self._rest = samples[whole:]
        found: list[Spoken] = []
        for begin in range(0, whole, self._frame):
            frame = samples[begin : begin + self._frame]
            is_speech = self._vad.is_speech(frame)
            self._position += self._frame
            if self._gather is not None:
                self._recent.append(frame)
            if self._open is not None:
                self._open.add(frame)
            segments = self._segmenter.process(self._frame_s, is_speech)
            if segments:
                found += self._follow(segments)
        return found

    def _follow(self, segments: list[Segment]) -> list[Spoken]:
        found: list[Spoken] = []
        for segment in segments:
            if isinstance(segment, Opened):
                self._begin(round(segment.start_s * RATE_HZ))
            elif isinstance(segment, Closed):
                found += self._end(segment)
            else:
                self._open = None
        return found

    def _begin(self, start: int) -> None:
        if self._gather is None:
            return
        self._open = self._gather()
        position = self._position - len(self._recent) * self._frame
        for frame in self._recent:
            if position + self._frame > start:
                self._open.add(frame[max(0, start - position) :])
            position += self._frame

    def _end(self, closed: Closed) -> list[Spoken]:
        gathered, self._open = self._open, None
        if gathered is None:
            return []
        n_samples = round((closed.end_s - closed.start_s) * RATE_HZ)
        return [
            Spoken(
                channel=self._channel,
                start_ms=round(closed.start_s * 1000),
                end_ms=round(closed.end_s * 1000),
                speech_ms=round(closed.speech_s * 1000),
                cut=closed.cut,
                features=lambda: gathered.features(n_samples),
            )
        ]


class Rolled:
    """An utterance as the product's own front end, rolling over it."""

    def __init__(self, front_end: FrontEnd) -> None:
        self._front_end = front_end

    def add(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples."""
        self._front_end.push(samples.astype(np.float32) / FULL_SCALE)

    def features(self, n_samples: int) -> Features:
        """Return what has been computed already."""
        return self._front_end.features(n_samples)


class Kept:
    """An utterance as its samples, for what computes at the end."""

    def __init__(self) -> None:
        self._frames: list[NDArray[np.int16]] = []

    def add(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples."""
        self._frames.append(samples)

    @property
    def samples(self) -> NDArray[np.float32]:
        """All of them, float32[n] in -1 to 1."""
        return np.concatenate(self._frames).astype(np.float32) / FULL_SCALE
