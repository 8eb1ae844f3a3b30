"""The watch over what nobody sends a message about: streams that fell silent, and a node that has too much to do.

It looks, and does what the look asks for: ends a stream, sheds load (`shedding` says when). This file must never end a
stream that is paused, and never let a defect in ending one reach another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Final

import structlog

from streamer.conversation import Services
from streamer.load.shedding import Level
from streamer.observing.vitals import RecentMaximum
from streamer.session import Session
from streamer.wire.events import Fault

WATCH_S: Final = 0.25
"""Between two looks."""
START_WITHIN_S: Final = 15.0
"""A connection that has not started a call by then is closed."""
NO_START: Final = Fault("no_start", f"no call was started within {START_WITHIN_S:g} s; send start first")

_SAID: Final = {
    Level.ALL: "load is back to normal; everything is done again",
    Level.NO_PARTIALS: "overloaded: no partial verdicts for now; calls and final verdicts are not affected",
    Level.NO_CALLS: "overloaded: new calls are refused for now (1013); those that are live keep their final verdicts",
}

log = structlog.get_logger()


class Watch:
    """Looks at every stream now and then.

    Parameters
    ----------
    services
        What the streams share; what is shed is set here.
    sessions
        The open streams; looked at anew each time.
    """

    def __init__(self, services: Services, sessions: Collection[Session]) -> None:
        self._its = services
        self._audio = services.settings.audio
        self._sessions = sessions
        self.recent_lag = RecentMaximum()
        """Of the event loop, in s."""

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
            lag_s = max(0.0, now_s - before_s - WATCH_S)
            self._its.metrics.event_loop_lag.observe(lag_s)
            self.recent_lag.add(lag_s, now_s)
            self.shed(now_s, lag_s)
            for session in self._sessions:
                self._look_at(session, now_s, endings)

    def shed(self, now_s: float, lag_s: float) -> None:
        """Do less, or more again, if it is time for that; say so once.

        Parameters
        ----------
        now_s
            On a clock that never goes back.
        lag_s
            How late the loop has just run something that was due.
        """
        its = self._its
        before, queue_s = its.shedding.level, its.batcher.waited_s
        level = its.shedding.look(now_s, lag_s, queue_s)
        # An outbox that is about to lose final events says so itself; it must not be given more.
        its.admission.overloaded = level is Level.NO_CALLS or its.bus.strained
        if level is before:
            return
        its.metrics.shedding_level.set(level)
        say = log.warning if level else log.info
        say(
            _SAID[level],
            level=int(level),
            lag_ms=round(its.shedding.lag_s * 1000),
            queue_ms=round(queue_s * 1000),
            calls=its.admission.active,
        )

    def _look_at(self, session: Session, now_s: float, endings: asyncio.TaskGroup) -> None:
        session.notice_stall(now_s, self._audio.stall_ms / 1000)
        if session.call is None:
            due, fault = now_s - session.opened_s > START_WITHIN_S, NO_START
        else:
            idle_s = self._audio.idle_s
            due = now_s - session.heard_s > idle_s and not session.paused
            fault = Fault("idle", f"no audio for {idle_s:g} s (audio.idle_s); send pause to hold a call")
        if due and not session.is_ending:
            endings.create_task(expire(session, "idle", fault), name=f"expire {session.session_id}")


async def expire(session: Session, reason: str, fault: Fault) -> None:
    """End a stream; a defect in doing so is logged, and is no reason for the node to fall."""
    try:
        await session.expire(reason, fault)
    except Exception:
        call = session.call.identity.call.id if session.call else None
        log.exception("a stream could not be ended", session=session.session_id, call=call, reason=reason)
