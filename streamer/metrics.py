"""Every figure the server shows at /metrics, in one place.

Names follow https://prometheus.io/docs/practices/naming: base units, `_total` on counters. This file must never hold a
registry of its own (two servers in one process must not share figures), and no metric may ever carry a label whose
values grow with calls: no call id, no number, no session.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Stage(StrEnum):
    """A part of an utterance's way whose time is worth knowing. The hangover is no work and in none of them."""

    QUEUE = "queue"
    """Waiting for the batch before this one."""
    MODEL = "model"
    OUTBOX = "outbox"
    """From the verdict to the commit."""
    PUBLISH = "publish"
    """From the broker being handed the message to its acknowledgement."""


class AudioFault(StrEnum):
    """What can be wrong with when audio comes."""

    LOST = "lost"
    LATE = "late"
    DUPLICATE = "duplicate"


class Metrics:
    """The server's metrics, registered in the registry that is given.

    Parameters
    ----------
    registry
        Where they are registered; one registry takes them once.

    Raises
    ------
    ValueError
        The registry has them already.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"streamer_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"streamer_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"streamer_{name}", text, labels, registry=registry, buckets=_LATENCY_BUCKETS_S)

        self.registry = registry

        self.calls_active = gauge("calls_active", "Calls being served.", "dialect")
        self.calls = counter("calls_total", "Calls that ended, by how.", "dialect", "outcome")
        self.auth_failures = counter("auth_failures_total", "Connections refused for their credentials.", "reason")
        self.protocol_faults = counter("protocol_faults_total", "What peers got wrong on the wire.", "code")

        self.audio = counter("audio_seconds_total", "Audio received and analysed, all channels.")
        self.speech = counter("speech_seconds_total", "Of that, what the VAD called speech.")
        self.audio_faults = counter("audio_fault_seconds_total", "Audio lost, late or sent twice.", "fault")
        self.stalls = counter("stalls_total", "Times that the audio of a call stopped coming.")
        self.messages_missing = counter("messages_missing_total", "Gaps in the platforms' message numbers.", "dialect")

        self.utterances = counter("utterances_total", "Final verdicts.", "emotion", "uncertain")
        self.stage_latency = histogram("stage_latency_seconds", "Time an utterance spends in a stage.", "stage")
        self.model_failures = counter("model_failures_total", "Utterances that the model could not judge.")
        self.events_lost = counter("events_lost_total", "Final events that the outbox could not take: disk trouble.")
        self.partials_dropped = counter("partials_dropped_total", "Rolling verdicts not sent: no broker, or slow.")

        self.outbox_rows = gauge("outbox_rows", "Messages waiting for the broker's acknowledgement.")
        self.outbox_oldest_age = gauge("outbox_oldest_age_seconds", "Age of the oldest of them; 0 when none waits.")
        self.outbox_dropped = counter(
            "outbox_dropped_total", "Messages given up, by kind and reason.", "kind", "reason"
        )
        self.outbox_commit = histogram("outbox_commit_seconds", "Time of one transaction, disk included.")
        self.publish_retries = counter("publish_retries_total", "Messages sent to the broker again.")
        self.publish_refused = counter("publish_refused_total", "Messages the broker refused, by reason.", "reason")
        self.broker_connected = gauge("broker_connected", "1 while connected to the broker, else 0.")

        self.event_loop_lag = histogram("event_loop_lag_seconds", "How late the event loop runs what is due.")
