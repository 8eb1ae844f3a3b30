"""Structured logs on standard error: one event a line, the call's id on every line that belongs to one.

This file must never let a payload, a telephone number, a digit or a secret into the log; it has none to begin with,
and neither may what is passed to it.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import sys
import threading
import time
from collections.abc import Callable

import structlog

from streamer.config import LogSettings
from streamer.observing.flood import COUNT, Flood
from streamer.observing.loggable import loggable, without_contents, write_traceback

_tracebacks = structlog.processors.ExceptionRenderer(
    # The values of variables would be those of a call: its audio, its numbers, the secrets of the configuration.
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure(settings: LogSettings) -> None:
    """Set up logging for this process."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    finish: list[structlog.typing.Processor] = (
        [_tracebacks, without_contents, structlog.processors.JSONRenderer()]
        if settings.format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), pad_event_to=24, exception_formatter=write_traceback
            )
        ]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *_flood_of(settings),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write for each line, its end included: several workers share this stream.
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        # A cached logger would hold on to this stream for ever, also where it was closed and another took its place.
        cache_logger_on_first_use=False,
    )
    # Libraries speak only when something is wrong. A peer that is no WebSocket is routine, and counted elsewhere.
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    if not any(isinstance(handler, Libraries) for handler in root.handlers):
        root.addHandler(Libraries())
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    logging.getLogger("mqtt").setLevel(logging.ERROR)


class Libraries(logging.Handler):
    """Lets what libraries log take the same way as our own lines: same form, same masks, same limit."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on."""
        structlog.get_logger().log(
            record.levelno, loggable(record.getMessage()), logger=record.name, exc_info=record.exc_info
        )


def _flood_of(settings: LogSettings) -> list[structlog.typing.Processor]:
    """Return what keeps a flood out of the log; nothing where that is turned off."""
    if not settings.flood_lines:
        return []
    flood = Flood(settings.flood_lines, settings.flood_s, say=_say_more, clock=time.monotonic, later=_later)
    atexit.register(flood.flush)
    return [flood]


def _say_more(level: str, event: str, more: int) -> None:
    # In a context of its own: what is bound there belongs to whoever happened to log last.
    say = structlog.get_logger().bind(like=event, **{COUNT: True}).log
    number = logging.getLevelNamesMapping()[level.upper()]
    contextvars.Context().run(say, number, f"... and {more:,} more like this")


def _later(seconds: float, run: Callable[[], None]) -> None:
    """Run something on a thread of its own: the event loop may be what is in trouble."""
    timer = threading.Timer(seconds, run)
    timer.daemon = True
    timer.name = "log flood"
    timer.start()
