"""Every platform that can connect: the table that the server goes by.

One file per platform joins its configuration, its way of letting in and its reader in `streamer.wire`. Nothing in this
folder may open a socket or look into a message.
"""

from __future__ import annotations

from typing import Final

from streamer.platforms import (
    asterisk,
    audiocodes,
    audiohook,
    exotel,
    freeswitch,
    jambonz,
    native,
    plivo,
    signalwire,
    telnyx,
    twilio,
    vonage,
)
from streamer.platforms.platform import Platform

__all__ = ["PATHS", "PLATFORMS", "Platform"]

PLATFORMS: Final[tuple[Platform, ...]] = (
    native.PLATFORM,
    twilio.PLATFORM,
    signalwire.PLATFORM,
    telnyx.PLATFORM,
    plivo.PLATFORM,
    exotel.PLATFORM,
    audiohook.PLATFORM,
    asterisk.PLATFORM,
    audiocodes.PLATFORM,
    jambonz.PLATFORM,
    freeswitch.PLATFORM,
    vonage.PLATFORM,
)
PATHS: Final[dict[str, Platform]] = {platform.path: platform for platform in PLATFORMS}
"""Path, without query or trailing slash, to platform."""
