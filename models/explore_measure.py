"""What `models.explore` measures of each clip: length, silence, level, clipping, pitch, mean MFCCs.

Samples are heard as telephone audio at 8 kHz but for the codec, and nothing is normalised. Features come from the code
that serves. This file must never draw, or look at a label.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.corpora import Clip
from models.dataset import load_audio
from models.telephone import RATE_HZ
from models.utterance import cut
from streamer.features import MfccParameters, RollingMfcc

MFCC: Final = MfccParameters(n_fft=512, win_length=400, hop_length=100, n_mels=64, n_mfcc=20, fmin=60.0, fmax=3800.0)
"""50 ms every 12.5 ms, as the `telephone` model hears; twenty coefficients are enough to look at."""
FULL_SCALE: Final = 0.999
"""What counts as clipped: full scale but for the rounding of the corpora's 13 bits."""
CLIPPED_SAMPLES: Final = 2
"""So many samples at full scale make a clip one that clips: a single one may be a peak that just fits."""
PITCH_HZ: Final = (70.0, 450.0)
_PITCH_FRAME: Final = 400
_PITCH_HOP: Final = 160
_VOICED: Final = 0.5
"""Least autocorrelation, at the lag of the pitch and relative to lag 0, of a frame that counts as voiced."""
_NEARLY: Final = 0.85
"""Of the highest autocorrelation, enough to be the pitch when its lag is shorter."""


class Measured(msgspec.Struct, frozen=True, eq=False):
    """What was measured of one clip."""

    clip: Clip
    clip_s: float
    lead_s: float
    """From the start of the clip to the start of its utterance, which has 0.2 s of pre-roll where there was room."""
    utterance_s: float
    tail_s: float
    level_db: float
    """Root mean square of the utterance against full scale, dB."""
    full_scale: int
    """Samples at full scale."""
    pitch_hz: float
    """Median over voiced frames; NaN where there is none."""
    mfcc: NDArray[np.float32]
    """float32[20], the mean over the utterance's frames."""


def pitch(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the pitch of each voiced frame of 50 ms, Hz, by the first high peak of the autocorrelation.

    Rough (an octave may be missed) and quick; good for medians of whole utterances. The peak of a periodic frame falls
    with its lag, as fewer samples overlap, and is set against what a perfectly periodic frame would have there:
    P. Boersma, *Accurate short-term analysis of the fundamental frequency*, 1993.

    Parameters
    ----------
    samples
        float32[n] at 8 kHz.
    """
    if len(samples) < _PITCH_FRAME:
        return np.empty(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), _PITCH_FRAME)[::_PITCH_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    loud = frames.std(axis=1) > 0.1 * max(float(samples.std()), 1e-6)
    size = 2 * _PITCH_FRAME
    correlation = np.fft.irfft(np.square(np.abs(np.fft.rfft(frames[loud], size, axis=1))), size, axis=1)
    shortest, longest = round(RATE_HZ / PITCH_HZ[1]), round(RATE_HZ / PITCH_HZ[0])
    lags = np.arange(shortest, longest + 1)
    strength = correlation[:, lags] / np.maximum(correlation[:, :1], 1e-12) / (1.0 - lags / _PITCH_FRAME)
    # At twice the period a frame is as much like itself: the first peak that is nearly the highest is the pitch. The
    # ends of the range are no peaks, so a frame without pitch has mostly none.
    peak = np.zeros(strength.shape, dtype=bool)
    peak[:, 1:-1] = (strength[:, 1:-1] >= strength[:, :-2]) & (strength[:, 1:-1] >= strength[:, 2:])
    high = peak & (strength > np.maximum(_VOICED, _NEARLY * strength.max(axis=1, initial=0.0, keepdims=True)))
    best, voiced = high.argmax(axis=1), high.any(axis=1)
    found: NDArray[np.float64] = RATE_HZ / lags[best[voiced]]
    return found


def mean_mfcc(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each coefficient over a recording, float32[20]."""
    rolling = RollingMfcc(MFCC)
    rolling.push(np.pad(samples, (0, max(0, MFCC.n_fft - len(samples)))))
    mean: NDArray[np.float32] = rolling.mfcc().mean(axis=0)
    return mean


def measure(clip: Clip) -> Measured:
    """Return what is measured of a clip; its file is read."""
    samples = load_audio(clip.path)
    start, end = cut(samples)
    utterance = samples[start:end]
    voiced = pitch(utterance)
    return Measured(
        clip=clip,
        clip_s=len(samples) / RATE_HZ,
        lead_s=start / RATE_HZ,
        utterance_s=len(utterance) / RATE_HZ,
        tail_s=(len(samples) - end) / RATE_HZ,
        level_db=10.0 * float(np.log10(max(float(np.mean(np.square(utterance, dtype=np.float64))), 1e-12))),
        full_scale=int((np.abs(samples) >= FULL_SCALE).sum()),
        pitch_hz=float(np.median(voiced)) if len(voiced) else float("nan"),
        mfcc=mean_mfcc(utterance),
    )


def measure_all(clips: Iterable[Clip], name: str) -> list[Measured]:
    """Return what is measured of clips, with a line of progress every thousand."""
    found = []
    for clip in clips:
        found.append(measure(clip))
        if len(found) % 1000 == 0:
            print(f"{name}: {len(found)} clips measured", flush=True)
    print(f"{name}: {len(found)} clips measured", flush=True)
    return found


def against_speaker(measured: list[Measured], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return each clip's values less the mean of all clips of its speaker.

    Parameters
    ----------
    measured
        Of any speakers.
    values
        float[clips] or float[clips, numbers]; NaN is left out of means and stays.
    """
    who = np.array([f"{one.clip.corpus}/{one.clip.speaker}" for one in measured])
    rest = values.astype(np.float64)
    for speaker in np.unique(who):
        own = rest[who == speaker]
        if np.isfinite(own).any():
            rest[who == speaker] = own - np.nanmean(own, axis=0)
    return rest
