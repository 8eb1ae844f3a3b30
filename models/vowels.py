"""Made-up syllables: a buzzing glottis through the resonances of vowels. To try a network on where no voice is at hand.

Nothing is learned from them and no figure of a card is about them: they compare two forms of one network. This file
must never read recordings or run another program.
"""

from typing import Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

RATE_HZ: Final = 8000
FORMANTS_HZ: Final = (
    (270.0, 2290.0, 3010.0),
    (530.0, 1840.0, 2480.0),
    (660.0, 1720.0, 2410.0),
    (730.0, 1090.0, 2440.0),
    (570.0, 840.0, 2410.0),
    (300.0, 870.0, 2240.0),
)
"""Of heed, head, had, hod, hawed and who'd, means of 33 men."""
_BANDWIDTH_HZ: Final = 90.0


def babbling(seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return syllables of one made-up throat, whose pitch and loudness move as in a sentence.

    Parameters
    ----------
    seconds
        How long it is.
    rng
        Draws throat, vowels, pitch and loudness.

    Returns
    -------
    float32[n]
        In -1 to 1 at 8 kHz, half of full scale at its loudest.

    References
    ----------
    G. E. Peterson, H. L. Barney: Control methods used in a study of the vowels. JASA 24(2), 1952, table II.
    """
    length = round(seconds * RATE_HZ)
    time = np.arange(length) / RATE_HZ
    pitch_hz, throat = rng.uniform(90.0, 260.0), rng.uniform(0.95, 1.2)
    swing = np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * time + rng.uniform()))
    beats = np.cumsum(pitch_hz * (1.0 + 0.3 * swing)) / RATE_HZ
    pulses = np.diff(np.floor(beats), prepend=0.0) + 0.01 * rng.standard_normal(length)
    spoken = np.zeros(length)
    start = 0
    while start < length:
        end = min(length, start + round(rng.uniform(0.12, 0.35) * RATE_HZ))
        hill = np.sin(np.linspace(0.0, np.pi, end - start)) ** 0.5
        sound = pulses[start:end]
        for formant_hz in FORMANTS_HZ[rng.integers(len(FORMANTS_HZ))]:
            radius = np.exp(-np.pi * _BANDWIDTH_HZ / RATE_HZ)
            turn = 2 * np.pi * throat * formant_hz / RATE_HZ
            poles = [1.0, -2.0 * radius * np.cos(turn), radius**2]
            sound = scipy.signal.lfilter([sum(poles)], poles, sound)
        spoken[start:end] = rng.uniform(0.3, 1.0) * hill * sound
        start = end + round(rng.uniform(0.0, 0.12) * RATE_HZ)
    loudest = float(np.abs(spoken).max(initial=0.0))
    return (spoken * (0.5 / loudest if loudest else 0.0)).astype(np.float32)
