"""How a command runs and is ended on any system: its event loop, and the signals that ask it to stop.

Systems differ: Windows knows no handlers of signals in its loops, and its usual loop cannot watch a socket for the MQTT
client. This file must never decide what ending means: it calls whom it is told to call.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")

ENDS = (signal.SIGINT, signal.SIGTERM)
"""What asks a program to end: Ctrl-C, and who runs it as a service."""


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, as :func:`asyncio.run` does, on a loop that can watch sockets on every system."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(work)


def on_signals(do: Callable[[], None], numbers: Iterable[signal.Signals] = ENDS) -> None:
    """Have a function called in the running loop for each signal that comes, in the place of what it usually does.

    Parameters
    ----------
    do : callable
        Called without arguments.
    numbers : iterable of signal.Signals
        Which; those that ask for the end if not given.
    """
    loop = asyncio.get_running_loop()
    for number in numbers:
        try:
            loop.add_signal_handler(number, do)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(do) and None)
