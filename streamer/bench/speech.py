"""Made-up calls of two parties who take turns, with speech that begins and ends at known samples.

Put together from the lines of the call that ships with the package, whose voices are synthetic. Pure but for
`demo_call`, which reads that file. This file must never use what the server uses to find speech: where speech ends is
known because it was put there.
"""

from __future__ import annotations

import importlib.resources
import random
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from streamer_client.recording import open_recording

Samples = NDArray[np.int16]
"""int16[samples, 2]: customer, agent; or int16[samples] of one of them."""

RATE_HZ: Final = 8000
ROLES: Final = ("customer", "agent")
SPEECH_SHARE: Final = 0.4
"""Of the time of each leg: a conversation in which somebody speaks four fifths of the time."""

_QUIET: Final = 0.002
"""Full scale 1; below it nobody speaks on the shipped recording."""
_LEAST_PAUSE: Final = RATE_HZ // 4
_TURN_S: Final = (1.6, 4.0)
"""Shortest and longest turn. Its pauses, a quarter of it each, must not join it with the next."""
_JOINT: Final = RATE_HZ // 20
"""Silence between two lines of one turn: far less than a hangover, so that a turn is one utterance."""
_BLOCK: Final = RATE_HZ // 50
_LOUD: Final = 32768 * 10 ** (-30 / 20)
"""Effective level at which a turn may begin and end: in a sound, so that its end is beyond doubt."""
_HISS: Final = 32768 * 10 ** (-74 / 20)
"""Effective level of the noise of the line."""


@dataclass(frozen=True)
class Spoken:
    """Where somebody speaks."""

    channel: int
    start: int
    """The first sample."""
    end: int
    """The sample behind the last."""


@dataclass(frozen=True)
class Talk:
    """A call, and where speech lies in it."""

    samples: Samples
    """int16[samples, 2] at 8 kHz."""
    spoken: tuple[Spoken, ...]
    """In order of time; the turn that the end of the call cuts is not among them."""


def demo_call() -> Samples:
    """Return the call that ships with the package, int16[samples, 2] at 8 kHz."""
    with importlib.resources.as_file(importlib.resources.files("streamer.demo") / "call.flac") as path:
        recording = open_recording(path)
        return np.concatenate([block.samples for block in recording.blocks(rate_hz=RATE_HZ)])


def lines(side: Samples) -> list[Samples]:
    """Return what is said on one channel, int16[samples], line by line: parts between pauses of 250 ms and more."""
    loud = np.flatnonzero(np.abs(side.astype(np.int32)) > _QUIET * 32768)
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > _LEAST_PAUSE)
    begins = [loud[0], *loud[breaks + 1]]
    ends = [*loud[breaks], loud[-1]]
    return [side[begin : end + 1] for begin, end in zip(begins, ends, strict=True) if end - begin > _LEAST_PAUSE]


def hiss(dice: random.Random, samples: int) -> Samples:
    """Return the noise of a line on which nobody speaks, int16[samples, 2] at -74 dBFS."""
    noise = np.random.default_rng(dice.getrandbits(64)).normal(0, _HISS, (samples, 2))
    return np.round(noise).astype(np.int16)


def talk(dice: random.Random, seconds: float, call: Samples | None = None) -> Talk:
    """Return a call in which each party speaks 40 % of the time.

    Parameters
    ----------
    dice
        Chooses lines and lengths; the same state gives the same call.
    seconds
        Its length in s, above 0.
    call
        int16[samples, 2], the recording whose lines are used; the shipped one if not given.
    """
    source = demo_call() if call is None else call
    said = [lines(source[:, channel]) for channel in range(2)]
    length = round(seconds * RATE_HZ)
    samples = hiss(dice, length)
    spoken: list[Spoken] = []
    position, channel = round(dice.uniform(0.1, 1.0) * RATE_HZ), 0
    while position < length:
        turn = _turn(dice, said[channel])
        end = position + len(turn)
        samples[position:end, channel] += turn[: length - position]
        if end <= length:
            spoken.append(Spoken(channel, position, end))
        position = end + round(len(turn) * (0.5 / SPEECH_SHARE - 1))
        channel = 1 - channel
    return Talk(samples, tuple(spoken))


def _turn(dice: random.Random, said: list[Samples]) -> Samples:
    """Return what one party says without a pause, int16[samples]; it ends in a sound."""
    wanted = round(dice.uniform(*_TURN_S) * RATE_HZ)
    turn = _sounding(dice.choice(said))
    while len(turn) < wanted:
        turn = np.concatenate([turn, np.zeros(_JOINT, np.int16), _sounding(dice.choice(said))])
    return _sounding(turn[:wanted])


def _sounding(line: Samples) -> Samples:
    """Return a line, int16[samples], without what is quiet before its first sound and behind its last."""
    blocks = line[: len(line) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64)
    loud = np.flatnonzero(np.sqrt(np.mean(blocks**2, axis=1)) > _LOUD)
    return line[loud[0] * _BLOCK : (loud[-1] + 1) * _BLOCK]
