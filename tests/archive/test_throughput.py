from __future__ import annotations

import io

from rich.console import Console

from streamer.archive.throughput import EVERY_S, Throughput


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def seen(*, terminal: bool, quiet: bool = False) -> tuple[str, Throughput]:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=terminal, width=120)
    with Throughput(3, 5, clock, quiet=quiet, console=console) as throughput:
        clock.s = EVERY_S
        throughput.done(3000)
        throughput.failed()
        said = throughput.words()
        clock.s = 10
        throughput.done(3000)
    assert said == "1 of 3 analysed, 1 could not be, 50:00 of audio at 600 times real time, about 2 s to go"
    return out.getvalue(), throughput


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end() -> None:
    text, throughput = seen(terminal=False)
    first, *_, last = text.splitlines()
    assert first == "1 of 3 analysed, 50:00 of audio at 600 times real time, about 10 s to go"
    assert last == "2 of 3 analysed, 1 could not be, 1:40:00 of audio at 600 times real time"
    assert throughput.console is None


def test_a_terminal_gets_a_bar_that_counts_what_was_done_before() -> None:
    text, throughput = seen(terminal=True)
    assert "8/8" in text
    assert throughput.console is not None


def test_who_wants_quiet_gets_it() -> None:
    assert seen(terminal=False, quiet=True)[0] == ""
    assert seen(terminal=True, quiet=True)[0] == ""


def test_nothing_done_is_not_spoken_of() -> None:
    out = io.StringIO()
    with Throughput(0, 5, lambda: 0.0, quiet=False, console=Console(file=out)):
        pass
    assert out.getvalue() == ""
