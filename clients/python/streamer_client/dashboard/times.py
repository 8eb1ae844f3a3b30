"""Times as events write them, and as arithmetic needs them. Pure; this file must never read a clock."""

from __future__ import annotations

from datetime import UTC, datetime

from streamer_client.events import EventError


def epoch_s(time: str) -> float:
    """Return the seconds since 1970 (UTC) of an event's time.

    Raises
    ------
    EventError
        It is no RFC 3339 time with an offset.
    """
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise EventError(f"got {time[:40]!r} for a time; expected one like 2026-11-22T10:15:04.210Z")
    return moment.timestamp()


def rfc3339(at_s: float) -> str:
    """Return seconds since 1970 as events write them: UTC, milliseconds."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def midnight_s(now_s: float) -> float:
    """Return when today began on the clock on this machine's wall (TZ), in seconds since 1970."""
    wall = datetime.fromtimestamp(now_s).astimezone()
    return wall.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None).astimezone().timestamp()
