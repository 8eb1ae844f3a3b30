"""Every figure the server shows at /metrics, in one place.

Names follow https://prometheus.io/docs/practices/naming: base units, `_total` on counters. This file must never hold a
registry of its own (two servers in one process must not share figures), and no metric may ever carry a label whose
values grow with calls: no call id, no number, no session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

_LATENCY_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_EVENT_BUCKETS_S: Final = (0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)
"""Finest where events should be: just above the hangover (0.4 s by default)."""
_RATIO_BUCKETS: Final = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Stage(StrEnum):
    """A part of an utterance's way whose time is worth knowing. The hangover is no work and in none of them."""

    AUDIO = "audio"
    """Decoding, placing, VAD and features: all the work on the call's audio since the utterance before."""
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

    def __init__(self, registry: CollectorRegistry) -> None:  # noqa: PLR0915 - one statement for each figure
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"streamer_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"streamer_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str, buckets: Sequence[float] = _LATENCY_BUCKETS_S) -> Histogram:
            return Histogram(f"streamer_{name}", text, labels, registry=registry, buckets=buckets)

        self.registry = registry
        self._scrape = _Scrape()
        registry.register(self._scrape)  # first, so that it comes first

        self.build = gauge("build_info", "Always 1; what runs is in the labels.", "version", "model", "model_version")
        self.ready = gauge("ready", "1 while new calls are welcome (/readyz), else 0.")
        self.calls_limit = gauge("calls_limit", "Calls that may be served at the same time (server.max_calls).")

        self.calls_active = gauge("calls_active", "Calls being served.", "dialect")
        self.legs_active = gauge("legs_active", "Parties of the calls being served.", "dialect")
        self.calls_stalled = gauge("calls_stalled", "Streams of calls from which no audio comes just now.")
        self.calls = counter("calls_total", "Calls that ended, by how.", "dialect", "outcome")
        self.auth_failures = counter("auth_failures_total", "Connections refused for their credentials.", "reason")
        self.protocol_faults = counter("protocol_faults_total", "What peers got wrong on the wire.", "code")

        self.connections_cut = counter(
            "connections_cut_total", "Connections cut off before they carried a call, by reason.", "reason"
        )
        self.held_back = counter("held_back_seconds_total", "Time that peers were not read, as they sent too much.")
        self.shedding_level = gauge(
            "shedding_level", "What is not done for want of time: 0 nothing, 1 partial verdicts, 2 also new calls."
        )
        self.shed = counter("shed_total", "Partial verdicts and calls that were refused for want of time.", "kind")

        self.audio = counter("audio_seconds_total", "Audio received and analysed, all channels.")
        self.speech = counter("speech_seconds_total", "Of that, what the VAD called speech.")
        self.audio_faults = counter("audio_fault_seconds_total", "Audio lost, late or sent twice.", "fault")
        self.speech_ratio = histogram(
            "speech_ratio", "Share of a party's audio that was speech, at the end of its call.", buckets=_RATIO_BUCKETS
        )
        self.stalls = counter("stalls_total", "Times that the audio of a call stopped coming.")
        self.messages_missing = counter("messages_missing_total", "Gaps in the platforms' message numbers.", "dialect")

        self.utterances = counter("utterances_total", "Final verdicts.", "emotion", "uncertain")
        self.stage_latency = histogram("stage_latency_seconds", "Time an utterance spends in a stage.", "stage")
        self.event_latency = histogram(
            "event_latency_seconds",
            "From the end of speech until the verdict is safe in the outbox, the hangover included.",
            buckets=_EVENT_BUCKETS_S,
        )
        self.model_waiting = gauge("model_waiting", "Utterances that wait for the model.")
        self.model_failures = counter("model_failures_total", "Utterances that the model could not judge.")
        self.events_lost = counter("events_lost_total", "Final events that the outbox could not take: disk trouble.")
        self.partials_dropped = counter("partials_dropped_total", "Rolling verdicts not sent: no broker, or slow.")

        self.outbox_rows = gauge("outbox_rows", "Messages waiting for the broker's acknowledgement.")
        self.outbox_bytes = gauge("outbox_bytes", "Size of the messages that wait.")
        self.outbox_oldest_age = gauge("outbox_oldest_age_seconds", "Age of the oldest of them; 0 when none waits.")
        self.outbox_dropped = counter(
            "outbox_dropped_total", "Messages given up, by kind and reason.", "kind", "reason"
        )
        self.outbox_healthy = gauge("outbox_healthy", "1 while the outbox's disk takes what comes, else 0.")
        self.outbox_memory_rows = gauge("outbox_memory_rows", "Of those that wait, messages that only memory has.")
        self.outbox_damaged = counter("outbox_damaged_total", "Damaged outbox files that were set aside.")
        self.outbox_commit = histogram("outbox_commit_seconds", "Time of one transaction, disk included.")
        self.publish_retries = counter("publish_retries_total", "Messages sent to the broker again.")
        self.publish_refused = counter("publish_refused_total", "Messages the broker refused, by reason.", "reason")
        self.broker_connected = gauge("broker_connected", "1 while connected to the broker, else 0.")
        self.broker_failures = counter("broker_failures_total", "Connections that failed or were lost.", "reason")
        self.retained_junk = gauge("retained_junk", "Retained messages under our topics that mislead.", "kind")

        self.event_loop_lag = histogram("event_loop_lag_seconds", "How late the event loop runs what is due.")
        self.event_loop_lag_max = gauge("event_loop_lag_max_seconds", "The most that it was late in the last minute.")
        self.tasks = gauge("asyncio_tasks", "Tasks of the event loop; grows with calls, and comes down with them.")
        self.certificate_expiry = gauge(
            "tls_certificate_expiry_timestamp_seconds", "When the server's certificate ends; 0 without one."
        )
        self.tls_failures = counter("tls_handshake_failures_total", "TLS handshakes that failed, by reason.", "reason")
        self.tls_reloads = counter("tls_reloads_total", "Times that the files of TLS changed, by outcome.", "outcome")

    def before_scrape(self, refresh: Callable[[], None]) -> None:
        """Have a function called each time the figures are asked for, to set those that are only read then."""
        self._scrape.refreshes.append(refresh)


class _Scrape(Collector):
    """Shows nothing of its own; its turn is the moment at which somebody asks."""

    def __init__(self) -> None:
        self.refreshes: list[Callable[[], None]] = []

    def describe(self) -> Iterator[Metric]:
        """Return nothing; without this method the registry would ask for the figures in order to learn their names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Have everything brought up to date."""
        for refresh in self.refreshes:
            refresh()
        return iter(())
