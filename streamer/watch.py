"""The watch over what nobody sends a message about: streams that fell silent, and the event loop's own lag.

This file must never end a stream that is paused, and never let a defect in ending one reach another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Final

import structlog

from streamer.config import AudioSettings
from streamer.metrics import Metrics
from streamer.session import Session
from streamer.wire.events import Fault

WATCH_S: Final = 0.25
"""Between two looks."""
START_WITHIN_S: Final = 15.0
"""A connection that has not started a call by then is closed."""
NO_START: Final = Fault("no_start", f"no call was started within {START_WITHIN_S:g} s; send start first")

log = structlog.get_logger()


class Watch:
    """Looks at every stream now and then.

    Parameters
    ----------
    audio
        How long a stream may be silent.
    sessions
        The open streams; looked at anew each time.
    metrics
        Where the loop's lag is shown.
    """

    def __init__(self, audio: AudioSettings, sessions: Collection[Session], metrics: Metrics) -> None:
        self._audio = audio
        self._sessions = sessions
        self._metrics = metrics

    async def run(self, endings: asyncio.TaskGroup) -> None:
        """Look until cancelled.

        Parameters
        ----------
        endings
            Takes the tasks that end streams; they outlive a defect in looking.
        """
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(WATCH_S)
            now_s = time.monotonic()
            self._metrics.event_loop_lag.observe(max(0.0, now_s - before_s - WATCH_S))
            for session in self._sessions:
                self._look_at(session, now_s, endings)

    def _look_at(self, session: Session, now_s: float, endings: asyncio.TaskGroup) -> None:
        session.notice_stall(now_s, self._audio.stall_ms / 1000)
        if session.call is None:
            due, fault = now_s - session.opened_s > START_WITHIN_S, NO_START
        else:
            idle_s = self._audio.idle_s
            due = now_s - session.heard_s > idle_s and not session.paused
            fault = Fault("idle", f"no audio for {idle_s:g} s (audio.idle_s); send pause to hold a call")
        if due:
            endings.create_task(expire(session, "idle", fault), name=f"expire {session.session_id}")


async def expire(session: Session, reason: str, fault: Fault) -> None:
    """End a stream; a defect in doing so is logged, and is no reason for the node to fall."""
    try:
        await session.expire(reason, fault)
    except Exception:
        log.exception("a stream could not be ended", session=session.session_id, reason=reason)
