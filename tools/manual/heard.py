"""What the pictures of the manual show: the demo call as the server's own parts hear it, stage by stage.

The same leg, front end and model that serve, fed in 20 ms as a telephone system would; nothing is computed a second
way. This file must never draw.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from streamer.config import Settings
from streamer.emotion.model import EmotionModel, Verdict, load, locate
from streamer.heard import Heard
from streamer.leg import Leg
from streamer.speech.vad import FRAME_MS
from streamer.wire.events import Audio, Encoding, Role

ROOT: Final = Path(__file__).resolve().parents[2]
CALL: Final = ROOT / "streamer" / "demo" / "call.flac"
PARTIAL_EVERY_MS: Final = 200


class Judged(msgspec.Struct, frozen=True, eq=False):
    """An utterance, or the beginning of one, with the verdict that it got."""

    heard: Heard
    verdict: Verdict
    own_frames: float
    """Frames of this caller that counted before it."""
    mean: NDArray[np.float32]
    """float32[D], the caller's statistics that it was judged by."""


class Party(msgspec.Struct, frozen=True, eq=False):
    """One channel of the call."""

    samples: NDArray[np.int16]
    """int16[samples] at `rate_hz`."""
    rate_hz: int
    speech: tuple[tuple[float, float], ...]
    """What the VAD called speech: intervals in ms on the media clock, neighbours joined."""
    utterances: tuple[Judged, ...]
    """Finished ones; none for a party that is not analysed."""
    partials: tuple[Judged, ...]


class DemoCall(msgspec.Struct, frozen=True, eq=False):
    """The demo call and what the default settings make of it."""

    customer: Party
    agent: Party
    settings: Settings
    model: EmotionModel


def demo_call() -> DemoCall:
    """Return the demo call, heard with the default settings and model, and with partial verdicts."""
    settings, model = Settings(), load(locate(Settings().emotion.model))
    samples, rate_hz = soundfile.read(CALL, dtype="int16")
    parties = [
        _party(samples[:, channel], rate_hz, Role(role), settings, model if role in settings.emotion.analyse else None)
        for channel, role in enumerate(("customer", "agent"))
    ]
    return DemoCall(*parties, settings, model)


def _party(
    samples: NDArray[np.int16], rate_hz: int, role: Role, settings: Settings, model: EmotionModel | None
) -> Party:
    leg = Leg(
        role,
        0,
        encoding=Encoding.PCM_S16LE,
        rate_hz=rate_hz,
        speech=settings.speech,
        model=model,
        partial_every_ms=PARTIAL_EVERY_MS,
    )
    piece = rate_hz * FRAME_MS // 1000
    judged: list[Judged] = []
    for at in range(0, len(samples), piece):
        audio = Audio(channel=0, payload=samples[at : at + piece].astype("<i2").tobytes())
        judged += _judged(leg.receive(audio), model)
    judged += _judged(leg.finish(), model)
    return Party(
        samples,
        rate_hz,
        _joined(leg.take_speech()),
        tuple(one for one in judged if one.heard.cut),
        tuple(one for one in judged if not one.heard.cut),
    )


def _judged(heard: list[Heard], model: EmotionModel | None) -> list[Judged]:
    """Judge as the batcher does: by what the caller had said before; only what is finished counts from then on."""
    found = []
    for one in heard:
        if model is None:
            raise ValueError(f"an utterance of the {one.role}, whom nobody analyses")
        judgement, (mean, _) = model.judge(one.features, one.caller), one.caller.statistics()
        found.append(Judged(one, judgement.verdict, one.caller.n_frames, mean))
        if one.cut:
            one.caller.remember(judgement.moments)
    return found


def _joined(intervals: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    joined: list[tuple[float, float]] = []
    for start_ms, end_ms in intervals:
        if joined and joined[-1][1] == start_ms:
            joined[-1] = joined[-1][0], end_ms
        else:
            joined.append((start_ms, end_ms))
    return tuple(joined)
