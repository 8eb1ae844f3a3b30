"""A sound device of the tests' own: says what it is told to, and may go."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from streamer_client.errors import ClientError


class FakeSource:
    def __init__(self, name: str = "Microphone") -> None:
        self.name = name
        self.refusals = 0
        """So many of the next openings fail."""
        self.opened = 0
        self.closed = 0
        self.on_open: Callable[[], None] = lambda: None
        self._on_block: Any = None
        self._on_end: Any = None

    def open(self, on_block: Any, on_end: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise ClientError(f"{self.name} cannot be opened: busy")
        self.opened += 1
        self._on_block, self._on_end = on_block, on_end
        self.on_open()
        return self

    def close(self) -> None:
        self.closed += 1

    def say(self, samples: np.ndarray, at_s: float | None = None) -> None:
        self._on_block(samples, time.monotonic() if at_s is None else at_s)

    def go(self) -> None:
        self._on_end()
