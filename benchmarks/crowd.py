"""Callers as a telephone system has them: calls come and go, most behave, some do not; now and then a stranger knocks.

For experiments that last. Callers are tasks of one event loop and play tapes, so that hundreds of them cost less than
the server that hears them. This file must never be the reason of a fault without saying so: what we broke ourselves is
counted apart from what the server ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.calls import GOOD, Clocks, Conduct, Tape, play

STRANGERS: Final = ("nonsense", "wrong path", "TLS", "never speaks", "speaks out of turn")
_SILENT_S: Final = 20.0
"""How long a connection that never speaks waits to be thrown out; the server does so after 15 s."""


@dataclass(frozen=True)
class Manners:
    """How often something happens, as a share of calls, and how strangers come."""

    hang_up: float = 0.05
    reconnect: float = 0.05
    stall: float = 0.03
    stranger_every_s: float = 5.0
    begin_within_s: float = 5.0
    """A new place in the crowd is taken at a random moment of this time."""


class Crowd:
    """So many callers at once, for as long as wanted.

    Parameters
    ----------
    url
        The server, without a path.
    tapes
        What they say.
    dice
        Decides everything.
    manners
        How they behave.
    """

    def __init__(self, url: str, tapes: Sequence[Tape], dice: random.Random, manners: Manners | None = None) -> None:
        self._url = url
        self._tapes = tapes
        self._dice = dice
        self._manners = manners or Manners()
        self._places: list[asyncio.Task[None]] = []
        self._stranger: asyncio.Task[None] | None = None
        self._calls = 0
        self.clocks = Clocks()
        self.outcomes: Counter[str] = Counter()
        """How calls ended; ``closed`` and ``no connection`` are the server's doing."""
        self.strangers: Counter[str] = Counter()
        """Who came that should not."""

    @property
    def troubles(self) -> int:
        """Calls that the server ended or did not take."""
        return self.outcomes["closed"] + self.outcomes["no connection"]

    @property
    def story(self) -> str:
        """What happened, in two sentences."""
        went = ", ".join(f"{count} {kind}" for kind, count in sorted(self.outcomes.items()))
        came = ", ".join(f"{count} {kind}" for kind, count in sorted(self.strangers.items()))
        return f"Calls: {went or 'none'}. Strangers: {came or 'none'}."

    def grow(self, calls: int) -> None:
        """Have so many calls at once from now on; never fewer than before."""
        while len(self._places) < calls:
            number = len(self._places)
            self._places.append(asyncio.create_task(self._place(), name=f"caller {number}"))
        if self._stranger is None:
            self._stranger = asyncio.create_task(self._strangers(), name="strangers")

    async def leave(self) -> None:
        """Hang up on all calls, in the middle of a word.

        Raises
        ------
        Exception
            What a caller failed of; a defect of ours.
        """
        tasks = [*self._places, *([self._stranger] if self._stranger else [])]
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _place(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, self._manners.begin_within_s))
        while True:
            self._calls += 1
            await self._call(f"crowd-{self._calls}")

    async def _call(self, call_id: str) -> None:
        dice, manners = self._dice, self._manners
        tape, lot = dice.choice(self._tapes), dice.random()
        somewhere = dice.randrange(len(tape.blocks))
        conduct, again = GOOD, False
        if lot < manners.hang_up + manners.reconnect:
            conduct, again = Conduct(hangs_up_at=somewhere), lot >= manners.hang_up
        elif lot < manners.hang_up + manners.reconnect + manners.stall:
            conduct = Conduct(stalls_at=somewhere, stall_s=dice.uniform(2.5, 6.0))
        await self._play(tape, call_id, conduct)
        if again:
            await asyncio.sleep(dice.uniform(0.5, 3.0))
            await self._play(dice.choice(self._tapes), call_id, GOOD)

    async def _play(self, tape: Tape, call_id: str, conduct: Conduct) -> None:
        played = await play(self._url, tape, call_id, conduct=conduct, clocks=self.clocks)
        self.outcomes[played.ended] += 1
        if played.ended in {"closed", "no connection"}:
            await asyncio.sleep(1)  # who is refused does not come back at once

    async def _strangers(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(self._dice.expovariate(1 / self._manners.stranger_every_s))
                kind = self._dice.choice(STRANGERS)
                self.strangers[kind] += 1
                group.create_task(self._knock(kind), name=kind)

    async def _knock(self, kind: str) -> None:
        address = urlsplit(self._url)
        with contextlib.suppress(OSError, TimeoutError, WebSocketException):
            if kind in {"TLS", "never speaks"}:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                try:
                    if kind == "TLS":
                        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32))
                    async with asyncio.timeout(_SILENT_S):
                        await reader.read()
                finally:
                    writer.close()
                return
            path = "/wp-login.php" if kind == "wrong path" else "/v1/stream"
            async with connect(f"{self._url}{path}", compression=None, close_timeout=1) as socket:
                await socket.send(self._dice.randbytes(2000) if kind == "speaks out of turn" else '{"type":"hello"}')
                async with asyncio.timeout(_SILENT_S):
                    await socket.wait_closed()
