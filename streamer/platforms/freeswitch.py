"""FreeSWITCH, on ``/freeswitch``: Basic as mod_audio_fork sends it, Bearer as mod_audio_stream can be told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.auth import Gate, Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.platforms.calls import id_maker
from streamer.platforms.platform import Platform
from streamer.wire.events import Dialect
from streamer.wire.freeswitch import FreeSwitch
from streamer.wire.jambonz import SUBPROTOCOLS


def gate(keyring: Keyring, settings: Settings) -> Gate:  # noqa: ARG001 - one interface for all platforms
    """Return what takes either scheme."""

    def decide(upgrade: Upgrade) -> Pass | Refusal:
        scheme = upgrade.headers.get("authorization", "").partition(" ")[0].lower()
        return keyring.basic(upgrade) if scheme == "basic" else keyring.bearer(upgrade)

    return decide


def reader(settings: Settings) -> Callable[[Upgrade], Dialect]:
    """Return what makes a dialect for each stream."""
    own = settings.dialects.freeswitch
    new_call_id = id_maker(FreeSwitch.name, "add ?call=${uuid} to the address in the dialplan")
    header = own.call_header.lower()

    def read(upgrade: Upgrade) -> Dialect:
        return FreeSwitch(
            upgrade.target,
            new_call_id,
            header_call_id=upgrade.headers.get(header, ""),
            stereo=own.roles,
            mono=own.mono_role,
            rate_hz=own.sample_rate,
            channels=own.channels,
            call_field=own.call_field,
            metadata_wait_ms=own.metadata_wait_ms,
            label_fields=own.labels,
        )

    return read


PLATFORM: Final = Platform(
    name=FreeSwitch.name,
    path="/freeswitch",
    gate=gate,
    reader=reader,
    ping_interval_s=lambda settings: settings.dialects.freeswitch.ping_interval_s,
    max_message_bytes=lambda settings: settings.dialects.freeswitch.max_message_bytes,
    subprotocols=SUBPROTOCOLS[::-1],
)
