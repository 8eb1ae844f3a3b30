"""Hold music, composed and synthesised here: chords, bass, melody and drums in several styles, at 8 kHz.

What a caller hears while waiting is nobody's emotion. Two sets of styles share no progression, no instrument, no drum
pattern and no range of tempo, so that music learned from is not the music judged by. This file must never read audio
or draw random numbers of its own accord.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]
_RATE_HZ: Final = 8000
_TOP_HZ: Final = 3800.0
"""Partials above are left out: they would fold back."""

_Buffer = NDArray[np.float64]


class Instrument(msgspec.Struct, frozen=True):
    """A sound made of partials that swell and fade."""

    partials: tuple[float, ...]
    """Amplitude of the first, second ... partial."""
    attack_s: float
    decay_s: float
    """After so long a tone has fallen to a third; partial k does so k times as fast where `damped`."""
    damped: bool = True
    vibrato: float = 0.0
    """Share by which the pitch swings, five times a second."""
    stretch: float = 1.0
    """Partial k stands at k ** stretch: 1 is a string, more a bar or a bell."""


class Style(msgspec.Struct, frozen=True):
    """What pieces of one kind have in common."""

    bpm: tuple[float, float]
    """Least and most beats a minute."""
    scale: tuple[int, ...]
    """Semitones above the key note."""
    progressions: tuple[tuple[int, ...], ...]
    """Steps of the scale on which the chords stand, one a bar of four beats."""
    chords: Instrument
    melody: Instrument
    bass: Instrument
    broken: bool
    """Whether chords are played note by note, or at once."""
    kick: tuple[int, ...] = ()
    """Sixteenths of the bar, 0 to 15."""
    snare: tuple[int, ...] = ()
    hat: tuple[int, ...] = ()


_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
_MINOR: Final = (0, 2, 3, 5, 7, 8, 10)
_DORIAN: Final = (0, 2, 3, 5, 7, 9, 10)
_MIXOLYDIAN: Final = (0, 2, 4, 5, 7, 9, 10)
_HARMONIC_MINOR: Final = (0, 2, 3, 5, 7, 8, 11)
_LYDIAN: Final = (0, 2, 4, 6, 7, 9, 11)

_PIANO: Final = Instrument((1.0, 0.6, 0.4, 0.25, 0.15, 0.1), 0.005, 0.9)
_STRINGS: Final = Instrument((1.0, 0.5, 0.33, 0.25, 0.2, 0.17, 0.14), 0.18, 6.0, damped=False, vibrato=0.006)
_FLUTE: Final = Instrument((1.0, 0.25, 0.08), 0.06, 4.0, damped=False, vibrato=0.008)
_ROUND_BASS: Final = Instrument((1.0, 0.5, 0.2), 0.01, 0.7)
_SQUARE_LEAD: Final = Instrument((1.0, 0.0, 0.33, 0.0, 0.2, 0.0, 0.14), 0.01, 1.5, damped=False)
_ORGAN: Final = Instrument((1.0, 0.8, 0.0, 0.5, 0.0, 0.0, 0.0, 0.3), 0.02, 30.0, damped=False)
_GUITAR: Final = Instrument((0.8, 1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1), 0.003, 0.6)
_BRASS: Final = Instrument((0.6, 1.0, 0.9, 0.7, 0.5, 0.35, 0.2), 0.07, 5.0, damped=False, vibrato=0.003)
_BELL: Final = Instrument((1.0, 0.6, 0.5, 0.3), 0.002, 1.4, stretch=1.35)
_HARD_BASS: Final = Instrument((0.7, 1.0, 0.8, 0.4, 0.3), 0.005, 0.4)

STYLES: Final[dict[Split, tuple[Style, ...]]] = {
    "train": (
        # A slow piano with strings, no drums.
        Style((56, 76), _MAJOR, ((0, 4, 5, 3), (0, 5, 3, 4)), _PIANO, _STRINGS, _ROUND_BASS, broken=True),
        # An easy-going band.
        Style(
            (92, 112),
            _MAJOR,
            ((0, 3, 4, 3), (0, 2, 3, 4)),
            _PIANO,
            _FLUTE,
            _ROUND_BASS,
            broken=False,
            kick=(0, 8),
            snare=(4, 12),
            hat=(0, 2, 4, 6, 8, 10, 12, 14),
        ),
        # A quick electronic loop.
        Style(
            (118, 132),
            _MINOR,
            ((0, 5, 2, 6), (0, 3, 5, 6)),
            _STRINGS,
            _SQUARE_LEAD,
            _ROUND_BASS,
            broken=True,
            kick=(0, 4, 8, 12),
            snare=(4, 12),
            hat=(2, 6, 10, 14),
        ),
        # Something sad.
        Style((60, 80), _MINOR, ((0, 6, 5, 6), (0, 3, 0, 4)), _STRINGS, _PIANO, _ROUND_BASS, broken=False),
    ),
    "test": (
        # An organ hymn.
        Style((80, 90), _MIXOLYDIAN, ((0, 6, 3, 0), (0, 4, 6, 3)), _ORGAN, _BRASS, _HARD_BASS, broken=False),
        # A guitar that never ends.
        Style(
            (134, 150),
            _DORIAN,
            ((0, 3, 0, 3), (0, 2, 3, 1)),
            _GUITAR,
            _BELL,
            _HARD_BASS,
            broken=True,
            kick=(0, 6, 10),
            snare=(4, 12, 15),
            hat=(0, 3, 4, 7, 8, 11, 12, 15),
        ),
        # A brass band.
        Style(
            (113, 117),
            _LYDIAN,
            ((0, 1, 4, 0), (0, 1, 0, 4)),
            _BRASS,
            _GUITAR,
            _HARD_BASS,
            broken=False,
            kick=(0, 3, 8, 11),
            snare=(2, 6, 10, 14),
        ),
        # A dark music box.
        Style((81, 91), _HARMONIC_MINOR, ((0, 4, 0, 5), (0, 3, 4, 5)), _BELL, _ORGAN, _HARD_BASS, broken=True),
    ),
}
"""Split -> what its pieces are drawn from."""


def compose(seconds: float, rng: np.random.Generator, split: Split) -> NDArray[np.float32]:
    """Return a piece of music of any level.

    Parameters
    ----------
    seconds
        How long it is; it begins with a bar and ends anywhere.
    rng
        Draws style, key, tempo, melody and mix.
    split
        Whose styles.

    Returns
    -------
    float32[n]
        At 8 kHz.
    """
    style = STYLES[split][int(rng.integers(len(STYLES[split])))]
    beat_s = 60.0 / rng.uniform(*style.bpm)
    key = int(rng.integers(48, 60))
    progression = style.progressions[int(rng.integers(len(style.progressions)))]
    levels = rng.uniform(0.5, 1.0, 4)
    motif = _motif(rng)
    buffer = np.zeros(round(seconds * _RATE_HZ))
    step = int(rng.integers(0, 7))
    bar = 0
    while bar * 4 * beat_s < seconds:
        start_s = bar * 4 * beat_s
        root = progression[bar % len(progression)]
        chord = [_pitch(style.scale, key, root + third) for third in (0, 2, 4)]
        _play_chord(buffer, style, chord, start_s=start_s, beat_s=beat_s, level=0.3 * levels[0])
        for beat in (0, 2):
            at_s = start_s + beat * beat_s
            _play(buffer, style.bass, chord[0] - 12, start_s=at_s, duration_s=1.8 * beat_s, level=0.7 * levels[1])
        if bar % 4 == 3:
            motif = _motif(rng)
        for sixteenth, length in motif:
            # The tune wanders by small steps and returns to the chord where a half bar begins.
            step = root + 7 if sixteenth % 8 == 0 else step + int(rng.integers(-2, 3))
            step = int(np.clip(step, 4, 16))
            pitch = _pitch(style.scale, key, step)
            at_s, long_s = start_s + sixteenth * beat_s / 4, length * beat_s / 4
            _play(buffer, style.melody, pitch, start_s=at_s, duration_s=long_s, level=0.6 * levels[2])
        _drum(buffer, style, rng, start_s=start_s, sixteenth_s=beat_s / 4, level=0.8 * levels[3])
        bar += 1
    return buffer.astype(np.float32)


def _motif(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return a bar's rhythm: where in sixteenths a note begins and how long it is."""
    notes = []
    at = 0
    while at < 16:
        length = int(rng.choice([2, 2, 4, 4, 6, 8]))
        if rng.random() < 0.85:
            notes.append((at, min(length, 16 - at)))
        at += length
    return notes


def _pitch(scale: Sequence[int], key: int, step: int) -> int:
    """Return the MIDI number of a step of a scale, of any octave."""
    octave, degree = divmod(step, len(scale))
    return key + 12 * octave + scale[degree]


def _play_chord(
    buffer: _Buffer, style: Style, chord: Sequence[int], *, start_s: float, beat_s: float, level: float
) -> None:
    """Add a bar of a chord: at once, or note by note, up and down."""
    if not style.broken:
        for pitch in chord:
            _play(buffer, style.chords, pitch, start_s=start_s, duration_s=3.9 * beat_s, level=level)
        return
    for eighth, note in enumerate((0, 1, 2, 1, 0, 1, 2, 1)):
        at_s = start_s + eighth * beat_s / 2
        _play(buffer, style.chords, chord[note], start_s=at_s, duration_s=beat_s, level=level)


def _play(
    buffer: _Buffer, instrument: Instrument, pitch: int, *, start_s: float, duration_s: float, level: float
) -> None:
    """Add one note to the buffer; what lies past its end is not heard."""
    start = round(start_s * _RATE_HZ)
    length = min(round(duration_s * _RATE_HZ), len(buffer) - start)
    if length <= 0:
        return
    time = np.arange(length) / _RATE_HZ
    note_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * note_hz * time
    if instrument.vibrato:
        phase = phase + note_hz * instrument.vibrato / 5.0 * np.sin(2 * np.pi * 5.0 * time)
    tone = np.zeros(length)
    for number, amplitude in enumerate(instrument.partials, start=1):
        multiple = number**instrument.stretch
        if amplitude and note_hz * multiple < _TOP_HZ:
            speed = number if instrument.damped else 1
            tone += amplitude * np.exp(-time * speed / instrument.decay_s) * np.sin(multiple * phase)
    swell = np.minimum(1.0, time / instrument.attack_s) * np.minimum(1.0, (length - np.arange(length)) / 160)
    buffer[start : start + length] += level * swell * tone / sum(instrument.partials)


def _drum(
    buffer: _Buffer, style: Style, rng: np.random.Generator, *, start_s: float, sixteenth_s: float, level: float
) -> None:
    """Add a bar of drums: a falling tone, a noise with a tone, a short bright noise."""
    time = np.arange(round(0.15 * _RATE_HZ)) / _RATE_HZ
    noise = rng.standard_normal(len(time))
    bright = np.diff(noise, prepend=0.0)
    kick = np.sin(2 * np.pi * (50 * time + 4 * (1 - np.exp(-30 * time)))) * np.exp(-18 * time)
    snare = (0.5 * noise + 0.5 * np.sin(2 * np.pi * 190 * time)) * np.exp(-25 * time)
    hat = 0.3 * bright * np.exp(-80 * time)
    for strokes, sound in ((style.kick, kick), (style.snare, snare), (style.hat, hat)):
        for sixteenth in strokes:
            start = round((start_s + sixteenth * sixteenth_s) * _RATE_HZ)
            room = buffer[start : start + len(sound)]
            room += level * sound[: len(room)]
