"""AudioCodes Bot API, on ``/audiocodes``: the bot's token is a bearer key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.auth import Upgrade
from streamer.config import Settings
from streamer.platforms.platform import Platform
from streamer.wire.audiocodes import AudioCodes, Conversations
from streamer.wire.events import Dialect


def reader(settings: Settings, conversations: Conversations | None = None) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each socket; all of one server know each other's conversations.

    Parameters
    ----------
    settings
        The configuration.
    conversations
        What is known of conversations; None = of this process alone.
    """
    mine = settings.dialects.audiocodes
    known = Conversations() if conversations is None else conversations
    return lambda _: AudioCodes(mine.participants, known, byte_order=mine.byte_order, label_fields=mine.labels)


PLATFORM: Final = Platform(
    name=AudioCodes.name,
    path="/audiocodes",
    gate=lambda keyring, _: keyring.bearer,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.audiocodes.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.audiocodes.max_message_bytes,
    shared_addresses=True,
)
