"""What the broker's numbers mean for this server, and what to do about them; what can go wrong with a connection.

Pure. A broker answers with a reason code (MQTT 5, section 2.4; the return codes of 3.1.1 arrive translated into these).
This file must never hold a sentence that only a protocol's author understands: an operator reads it at night.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Trouble(StrEnum):
    """Why there is no connection to the broker; label `reason` of `streamer_broker_failures_total`."""

    SETTINGS = "settings"
    """Our own settings or files cannot be used."""
    UNREACHABLE = "unreachable"
    """No such host, nothing listens there, no route."""
    NO_ANSWER = "no_answer"
    """Something is there, but it does not answer as a broker does."""
    TLS = "tls"
    CREDENTIALS = "credentials"
    VERSION = "version"
    """It does not speak the version of MQTT that is asked for."""
    LIMITS = "limits"
    """It does not take what this server needs: retained messages, QoS 1, messages of this size."""
    FULL = "full"
    """It has no room or no time: quota, memory, number or rate of connections."""
    TAKEN_OVER = "taken_over"
    """Another client of the same name came."""
    REFUSED = "refused"
    """It refuses, for a reason of its own."""
    SILENT = "silent"
    """It was there, and acknowledges nothing any more."""
    LOST = "lost"
    """The connection broke without a word."""
    OUTBOX = "outbox"
    """Not the broker: the disk from which messages are read."""


UNSPECIFIED: Final = 0x80
BAD_VERSION: Final = 0x84
USER_OR_PASSWORD: Final = 0x86
NOT_AUTHORISED: Final = 0x87
RETAIN_NOT_SUPPORTED: Final = 0x9A

_FULL_ADVICE: Final = "the broker is full: give it room, or raise its quota for this user"
_BUSY_ADVICE: Final = "the broker has more to do than it can or may: see its log"
_RETAIN_ADVICE: Final = (
    "allow retained messages at the broker: without them nobody who comes later sees which calls are live"
)

_KINDS: Final[Mapping[int, tuple[Trouble, str]]] = {
    UNSPECIFIED: (Trouble.REFUSED, "its log says why; Mosquitto does so when `memory_limit` is reached"),
    0x81: (Trouble.REFUSED, "its log says why"),
    0x82: (Trouble.REFUSED, "its log says why"),
    0x83: (Trouble.REFUSED, "its log says why"),
    BAD_VERSION: (Trouble.VERSION, "set mqtt.version to what it speaks"),
    0x85: (Trouble.REFUSED, "it does not take this name of a client; change `node`"),
    USER_OR_PASSWORD: (Trouble.CREDENTIALS, "check mqtt.username and mqtt.password_file"),
    NOT_AUTHORISED: (Trouble.CREDENTIALS, "check mqtt.username and mqtt.password_file"),
    0x88: (Trouble.FULL, _BUSY_ADVICE),
    0x89: (Trouble.FULL, _BUSY_ADVICE),
    0x8A: (Trouble.CREDENTIALS, "the broker has banned this client"),
    0x8B: (Trouble.LOST, "it is being stopped"),
    0x8C: (Trouble.CREDENTIALS, "it wants another way of authentication than user and password"),
    0x8E: (Trouble.TAKEN_OVER, "another server has the same `node`: give each its own"),
    0x90: (Trouble.LIMITS, "it takes no topics of this form; change mqtt.base"),
    0x95: (Trouble.LIMITS, "raise the largest packet that the broker takes"),
    0x96: (Trouble.FULL, "raise the rate of messages that the broker takes from this user"),
    0x97: (Trouble.FULL, _FULL_ADVICE),
    0x98: (Trouble.REFUSED, "somebody ended the connection at the broker"),
    RETAIN_NOT_SUPPORTED: (Trouble.LIMITS, _RETAIN_ADVICE),
    0x9B: (Trouble.LIMITS, "allow QoS 1 at the broker: without it nothing is acknowledged"),
    0x9C: (Trouble.REFUSED, "the broker has moved; change mqtt.url"),
    0x9D: (Trouble.REFUSED, "the broker has moved; change mqtt.url"),
    0x9F: (Trouble.FULL, "the broker takes fewer connections per second; it is tried again"),
}

_RIGHTS_ADVICE: Final = "check what this user may write to at the broker"


def trouble(code: int) -> Trouble:
    """Return what kind of trouble a reason code is when a connection is refused or closed with it."""
    return _KINDS.get(code, (Trouble.REFUSED, ""))[0]


def advice(code: int) -> str:
    """Return what to do where the broker refused or closed the connection with a reason code."""
    return _KINDS.get(code, (Trouble.REFUSED, "its log says why"))[1]


def advice_on_publish(code: int) -> str:
    """Return what to do where it refused one message with a reason code, and kept the connection."""
    if code == NOT_AUTHORISED:
        return _RIGHTS_ADVICE
    return advice(code)
