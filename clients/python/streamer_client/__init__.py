"""Python client of Emotion Streamer: stream calls, replay recordings, follow emotion events and raise alerts.

Light on purpose. Importing this package loads nothing but the standard library: every name below is fetched from its
module when it is first used, so a program that only reads events never pays for audio, and none ever for a model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamer_client.alerts.engine import Engine
    from streamer_client.alerts.rules import Rule, default_rules, load_rules
    from streamer_client.errors import (
        BrokerError,
        CallRefused,
        ClientError,
        ConnectError,
        OptionError,
        RecordingError,
        RuleError,
        StreamError,
    )
    from streamer_client.events import (
        AcknowledgementEvent,
        AlertEvent,
        EndedEvent,
        Event,
        EventError,
        PartialEvent,
        StateEvent,
        StatusEvent,
        UnknownEvent,
        UtteranceEvent,
    )
    from streamer_client.frame import calls_to_frame, read_events, to_frame
    from streamer_client.line import Break, Faults
    from streamer_client.pretty import format_event, style_event
    from streamer_client.replay import Progress, Replayed, replay
    from streamer_client.stream import CallStream, stream_call
    from streamer_client.subscribe import Subscription, subscribe, topics
    from streamer_client.sync import SyncSubscription, subscribe_sync

__version__ = "0.1.0"

_HOMES = {
    "AcknowledgementEvent": "events",
    "AlertEvent": "events",
    "Break": "line",
    "BrokerError": "errors",
    "CallRefused": "errors",
    "CallStream": "stream",
    "ClientError": "errors",
    "ConnectError": "errors",
    "EndedEvent": "events",
    "Engine": "alerts.engine",
    "Event": "events",
    "EventError": "events",
    "Faults": "line",
    "OptionError": "errors",
    "PartialEvent": "events",
    "Progress": "replay",
    "RecordingError": "errors",
    "Replayed": "replay",
    "Rule": "alerts.rules",
    "RuleError": "errors",
    "StateEvent": "events",
    "StatusEvent": "events",
    "StreamError": "errors",
    "Subscription": "subscribe",
    "SyncSubscription": "sync",
    "UnknownEvent": "events",
    "UtteranceEvent": "events",
    "calls_to_frame": "frame",
    "default_rules": "alerts.rules",
    "format_event": "pretty",
    "load_rules": "alerts.rules",
    "read_events": "frame",
    "replay": "replay",
    "stream_call": "stream",
    "style_event": "pretty",
    "subscribe": "subscribe",
    "subscribe_sync": "sync",
    "to_frame": "frame",
    "topics": "subscribe",
}

__all__ = [
    "AcknowledgementEvent",
    "AlertEvent",
    "Break",
    "BrokerError",
    "CallRefused",
    "CallStream",
    "ClientError",
    "ConnectError",
    "EndedEvent",
    "Engine",
    "Event",
    "EventError",
    "Faults",
    "OptionError",
    "PartialEvent",
    "Progress",
    "RecordingError",
    "Replayed",
    "Rule",
    "RuleError",
    "StateEvent",
    "StatusEvent",
    "StreamError",
    "Subscription",
    "SyncSubscription",
    "UnknownEvent",
    "UtteranceEvent",
    "calls_to_frame",
    "default_rules",
    "format_event",
    "load_rules",
    "read_events",
    "replay",
    "stream_call",
    "style_event",
    "subscribe",
    "subscribe_sync",
    "to_frame",
    "topics",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    # Where module and function share a name, the import above has put the module here; it can be called just so.
    return globals().setdefault(name, value)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
