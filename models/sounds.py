"""What is heard on a telephone and is no one person's emotion: music, tones, noises, coughs, babble, announcements.

A model must doubt these. They teach doubt (split `train`) and score it (split `test`), so the two share no material:
no tune, country, digit, sentence or voice; noises, which have none, are drawn from separate random streams. All is made
here, at 8 kHz; this file must never read recordings (babble sums the ones it is given) or draw random numbers of its
own accord.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from models.announcements import announce
from models.music import Split, compose

RATE_HZ: Final = 8000
LEVEL_DBFS: Final = (-35.0, -15.0)
"""Least and most root mean square of what sounds; a talker on a telephone stands at -26 or so (ITU-T P.56)."""
QUIET_DBFS: Final = (-75.0, -50.0)
"""The same of an idle line."""
TALKERS: Final = 4
"""Fewest voices of a babble: of fewer, one can be followed."""

_Sound = NDArray[np.float64]
_Cadence = tuple[float, ...]
"""Seconds of tone, silence, tone, silence ..."""

# National figures as listed in ITU-T E.180 Supplement 2: frequencies in Hz, cadence.
_RING_BACK: Final[dict[Split, tuple[tuple[tuple[float, ...], _Cadence], ...]]] = {
    "train": (((425.0,), (1.0, 4.0)), ((440.0, 480.0), (2.0, 4.0)), ((450.0,), (1.0, 4.0))),
    "test": (((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)), ((440.0,), (1.5, 3.5)), ((384.0, 416.0), (1.0, 2.0))),
}
"""Germany, United States, China; United Kingdom, France, Japan (400 Hz modulated by 16 Hz)."""
_BUSY: Final[dict[Split, tuple[tuple[tuple[float, ...], _Cadence], ...]]] = {
    "train": (((425.0,), (0.48, 0.48)), ((480.0, 620.0), (0.5, 0.5)), ((450.0,), (0.35, 0.35))),
    "test": (((400.0,), (0.375, 0.375)), ((440.0,), (0.5, 0.5)), ((400.0,), (0.5, 0.5))),
}
"""The same countries."""
_LOW_HZ: Final = (697.0, 770.0, 852.0, 941.0)
_HIGH_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
"""ITU-T Q.23: a key's row and column."""
_HUM_HZ: Final[dict[Split, float]] = {"train": 50.0, "test": 60.0}
_BIT_S: Final = 1.0 / 300.0
"""ITU-T V.21: 300 bits a second."""


def make(
    kind: str,
    seconds: float,
    rng: np.random.Generator,
    split: Split = "train",
    talkers: Sequence[NDArray[np.float32]] = (),
) -> NDArray[np.float32]:
    """Return a sound that is no one person's emotion.

    Parameters
    ----------
    kind
        One of `KINDS`.
    seconds
        How long it is.
    rng
        Draws everything; the same state, kind and split give the same sound.
    split
        Whose material: `train` to learn doubt from, `test` to score it.
    talkers
        Utterances at 8 kHz for `babble`, four or more, of speakers of the split; other kinds take none.

    Returns
    -------
    float32[n]
        In -1 to 1 at 8 kHz: the sound before any telephone line.

    Raises
    ------
    ValueError
        When there is no such kind or split, nothing to hear in so short a time, or too few talkers.
    FileNotFoundError
        When `announcement` is asked for and espeak-ng is not installed.
    """
    if kind not in KINDS:
        raise ValueError(f"the kind of sound is {kind!r}, must be one of {', '.join(KINDS)}")
    if split not in _HUM_HZ:
        raise ValueError(f"the split is {split!r}, must be train or test")
    length = round(seconds * RATE_HZ)
    if length < 1:
        raise ValueError(f"a sound of {seconds} s has no sample at {RATE_HZ} Hz, must be longer")
    # Another stream for each split and kind, even where a caller uses one seed for all.
    own = np.random.default_rng([zlib.crc32(f"{split} {kind}".encode()), int(rng.integers(2**62))])
    sound = _babble(length, own, talkers) if kind == "babble" else _MAKERS[kind](length, own, split)
    level_dbfs = own.uniform(*(QUIET_DBFS if kind in _QUIET else LEVEL_DBFS))
    power = float(np.mean(np.square(sound)))
    if not power:
        return np.zeros(length, np.float32)
    heard: NDArray[np.float64] = np.clip(sound * 10.0 ** (level_dbfs / 20.0) / np.sqrt(power), -1.0, 1.0)
    return heard.astype(np.float32)


def _babble(length: int, rng: np.random.Generator, talkers: Sequence[NDArray[np.float32]]) -> _Sound:
    """Return four to eight voices at once, equally loud, each going round its utterance from a random place."""
    sounding = [talker.astype(np.float64) for talker in talkers if np.any(talker)]
    if len(sounding) < TALKERS:
        raise ValueError(
            f"babble needs {TALKERS} utterances or more that are not silence, got {len(sounding)}: give them as talkers"
        )
    count = min(len(sounding), int(rng.integers(TALKERS, 2 * TALKERS, endpoint=True)))
    mixed = np.zeros(length)
    for index in rng.choice(len(sounding), count, replace=False):
        voice = sounding[index] / np.sqrt(np.mean(np.square(sounding[index])))
        mixed += np.take(voice, np.arange(length) + rng.integers(len(voice)), mode="wrap")
    return mixed


def _music(length: int, rng: np.random.Generator, split: Split) -> _Sound:
    return compose(length / RATE_HZ, rng, split).astype(np.float64)


def _announcement(length: int, rng: np.random.Generator, split: Split) -> _Sound:
    return announce(length / RATE_HZ, rng, split).astype(np.float64)


def _ring_back(length: int, rng: np.random.Generator, split: Split) -> _Sound:
    frequencies_hz, cadence = _RING_BACK[split][rng.integers(len(_RING_BACK[split]))]
    return _cadenced(length, frequencies_hz, cadence, rng)


def _busy(length: int, rng: np.random.Generator, split: Split) -> _Sound:
    frequencies_hz, cadence = _BUSY[split][rng.integers(len(_BUSY[split]))]
    return _cadenced(length, frequencies_hz, cadence, rng)


def _cadenced(length: int, frequencies_hz: Sequence[float], cadence: _Cadence, rng: np.random.Generator) -> _Sound:
    """Return tones switched on and off, beginning somewhere in the first tone."""
    time = np.arange(length) / RATE_HZ
    within = (time + rng.uniform(0.0, 0.5 * cadence[0])) % sum(cadence)
    on = np.searchsorted(np.cumsum(cadence), within, side="right") % 2 == 0
    tones = np.sum([np.sin(2 * np.pi * hz * time + rng.uniform(0, 2 * np.pi)) for hz in frequencies_hz], axis=0)
    switched: _Sound = tones * on
    return switched


def _dtmf(length: int, rng: np.random.Generator, split: Split) -> _Sound:
    """Return a number being dialled: the keys whose row and column add up to even (train) or odd (test)."""
    keys = [
        (low_hz, high_hz)
        for row, low_hz in enumerate(_LOW_HZ)
        for column, high_hz in enumerate(_HIGH_HZ)
        if (row + column) % 2 == (split == "test")
    ]
    # ITU-T Q.24: 40 ms are told as a key everywhere; people and diallers take up to half a second.
    tone_s, pause_s = rng.uniform(0.06, 0.4), rng.uniform(0.06, 0.5)
    high = 10.0 ** (rng.uniform(0.0, 3.0) / 20.0)  # a telephone sends the high tone a little louder
    time = np.arange(round(tone_s * RATE_HZ)) / RATE_HZ
    dialled = np.zeros(length)
    for start in range(0, length, round((tone_s + pause_s) * RATE_HZ)):
        low_hz, high_hz = keys[rng.integers(len(keys))]
        pressed = np.sin(2 * np.pi * low_hz * time) + high * np.sin(2 * np.pi * high_hz * time)
        _add(dialled, pressed, start)
    return dialled


def _fax(length: int, rng: np.random.Generator, split: Split) -> _Sound:
    """Return a fax machine: one that calls and then talks by V.21 (train), or one that answers by ANSam (test).

    ITU-T T.30: CNG is 1100 Hz, 0.5 s of every 3.5. ITU-T V.8: ANSam is 2100 Hz turned round every 450 ms, its
    amplitude swinging by a fifth at 15 Hz. ITU-T V.21 channel 2: 1650 Hz for a one and 1850 Hz for a zero.
    """
    time = np.arange(length) / RATE_HZ
    if split == "test":
        turned = np.where((time // 0.45) % 2 == 0, 1.0, -1.0)
        answer: _Sound = turned * (1 + 0.2 * np.sin(2 * np.pi * 15 * time)) * np.sin(2 * np.pi * 2100 * time)
        return answer
    called = _cadenced(length, (1100.0,), (0.5, 3.0), rng)
    bits = rng.integers(0, 2, int(length / RATE_HZ / _BIT_S) + 1)
    frequency_hz = np.where(bits[(time / _BIT_S).astype(int)] == 1, 1650.0, 1850.0)
    talking = np.sin(2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ)
    return np.where(time < rng.uniform(0.3, 0.7) * length / RATE_HZ, called, talking)


def _silence(length: int, rng: np.random.Generator, split: Split) -> _Sound:  # noqa: ARG001 - silence is one
    return np.zeros(length)


def _line_noise(length: int, rng: np.random.Generator, split: Split) -> _Sound:  # noqa: ARG001 - noise has no material
    """Return an idle line, or the comfort noise (RFC 3389) put in its place: steady noise that falls with frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency_hz = np.maximum(np.fft.rfftfreq(length, 1.0 / RATE_HZ), 100.0)
    noise: _Sound = np.fft.irfft(spectrum * frequency_hz ** -rng.uniform(0.0, 1.0), length)
    return noise


def _hum(length: int, rng: np.random.Generator, split: Split) -> _Sound:
    """Return the mains on the line: a comb of its harmonics, over a little noise."""
    time = np.arange(length) / RATE_HZ
    hum = 0.05 * rng.standard_normal(length)
    for number in range(1, 20):
        hum += rng.uniform(0.0, 1.0) / number * np.sin(2 * np.pi * (_HUM_HZ[split] * number * time + rng.uniform()))
    return hum


def _cough(length: int, rng: np.random.Generator, split: Split) -> _Sound:  # noqa: ARG001 - as noise
    """Return coughs: a burst, noise through the throat's resonances that dies away, now and then a voiced end."""
    coughed = np.zeros(length)
    throat_hz = [rng.uniform(350, 650), rng.uniform(1100, 1700), rng.uniform(2300, 3300)]
    start = round(rng.uniform(0.0, 0.1) * RATE_HZ)
    while start < length:
        time = np.arange(round(rng.uniform(0.2, 0.45) * RATE_HZ)) / RATE_HZ
        burst = np.exp(-time / 0.02) + 0.35 * np.exp(-np.square((time - 0.12) / 0.08))
        sound = burst * rng.standard_normal(len(time))
        if rng.random() < 0.5:
            pulses = np.diff(np.floor(time * rng.uniform(90, 260)), prepend=0.0)
            sound += 4.0 * pulses * np.exp(-np.square((time - time[-1] * 0.8) / 0.05))
        _add(coughed, rng.uniform(0.5, 1.0) * _resonate(sound, throat_hz), start)
        start += len(time) + round(rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.6, 1.5)]) * RATE_HZ)
    return coughed


def _breath(length: int, rng: np.random.Generator, split: Split) -> _Sound:  # noqa: ARG001 - as noise
    """Return breathing into the handset: in, brighter, and out, duller, each a hill of noise."""
    breathed = np.zeros(length)
    start, inwards = 0, bool(rng.random() < 0.5)
    while start < length:
        hill = np.square(np.sin(np.linspace(0, np.pi, round(rng.uniform(0.7, 1.8) * RATE_HZ))))
        mouth_hz = [rng.uniform(900, 1500), rng.uniform(2200, 3000)] if inwards else [rng.uniform(300, 700)]
        _add(breathed, _resonate(hill * rng.standard_normal(len(hill)), mouth_hz, radius=0.85), start)
        start += len(hill) + round(rng.uniform(0.1, 0.6) * RATE_HZ)
        inwards = not inwards
    return breathed


def _keyboard(length: int, rng: np.random.Generator, split: Split) -> _Sound:  # noqa: ARG001 - as noise
    """Return typing near the microphone: each key clicks down and, softer, up, ringing in its case."""
    typed = np.zeros(length)
    case_hz = [rng.uniform(700, 1400), rng.uniform(2000, 3500)]
    time = np.arange(round(0.04 * RATE_HZ)) / RATE_HZ
    start = 0
    while start < length:
        click = _resonate(np.exp(-time / 0.003) * rng.standard_normal(len(time)), case_hz, radius=0.9)
        _add(typed, rng.uniform(0.4, 1.0) * click, start)
        _add(typed, rng.uniform(0.1, 0.4) * click, start + round(rng.uniform(0.06, 0.12) * RATE_HZ))
        start += round((rng.uniform(0.08, 0.25) if rng.random() < 0.85 else rng.uniform(0.5, 1.2)) * RATE_HZ)
    return typed


def _resonate(sound: _Sound, centres_hz: Sequence[float], radius: float = 0.93) -> _Sound:
    """Return a sound through resonators side by side; the nearer `radius` to 1, the longer they ring."""
    resonated = np.zeros(len(sound))
    for centre_hz in centres_hz:
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * centre_hz / RATE_HZ), radius**2]
        resonated += scipy.signal.lfilter([1.0 - radius], poles, sound)
    return resonated


def _add(buffer: _Sound, sound: _Sound, start: int) -> None:
    """Add a sound to the buffer in place; what lies past its end is not heard."""
    room = buffer[start : start + len(sound)]
    room += sound[: len(room)]


_MAKERS: Final[dict[str, Callable[[int, np.random.Generator, Split], _Sound]]] = {
    "music": _music,
    "announcement": _announcement,
    "ringback": _ring_back,
    "busy": _busy,
    "dtmf": _dtmf,
    "fax": _fax,
    "silence": _silence,
    "line-noise": _line_noise,
    "hum": _hum,
    "cough": _cough,
    "breath": _breath,
    "keyboard": _keyboard,
}
_QUIET: Final = ("line-noise", "hum")
KINDS: Final = (*_MAKERS, "babble")
"""Every kind of `make`."""
