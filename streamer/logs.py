"""Structured logs on standard error: one event a line, the call's id on every line that belongs to one.

This file must never let a payload, a telephone number, a digit or a secret into the log; it has none to begin with,
and neither may what is passed to it.
"""

from __future__ import annotations

import logging
import sys

import structlog

from streamer.config import LogSettings


def configure(settings: LogSettings) -> None:
    """Set up logging for this process."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    finish: list[structlog.typing.Processor] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if settings.format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        # A cached logger would hold on to this stream for ever, also where it was closed and another took its place.
        cache_logger_on_first_use=False,
    )
    # Libraries speak only when something is wrong. A peer that is no WebSocket is routine, and counted elsewhere.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    logging.getLogger("mqtt").setLevel(logging.ERROR)
