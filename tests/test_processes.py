"""What is heard of a process: each line as it comes, and nobody waits for one that cannot come any more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.processes import Output, Words

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Run a program, with pipes to and from it; what is left of it at the end is killed."""
    running = []

    def run(text: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", "-c", text]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def test_a_line_is_there_while_its_process_still_runs(start: Start) -> None:
    process = start("print('one'); print('two  '); input()")
    words = Words(process.stdout, "it")
    assert words.until("^t.o$") == "two"
    assert words.said == ["one", "two"]
    assert process.poll() is None
    assert not words.is_over


def test_the_same_words_can_be_waited_for_again(start: Start) -> None:
    process = start("print('turn 1'); input(); print('turn 2'); input()")
    words = Words(process.stdout, "it")
    assert words.until("turn") == "turn 1"
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert words.until("turn", times=2) == "turn 2"


def test_waiting_ends_with_the_process_and_what_it_had_said_is_told(start: Start) -> None:
    words = Words(start("print('something else')").stdout, "the program")
    with pytest.raises(AssertionError, match="the program never said 'hello' 2 times:\nsomething else"):
        words.until("hello", times=2)
    assert words.is_over


def test_what_is_kept_of_a_line_is_what_is_looked_at(start: Start) -> None:
    numbers = Output(start("print(1); print(20); print(3)").stdout, "it", int)
    assert numbers.first(lambda number: number > 2, "a large number") == 20
    numbers.close()
    numbers.close()
    assert numbers.said == [1, 20, 3]
