"""A call out of sound devices: what they say goes to the server as it is said.

This file must never open a device itself, and never end a call because a device has gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from streamer_client.dialects.native import Ended
from streamer_client.stream import CallStream
from streamer_client.tap.card import Samples, Source, follow
from streamer_client.tap.meter import level_dbfs
from streamer_client.tap.timeline import FRAME_MS, Timeline

GAP_SAID_MS = 1000
"""A gap is said at the latest when it is so long, so that the server knows that we are there."""


class Tapped(msgspec.Struct, frozen=True):
    """What became of it."""

    duration_ms: float
    utterances: int
    drift_ms: tuple[float, ...]
    """By source: how far its clock was put right; negative for a fast one."""


class Watcher:
    """What somebody at a terminal would like to know; does nothing unless overridden."""

    def levels(self, position_ms: float, levels_dbfs: Sequence[float | None]) -> None:
        """Take the levels of the last 20 ms, None for a device that is gone."""

    def lost(self, reason: str) -> None:
        """Take note that a device has gone."""

    def back(self, name: str) -> None:
        """Take note that it is back."""


async def tap_call(
    call: CallStream,
    sources: Sequence[Source],
    *,
    rate_hz: int,
    until: asyncio.Event,
    watcher: Watcher,
    now_s: Callable[[], float] = time.monotonic,
) -> Tapped:
    """Stream devices as the channels of a call, until told to stop; then end the call in order.

    Parameters
    ----------
    call : CallStream
        With as many channels as there are sources.
    sources : sequence of Source
    rate_hz : int
        The call's, and what sources hand over.
    until : asyncio.Event
        Set to end the call.
    watcher : Watcher
    now_s : callable
        The monotonic clock that sources stamp their blocks with.

    Raises
    ------
    StreamError
        The server ended the call, or the connection was lost.
    """
    tap = _Tap(call, sources, rate_hz, watcher, now_s)
    followers = [
        asyncio.create_task(tap.follow(lane), name=f"listening to {source.name}") for lane, source in enumerate(sources)
    ]
    try:
        while not until.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FRAME_MS / 1000):
                    await until.wait()
            for follower in followers:
                if follower.done():
                    follower.result()  # never by itself: what it raises is a fault, and is told
            await tap.pass_on()
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.wait(followers)
    ended: Ended = await call.stop()
    return Tapped(tap.timeline.position_ms, ended.utterances, tap.drift_ms())


class _Tap:
    """One call under way."""

    def __init__(
        self, call: CallStream, sources: Sequence[Source], rate_hz: int, watcher: Watcher, now_s: Callable[[], float]
    ) -> None:
        self.timeline = Timeline(rate_hz, len(sources))
        self._call = call
        self._sources = sources
        self._rate_hz = rate_hz
        self._watcher = watcher
        self._now_s = now_s
        self._begin_s = now_s()
        self._gone: set[int] = set()
        self._gap_ms = 0.0

    async def follow(self, lane: int) -> None:
        """Listen to one source until cancelled."""

        def put(samples: Samples, at_s: float) -> None:
            self.timeline.put(lane, samples, at_s - self._begin_s)

        def lose(reason: str) -> None:
            self.timeline.lose(lane)
            self._gone.add(lane)
            self._watcher.lost(reason)

        def regain() -> None:
            self._gone.discard(lane)
            self._watcher.back(self._sources[lane].name)

        await follow(self._sources[lane], put, lose, regain)

    async def pass_on(self) -> None:
        """Send what is due; where no device has anything, say how long that was."""
        samples, heard = self.timeline.take(self._now_s() - self._begin_s)
        if not len(samples):
            return
        if not heard:
            self._gap_ms += len(samples) * 1000 / self._rate_hz
        if self._gap_ms and (heard or self._gap_ms >= GAP_SAID_MS):
            await self._call.gap(self._gap_ms)
            self._gap_ms = 0.0
        if heard:
            await self._call.send(samples)
        last = samples[-(self._rate_hz * FRAME_MS // 1000) :]
        levels = [None if lane in self._gone else level_dbfs(last[:, lane]) for lane in range(len(self._sources))]
        self._watcher.levels(self.timeline.position_ms, levels)

    def drift_ms(self) -> tuple[float, ...]:
        """Return how far each source's clock was put right."""
        return tuple((lane.inserted - lane.dropped) * 1000 / self._rate_hz for lane in self.timeline.lanes)
