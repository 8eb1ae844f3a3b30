"""Corpus audio as a telephone would deliver it: level, band, noise, G.711, lost packets; all at 8 kHz.

A model that has heard one exact telephone chain fails on the next one, so training draws many. The same condition and
seed give the same samples. This file must never read or write audio files or draw random numbers of its own accord.
"""

from typing import Final

import msgspec
import numpy as np
import scipy.signal
from numpy.typing import NDArray

from streamer.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

RATE_HZ: Final = 8000
_PACKET: Final = 160
"""Samples of a 20 ms packet."""


class Condition(msgspec.Struct, frozen=True):
    """One telephone line."""

    law: str = "mulaw"
    """`mulaw` or `alaw`."""
    gain_db: float = 0.0
    """Level against the recording; what goes over full scale is clipped, as in a telephone."""
    band_hz: tuple[float, float] | None = None
    """Edges of a fourth-order Butterworth band-pass; None leaves the band of the recording."""
    snr_db: float | None = None
    """Speech level over the level of added noise; None adds none."""
    noise_slope: float = 0.0
    """How the noise falls with frequency: power ~ f ** -slope; 0 is white, 1 pink, 2 like a car."""
    loss: float = 0.0
    """Share of 20 ms packets that are lost and concealed by the one before, half as loud each time."""


PLAIN: Final = Condition()
"""G.711 mu-law and back and nothing else: the condition of every reported figure that names no other."""


def draw(rng: np.random.Generator) -> Condition:
    """Return a random line: most are good, some are quiet, noisy or lossy."""
    return Condition(
        law="mulaw" if rng.random() < 0.5 else "alaw",
        gain_db=float(rng.uniform(-12.0, 6.0)),
        band_hz=(float(rng.uniform(150.0, 350.0)), float(rng.uniform(3000.0, 3700.0))) if rng.random() < 0.7 else None,
        snr_db=float(rng.uniform(8.0, 35.0)) if rng.random() < 0.5 else None,
        noise_slope=float(rng.uniform(0.0, 2.0)),
        loss=float(rng.uniform(0.005, 0.04)) if rng.random() < 0.2 else 0.0,
    )


def transmit(samples: NDArray[np.float32], condition: Condition, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what the other end of a line hears.

    Parameters
    ----------
    samples
        float32[n] in -1 to 1 at 8 kHz.
    condition
        The line.
    rng
        Draws the noise and which packets are lost, nothing else.

    Returns
    -------
    float32[n]
        In -1 to 1.

    Raises
    ------
    ValueError
        When the condition's law is neither `mulaw` nor `alaw`.
    """
    heard = samples.astype(np.float64) * 10.0 ** (condition.gain_db / 20.0)
    if condition.band_hz is not None:
        sections = scipy.signal.butter(4, condition.band_hz, btype="bandpass", fs=RATE_HZ, output="sos")
        heard = scipy.signal.sosfilt(sections, heard)
    if condition.snr_db is not None:
        heard = heard + _noise(heard, condition.snr_db, condition.noise_slope, rng)
    linear = np.clip(np.rint(heard * 32768.0), -32768, 32767).astype(np.int16)
    if condition.law == "mulaw":
        linear = decode_mulaw(encode_mulaw(linear))
    elif condition.law == "alaw":
        linear = decode_alaw(encode_alaw(linear))
    else:
        raise ValueError(f"the law is {condition.law!r}, must be mulaw or alaw")
    received = linear.astype(np.float32) / np.float32(32768.0)
    return _lose(received, condition.loss, rng) if condition.loss else received


def _noise(speech: NDArray[np.float64], snr_db: float, slope: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise whose level is `snr_db` below the speech, its power falling with frequency by `slope`."""
    spectrum = np.fft.rfft(rng.standard_normal(len(speech)))
    frequency = np.maximum(np.fft.rfftfreq(len(speech), 1.0 / RATE_HZ), 50.0)
    shaped = np.fft.irfft(spectrum * frequency ** (-slope / 2.0), len(speech))
    level = np.sqrt(np.mean(np.square(speech)) / max(float(np.mean(np.square(shaped))), 1e-30))
    noise: NDArray[np.float64] = shaped * level * 10.0 ** (-snr_db / 20.0)
    return noise


def _lose(samples: NDArray[np.float32], share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Replace lost packets by the packet before, each time half as loud; the first one by silence."""
    heard = samples.copy()
    for start in range(0, len(heard), _PACKET):
        if rng.random() >= share:
            continue
        length = len(heard[start : start + _PACKET])
        before = heard[max(0, start - _PACKET) : start]
        heard[start : start + length] = 0.5 * before[:length] if len(before) else 0.0
    return heard
