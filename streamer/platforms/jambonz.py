"""jambonz, on ``/jambonz``: HTTP Basic from the verb's ``wsAuth``, a key's id as user name, its secret as password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.auth import Upgrade
from streamer.config import Settings
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.jambonz import SUBPROTOCOLS, Jambonz


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    jambonz = settings.dialects.jambonz
    return lambda _: Jambonz(stereo=jambonz.roles, mono=jambonz.mono_role, label_fields=jambonz.labels)


PLATFORM: Final = Platform(
    name=Jambonz.name,
    path="/jambonz",
    gate=lambda keyring, _: keyring.basic,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.jambonz.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.jambonz.max_message_bytes,
    subprotocols=SUBPROTOCOLS,
)
