"""Whether a live sender's sample rate can be true, judged by how fast its samples arrive.

A stream that says 8 kHz and delivers 16,000 samples a second is heard an octave too low and every verdict on it is
worthless, so it is refused in words. Only for senders without a media clock that claim to send at the speed of life;
others (a recording played faster) must not be asked. Pure: the time comes in as an argument. This file must never
guess: what arrives in bursts, with silence left out or near the declared rate is let pass. So is what comes too fast in
steps shorter than live senders make them: that is a recording whose player did not say that it hurries.
"""

from __future__ import annotations

from collections import deque
from typing import Final

RATES_HZ: Final = (8000, 16000, 24000, 32000, 44100, 48000)
"""Rates that a sender can have meant."""

_WINDOW_S: Final = 2.0
_LONGEST_WINDOW_S: Final = 2.5
"""A window that no sample ends before this is no steady stream."""
_WINDOWS: Final = 5
_STEADY: Final = 0.05
_NEAR: Final = 0.04
_LIVE_STEP_S: Final = 0.015
"""Live audio comes in messages of 20 ms and more; at twice the speed of life these are 10 ms apart."""
_PLAUSIBLE_RATIOS: Final = (0.75, 1.3)
"""Between these the declared rate may be right: clocks drift and networks catch up."""


class RateCheck:
    """One stream's declared rate against the rate at which samples arrive.

    Parameters
    ----------
    rate_hz
        What the sender declared.

    Raises
    ------
    ValueError
        When the rate is not above 0.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz <= 0:
            raise ValueError(f"the declared rate is {rate_hz} Hz, must be above 0")
        self._declared_hz = rate_hz
        self._window_began_s: float | None = None
        self._window_samples = 0
        self._window_arrivals = 0
        self._step_s = 0.0
        """Mean time between arrivals in the last window."""
        self._rates_hz: deque[float] = deque(maxlen=_WINDOWS)

    def feed(self, now_s: float, samples: int) -> str | None:
        """Take note of an arrival.

        Parameters
        ----------
        now_s
            When it came, in seconds on a clock that never goes back.
        samples
            How many samples of one channel it brought.

        Returns
        -------
        str or None
            Why the stream must be refused: one sentence that names the declared, the measured and the likely rate.
            None while nothing speaks against it.
        """
        if self._window_began_s is None:
            self._window_began_s = now_s
            return None
        self._window_samples += samples
        self._window_arrivals += 1
        length_s = now_s - self._window_began_s
        if length_s < _WINDOW_S:
            return None
        if length_s > _LONGEST_WINDOW_S:
            self._rates_hz.clear()
        else:
            self._rates_hz.append(self._window_samples / length_s)
        self._step_s = length_s / self._window_arrivals
        self._window_began_s, self._window_samples, self._window_arrivals = now_s, 0, 0
        return self._judge()

    def pause(self) -> None:
        """Begin anew: the sender has said that it stops, goes on, or leaves media out."""
        self._window_began_s, self._window_samples, self._window_arrivals = None, 0, 0
        self._rates_hz.clear()

    def _judge(self) -> str | None:
        if len(self._rates_hz) < _WINDOWS:
            return None
        measured_hz = sum(self._rates_hz) / _WINDOWS
        if any(abs(rate_hz - measured_hz) > _STEADY * measured_hz for rate_hz in self._rates_hz):
            return None
        low, high = _PLAUSIBLE_RATIOS
        if low < measured_hz / self._declared_hz < high:
            return None
        if measured_hz > self._declared_hz and self._step_s < _LIVE_STEP_S:
            return None
        likely_hz = min(RATES_HZ, key=lambda rate_hz: abs(rate_hz - measured_hz))
        if abs(likely_hz - measured_hz) > _NEAR * likely_hz:
            return None
        return (
            f"sample_rate is {self._declared_hz}, but {measured_hz:.0f} samples a second arrive; it is likely "
            f"{likely_hz}: correct sample_rate, encoding or the number of channels, or state 'speed' if a recording is "
            "played faster or slower than life"
        )
