"""The clock: what a machine can know of its own, and that it says what it cannot."""

from __future__ import annotations

import struct
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.checks import clock
from streamer.checks.clock import WRITTEN_S, Kernel, Moment, judge, read_timex
from streamer.checks.outcome import Level

NOW_S = WRITTEN_S + 1e7
BEGAN = Moment(NOW_S - 5, 100.0)
NOW = Moment(NOW_S, 105.0)


def test_a_clock_that_the_system_keeps_is_well() -> None:
    found = judge(BEGAN, NOW, Kernel(synchronised=True, error_ms=12.4))
    assert (found.level, found.says) == (
        Level.OK,
        "2026-04-26T17:46:40.000Z, kept in step with network time within 12 ms",
    )


@pytest.mark.parametrize(
    ("system", "words"),
    [
        (Kernel(synchronised=False, error_ms=16_000), "does not keep it in step with network time"),
        (Kernel(synchronised=True, error_ms=2500), "may be 2.5 s wrong"),
    ],
)
def test_a_clock_that_nobody_keeps_is_warned_of(system: Kernel, words: str) -> None:
    found = judge(BEGAN, NOW, system)
    assert found.level is Level.WARN
    assert words in found.says
    assert "run chronyd" in found.says


def test_where_the_system_does_not_tell_that_is_said() -> None:
    found = judge(BEGAN, NOW, None)
    assert found.level is Level.OK
    assert "this system does not tell" in found.says


@given(st.floats(0, WRITTEN_S - 1))
def test_a_clock_before_this_program_is_wrong(now_s: float) -> None:
    found = judge(Moment(now_s, 0), Moment(now_s, 0), Kernel(synchronised=True, error_ms=1))
    assert found.level is Level.WRONG
    assert "before this program was written" in found.says


@given(st.floats(-1e6, 1e6).filter(lambda step_s: abs(step_s) > 0.6))
def test_a_clock_that_jumps_while_we_look_is_warned_of(step_s: float) -> None:
    found = judge(BEGAN, Moment(NOW_S + step_s, NOW.monotonic_s), Kernel(synchronised=True, error_ms=1))
    assert found.level is Level.WARN
    assert "jumped" in found.says


def test_the_kernels_answer_is_read() -> None:
    def timex(status: int, error_us: int) -> bytes:
        return struct.pack("@iqqqqi", 0, 0, 0, error_us, 0, status).ljust(208, b"\0")

    assert read_timex(timex(0x40, 16_000_000)) == Kernel(synchronised=False, error_ms=16_000)
    assert read_timex(timex(0x2001, 1500)) == Kernel(synchronised=True, error_ms=1.5)


def test_this_machine_can_be_asked_and_is_not_changed() -> None:
    (found,) = clock.check(Moment(time.time(), time.monotonic()))
    assert found.what == "clock"


def test_another_system_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert clock.kernel() is None


def test_a_kernel_that_does_not_let_us_ask_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute:
        @staticmethod
        def adjtimex(_buffer: object) -> int:
            return -1

    monkeypatch.setattr(clock.ctypes, "CDLL", lambda _: Mute)
    assert clock.kernel() is None
    monkeypatch.setattr(clock.ctypes, "CDLL", lambda _: object())
    assert clock.kernel() is None
