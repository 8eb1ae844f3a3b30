"""What SIGHUP means: the configuration has changed, take it. And what of it cannot be taken by a running node.

A node of one process cannot take any: it says so, and whether the next start would. A node of several workers replaces
them (`workers.supervisor`). This file must never change what is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import structlog

from streamer.config import ConfigError, Settings
from streamer.errors import StreamerError

_OF_SERVER: Final = ("host", "port", "admin_host", "admin_port")
_OF_AUDIOSOCKET: Final = ("host", "port")

log = structlog.get_logger()


def look_at(settings: Settings, load: Callable[[], Settings]) -> None:
    """Say what a start would do with the configuration as it is now.

    Parameters
    ----------
    settings
        In force.
    load
        Reads the configuration.
    """
    try:
        after = load()
    except StreamerError as problem:
        log.error("the configuration has a mistake: the next start would fail; this node goes on", problem=str(problem))  # noqa: TRY400 - said in words, without a traceback
        return
    if after == settings:
        log.info("SIGHUP: the configuration has not changed")
    else:
        log.warning("the configuration has changed; a node of one process takes it at its next start (server.workers)")


def check_renewable(before: Settings, after: Settings) -> None:
    """Refuse a configuration that new workers alone cannot bring into force.

    Raises
    ------
    ConfigError
        Names what changed.
    """
    changed = list(_fixed_that_changed(before, after))
    if changed:
        raise ConfigError(f"{', '.join(changed)} changed, which SIGHUP cannot do; restart the node for that")


def _fixed_that_changed(before: Settings, after: Settings) -> Iterator[str]:
    if before.node != after.node:
        yield "node"
    if before.mqtt != after.mqtt:
        yield "mqtt"
    if before.outbox.path != after.outbox.path:
        yield "outbox.path"
    if before.privacy.salt_file != after.privacy.salt_file:
        yield "privacy.salt_file"
    for name in _OF_SERVER:
        if getattr(before.server, name) != getattr(after.server, name):
            yield f"server.{name}"
    for name in _OF_AUDIOSOCKET:
        if getattr(before.dialects.audiosocket, name) != getattr(after.dialects.audiosocket, name):
            yield f"dialects.audiosocket.{name}"
    if after.server.workers == 1:
        yield "server.workers (to 1)"
