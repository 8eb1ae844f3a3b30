"""Is the system's clock right, as far as a machine can know that of itself.

Events are evidence and carry its time. Whether it is right cannot be known without asking somebody else; whether the
system keeps it in step with network time can be, on Linux, and whether it stands before this program was written. This
file must never set a clock.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import time
from typing import Final

import msgspec

from streamer.bus.cloudevents import rfc3339
from streamer.checks.outcome import Level, Outcome

WRITTEN_S: Final = 1_767_225_600
"""2026-01-01, the year of this program: no clock that is right stands before it."""
_FAR_MS: Final = 1000.0
_STEP_S: Final = 0.5
_UNSYNCHRONISED: Final = 0x40
"""STA_UNSYNC of adjtimex(2)."""
_LONG_64: Final = 8
_BUFFER_BYTES: Final = 512
"""More than `struct timex` has on any system."""


class Moment(msgspec.Struct, frozen=True):
    """One moment on both clocks."""

    wall_s: float
    monotonic_s: float


class Kernel(msgspec.Struct, frozen=True):
    """What the kernel says of its clock."""

    synchronised: bool
    error_ms: float
    """At most so far from the right time, where it is synchronised."""


def check(began: Moment) -> list[Outcome]:
    """Return one outcome.

    Parameters
    ----------
    began
        A moment some while ago: a clock that jumps since then is set by somebody.
    """
    return [judge(began, Moment(time.time(), time.monotonic()), kernel())]


def judge(began: Moment, now: Moment, system: Kernel | None) -> Outcome:
    """Return what two moments and the kernel say; pure.

    Parameters
    ----------
    began, now
        Two moments.
    system
        None where the system does not tell.
    """
    shown = rfc3339(now.wall_s)
    if now.wall_s < WRITTEN_S:
        text = f"it says {shown}, which is before this program was written: set it, and have the system keep it"
        return Outcome("clock", Level.WRONG, text)
    step_s = (now.wall_s - began.wall_s) - (now.monotonic_s - began.monotonic_s)
    if abs(step_s) > _STEP_S:
        text = f"{shown}; it jumped by {step_s:+.1f} s while we looked: something sets it instead of keeping it"
        return Outcome("clock", Level.WARN, text)
    if system is None:
        return Outcome("clock", Level.OK, f"{shown}; whether it is kept in step, this system does not tell")
    keep = "run chronyd or systemd-timesyncd; for a container, on its host"
    if not system.synchronised:
        text = f"{shown}; the system does not keep it in step with network time, and events carry it: {keep}"
        return Outcome("clock", Level.WARN, text)
    if system.error_ms > _FAR_MS:
        text = f"{shown}; kept in step, but it may be {system.error_ms / 1000:.1f} s wrong: {keep}"
        return Outcome("clock", Level.WARN, text)
    return Outcome("clock", Level.OK, f"{shown}, kept in step with network time within {system.error_ms:.0f} ms")


def kernel() -> Kernel | None:
    """Return what the kernel says; None where it is not Linux on 64 bits, or does not let us ask."""
    if not sys.platform.startswith("linux") or ctypes.sizeof(ctypes.c_long) != _LONG_64:
        return None
    timex = ctypes.create_string_buffer(_BUFFER_BYTES)  # modes 0: read only
    try:
        state = ctypes.CDLL(None).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    return None if state < 0 else read_timex(timex.raw)


def read_timex(raw: bytes) -> Kernel:
    """Return what a `struct timex` of 64 bits holds: modes, offset, freq, maxerror (us), esterror, status, ..."""
    *_, error_us, _esterror, status = struct.unpack_from("@iqqqqi", raw)
    return Kernel(not status & _UNSYNCHRONISED, error_us / 1000)
