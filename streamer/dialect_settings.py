"""The tables `[dialects.<name>]` of the configuration: one frozen struct per platform, defaults here and nowhere else.

This file must never read anything: `streamer.config` does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta

from streamer.wire.events import Role

Seconds = Annotated[float, Meta(ge=0)]
Bytes = Annotated[int, Meta(ge=1024, le=2**30)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class DialectTable(Table, frozen=True):
    """What every platform's table has."""

    ping_interval_s: Seconds = 20
    """WebSocket pings, so that proxies keep silent calls alive; 0 turns them off."""
    max_message_bytes: Bytes = 65_536
    """Larger WebSocket messages end the call with close code 1009."""
    labels: tuple[str, ...] = ()
    """Names of the platform's own fields of a call that may appear in events as labels; all others are dropped."""


class TwilioSettings(DialectTable, frozen=True):
    """Twilio Media Streams."""

    roles: dict[str, Role] = msgspec.field(default_factory=lambda: {"inbound": Role.CUSTOMER, "outbound": Role.AGENT})
    """Which party is heard on which track; depends on the leg on which the stream was started."""
    token: str = ""
    token_file: str = ""
    """A secret expected in the `<Parameter name="token">` of the stream; empty = not asked for."""


class DialectSettings(Table, frozen=True):
    """One table per telephony platform."""

    twilio: TwilioSettings = TwilioSettings()


def check(dialects: DialectSettings) -> None:
    """Refuse what no single key shows.

    Raises
    ------
    ValueError
        The message names the key, from `dialects` on.
    """
    _known("twilio.roles", dialects.twilio.roles, {"inbound", "outbound"}, "track", "Twilio")


def _known(key: str, given: Collection[str], known: set[str], what: str, whose: str) -> None:
    """Refuse a name that a platform does not have."""
    for name in given:
        if name not in known:
            raise ValueError(f"dialects.{key}: unknown {what} {name!r}; {whose} has {' and '.join(sorted(known))}")
