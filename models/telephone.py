"""Corpus audio as a telephone would deliver it: level, background, band, codecs, G.711, lost packets; all at 8 kHz.

A model that has heard one exact telephone chain fails on the next one, so training draws many. The same condition and
seed give the same samples. This file must never read or write audio files or draw random numbers of its own accord.

A call's way, in the order of :func:`transmit`: the talker's room and level (gain, background), the handset (band,
noise), the legs before ours (codecs), the leg to us (G.711, lost packets).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np
import scipy.signal
from numpy.typing import NDArray

from models.codecs import CODECS, through
from streamer.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

RATE_HZ: Final = 8000
_PACKET: Final = 160
"""Samples of a 20 ms packet."""
_NO_BACKGROUNDS: Final[Mapping[str, NDArray[np.float32]]] = {}


class Condition(msgspec.Struct, frozen=True):
    """One telephone line."""

    law: str = "mulaw"
    """`mulaw`, `alaw`, or `none`: 16-bit samples as they are, which no telephone delivers but a recorder may."""
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
    burst: float | None = None
    """Mean packets that are lost in a row, 1 or more; None loses each packet by itself."""
    codecs: tuple[str, ...] = ()
    """Codecs of `models.codecs` that the call passes one after the other before it is G.711."""
    background: str | None = None
    """What is heard behind the talker, a name among the backgrounds given to `transmit`; None is nothing."""
    background_snr_db: float = 15.0
    """Speech level over the level of the background."""


PLAIN: Final = Condition()
"""G.711 mu-law and back and nothing else: the condition of every reported figure that names no other."""

NAMED: Final[dict[str, Condition]] = {
    "clean": Condition(law="none"),
    "mulaw": PLAIN,
    "alaw": Condition(law="alaw"),
    **{codec: Condition(codecs=(codec,)) for codec in CODECS},
    "loss-1": Condition(loss=0.01),
    "loss-5": Condition(loss=0.05),
    "narrow": Condition(law="alaw", band_hz=(300.0, 3400.0)),
    "quiet": Condition(gain_db=-12.0),
    "loud": Condition(gain_db=6.0),
    "noise-20": Condition(snr_db=20.0, noise_slope=1.0),
    "noise-10": Condition(snr_db=10.0, noise_slope=1.0),
    "noise-5": Condition(snr_db=5.0, noise_slope=1.0),
    "babble-10": Condition(background="babble", background_snr_db=10.0),
    "music-10": Condition(background="music", background_snr_db=10.0),
}
"""The lines that models are judged on, by name."""

_TANDEMS: Final = (
    *((codec,) for codec in CODECS),
    ("amr-nb-12.2", "amr-nb-12.2"),
    ("amr-nb-7.4", "g726-32"),
    ("opus-12", "gsm"),
)
"""What calls pass before our gateway: one codec mostly, two where mobile calls mobile or a trunk saves bandwidth."""


def draw(rng: np.random.Generator, backgrounds: Sequence[str] = ()) -> Condition:
    """Return a random line: most are good, a third pass lossy codecs, some are noisy, some lose packets.

    Parameters
    ----------
    rng
        Draws everything; the same state gives the same line.
    backgrounds
        Names to choose from for the sixth of lines with something behind the talker; none leaves all without.
    """
    lossy = rng.random() < 1 / 3
    codecs = _TANDEMS[int(rng.integers(len(_TANDEMS)))] if lossy else ()
    banded = rng.random() < 0.6
    # Steps of 10 Hz: many lines share a filter, and designing one costs more than filtering a clip.
    band_hz = (10.0 * float(rng.integers(10, 36)), 10.0 * float(rng.integers(300, 381))) if banded else None
    noisy = rng.random() < 0.3
    losing = rng.random() < 0.2
    background = str(rng.choice(list(backgrounds))) if backgrounds and rng.random() < 1 / 6 else None
    return Condition(
        law="mulaw" if rng.random() < 0.5 else "alaw",
        gain_db=float(rng.uniform(-12.0, 6.0)),
        band_hz=band_hz,
        snr_db=float(rng.uniform(5.0, 35.0)) if noisy else None,
        noise_slope=float(rng.uniform(0.0, 2.0)) if noisy else 0.0,
        loss=float(rng.uniform(0.005, 0.06)) if losing else 0.0,
        burst=float(rng.uniform(1.0, 3.0)) if losing and rng.random() < 0.5 else None,
        codecs=codecs,
        background=background,
        background_snr_db=float(rng.uniform(5.0, 25.0)) if background else 15.0,
    )


def transmit(
    samples: NDArray[np.float32],
    condition: Condition,
    rng: np.random.Generator,
    backgrounds: Mapping[str, NDArray[np.float32]] = _NO_BACKGROUNDS,
) -> NDArray[np.float32]:
    """Return what the other end of a line hears.

    Parameters
    ----------
    samples
        float32[n] in -1 to 1 at 8 kHz.
    condition
        The line.
    rng
        Draws the noise, where the background begins and which packets are lost, nothing else.
    backgrounds
        Name -> float32[any length] at 8 kHz and any level, repeated where it is too short: what conditions with a
        `background` are mixed with. Give training and evaluation different ones.

    Returns
    -------
    float32[n]
        In -1 to 1, neither earlier nor later than it went in.

    Raises
    ------
    ValueError
        When the condition names a law, a codec or a background that is not there, or a share of lost packets and a
        length of bursts that cannot both be.
    """
    heard = samples.astype(np.float64) * 10.0 ** (condition.gain_db / 20.0)
    if condition.background is not None:
        behind = _behind(condition.background, backgrounds, len(heard), rng)
        heard = heard + _at_snr(behind, heard, condition.background_snr_db)
    if condition.band_hz is not None:
        heard = scipy.signal.sosfilt(_band_pass(condition.band_hz), heard)
    if condition.snr_db is not None:
        heard = heard + _at_snr(_noise(len(heard), condition.noise_slope, rng), heard, condition.snr_db)
    linear = np.clip(np.rint(heard * 32768.0), -32768, 32767).astype(np.int16)
    for codec in condition.codecs:
        linear = through(linear, codec)
    received = _companded(linear, condition.law).astype(np.float32) / np.float32(32768.0)
    return _lose(received, condition.loss, condition.burst, rng) if condition.loss else received


def _companded(linear: NDArray[np.int16], law: str) -> NDArray[np.int16]:
    """Return 16-bit samples after G.711 by a law and back."""
    if law == "mulaw":
        return decode_mulaw(encode_mulaw(linear))
    if law == "alaw":
        return decode_alaw(encode_alaw(linear))
    if law == "none":
        return linear
    raise ValueError(f"the law is {law!r}, must be mulaw, alaw or none")


@lru_cache(maxsize=1024)
def _band_pass(band_hz: tuple[float, float]) -> NDArray[np.float64]:
    """Return a handset's filter as second-order sections."""
    sections: NDArray[np.float64] = scipy.signal.butter(4, band_hz, btype="bandpass", fs=RATE_HZ, output="sos")
    return sections


def _behind(
    name: str, backgrounds: Mapping[str, NDArray[np.float32]], length: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return so much of a background, from a random place on."""
    material = backgrounds.get(name)
    if material is None or not len(material):
        raise ValueError(
            f"the line has {name!r} in the background, got audio of {sorted(backgrounds) or 'none'}: "
            "give transmit() its samples by that name"
        )
    start = int(rng.integers(len(material)))
    return np.take(material, np.arange(start, start + length), mode="wrap").astype(np.float64)


def _noise(length: int, slope: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise of any level, its power falling with frequency by `slope`."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.maximum(np.fft.rfftfreq(length, 1.0 / RATE_HZ), 50.0)
    shaped: NDArray[np.float64] = np.fft.irfft(spectrum * frequency ** (-slope / 2.0), length)
    return shaped


def _at_snr(added: NDArray[np.float64], speech: NDArray[np.float64], snr_db: float) -> NDArray[np.float64]:
    """Return `added` at a level `snr_db` below the speech."""
    level = np.sqrt(np.mean(np.square(speech)) / max(float(np.mean(np.square(added))), 1e-30))
    scaled: NDArray[np.float64] = added * level * 10.0 ** (-snr_db / 20.0)
    return scaled


def _lose(
    samples: NDArray[np.float32], share: float, burst: float | None, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Replace lost packets by the packet before, each time half as loud; the first one by silence.

    Two states, lost and not, as Gilbert's channel: the chance to be lost depends on the packet before, so that runs
    have a mean length of `burst` and all losses together their share.
    """
    if burst is not None and not (burst >= 1.0 and share <= burst / (burst + 1.0)):
        raise ValueError(
            f"a share of {share} lost in runs of {burst} packets cannot be: "
            "a run has 1 packet or more, and at least one is heard between two runs"
        )
    after_lost = share if burst is None else 1.0 - 1.0 / burst
    after_heard = share if burst is None else share / (burst * (1.0 - share))
    heard = samples.copy()
    lost = False
    for start in range(0, len(heard), _PACKET):
        lost = rng.random() < (after_lost if lost else after_heard)
        if not lost:
            continue
        length = len(heard[start : start + _PACKET])
        before = heard[max(0, start - _PACKET) : start]
        heard[start : start + length] = 0.5 * before[:length] if len(before) else 0.0
    return heard
