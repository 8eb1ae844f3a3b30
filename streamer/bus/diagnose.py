"""Why a broker hangs up on our greeting: asked of the broker itself, by greeting it in the other ways there are.

A broker that speaks another version or wants TLS often says nothing at all and closes, and so does one that is full; no
operator can tell these apart by the log. This file must never send a user name or a password: it greets as nobody, and
whether that is let in does not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Final

import msgspec

from streamer.bus.connection import connect
from streamer.bus.reasons import Trouble
from streamer.bus.settings import LinkError, MqttSettings

_UNDERSTOOD: Final = frozenset({Trouble.CREDENTIALS, Trouble.REFUSED, Trouble.FULL, Trouble.LIMITS})
"""A broker that answers so has understood the greeting."""


async def diagnose(settings: MqttSettings, problem: LinkError, timeout_s: float) -> LinkError:
    """Return a problem in clearer words where the broker can be made to show its cause, else as it is.

    Parameters
    ----------
    settings
        With which no connection came about.
    problem
        What was said of it.
    timeout_s
        How long the broker may take over each greeting; there are at most three.
    """
    if problem.trouble is not Trouble.NO_ANSWER:
        return problem
    host, port, tls = settings.address()
    if not tls and await _speaks_tls(host, port, timeout_s):
        text = f"broker {settings.url}: wants TLS; write mqtts:// in mqtt.url"
        return LinkError(text, Trouble.TLS)
    if await _understands(settings, settings.version, timeout_s):
        return problem  # it answers now: it was away, or the network was, and nothing is wrong with the settings
    if tls and await _understands(_plain(settings), settings.version, timeout_s):
        text = f"broker {settings.url}: no TLS there; check the port, or use mqtt:// in mqtt.url"
        return LinkError(text, Trouble.TLS)
    if settings.version == "5" and await _understands(settings, "3.1.1", timeout_s):
        text = f"broker {settings.url}: speaks no MQTT 5, but 3.1.1; set mqtt.version = '3.1.1'"
        return LinkError(text, Trouble.VERSION)
    return problem


def _plain(settings: MqttSettings) -> MqttSettings:
    host, port, _ = settings.address()
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return MqttSettings(f"mqtt://{place}")


async def _speaks_tls(host: str, port: int, timeout_s: float) -> bool:
    """Return whether something does a TLS handshake there; whoever it is, nothing is said to it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    writer = None
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLError as problem:
        # An alert is TLS, too: another version of it, or a certificate of ours that is wanted.
        return "ALERT" in (problem.reason or "")
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    return True


async def _understands(settings: MqttSettings, version: str, timeout_s: float) -> bool:
    """Return whether the broker answers the greeting of another version, be it by a refusal."""
    other = msgspec.structs.replace(settings, version=version, username="", password_file="")
    try:
        link = await connect(other, timeout_s=timeout_s)
    except LinkError as problem:
        return problem.trouble in _UNDERSTOOD
    await link.close()
    return True
