"""A command's loop and its end: by signals where loops know them, and where they do not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
from streamer_client.running import ENDS, on_signals, run


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Put back what signals do."""
    before = {number: signal.getsignal(number) for number in ENDS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class NoHandlers(asyncio.SelectorEventLoop):
    """A loop as Windows has it."""

    def add_signal_handler(self, *_: object) -> None:
        raise NotImplementedError


def test_what_runs_is_on_a_loop_that_can_watch_sockets_and_its_result_comes_back() -> None:
    async def loop() -> type[asyncio.AbstractEventLoop]:
        return type(asyncio.get_running_loop())

    assert issubclass(run(loop()), asyncio.SelectorEventLoop)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("kind", [asyncio.SelectorEventLoop, NoHandlers])
def test_a_signal_calls_the_function_in_the_loop(number: signal.Signals, kind: type[asyncio.SelectorEventLoop]) -> None:
    async def until_asked() -> bool:
        asked = asyncio.Event()
        on_signals(asked.set)
        signal.raise_signal(number)
        await asked.wait()
        return asked.is_set()

    with asyncio.Runner(loop_factory=kind) as runner:
        assert runner.run(until_asked())


@pytest.mark.usefixtures("_handlers")
def test_only_the_signals_that_were_named_are_taken() -> None:
    async def take() -> None:
        on_signals(lambda: None, (signal.SIGTERM,))

    before = signal.getsignal(signal.SIGINT)
    with asyncio.Runner(loop_factory=NoHandlers) as runner:
        runner.run(take())
    assert signal.getsignal(signal.SIGINT) is before
    assert callable(signal.getsignal(signal.SIGTERM))
