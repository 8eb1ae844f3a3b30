"""The state, used from the event loop: every use runs in one thread of its own, in the order in which it was asked for.

A commit waits for the disk, and the event loop must not. This file must never know what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from streamer_client.alerts.state import State

T = TypeVar("T")


class Disk:
    """A state and its thread: ``await disk(lambda state: state.get("name"))``.

    Parameters
    ----------
    state : State
        Closed with :meth:`close`.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._thread = ThreadPoolExecutor(1, "alert state")

    async def __call__(self, use: Callable[[State], T]) -> T:
        """Return what a use of the state returns. Once asked for it happens, even if the asker is cancelled."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, use, self._state)
        return await asyncio.shield(running)

    def close(self) -> None:
        """Finish what was asked for and close the state."""
        self._thread.shutdown()
        self._state.close()
