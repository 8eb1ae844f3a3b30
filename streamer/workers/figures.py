"""The figures of a node: those of its processes, added up, under the names that one process has.

Counters and histograms keep what workers counted that are gone, so that none ever goes back when a worker is replaced;
of a worker that crashed, what it counted after the last look is not known and is missing. Gauges are those of the
processes there are. This file must never invent a figure, and never add a label: a dashboard must not see how many
processes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

_LARGEST: Final = frozenset(
    {
        "streamer_build_info",
        "streamer_calls_limit",
        "streamer_event_loop_lag_max_seconds",
        "streamer_outbox_oldest_age_seconds",
        "streamer_ready",
        "streamer_shedding_level",
        # The supervisor serves no TLS and shows 0, which means that there is no certificate.
        "streamer_tls_certificate_expiry_timestamp_seconds",
    }
)
"""Gauges of which the node's is the largest of its processes'."""
_SMALLEST: Final = frozenset(
    {
        "process_max_fds",
        "process_start_time_seconds",
        "streamer_broker_connected",
        "streamer_outbox_healthy",
    }
)
"""Gauges of which the node's is the smallest: one process without the broker is a node with trouble."""
_LASTING: Final = frozenset({"counter", "histogram", "summary"})
"""Types whose values outlive the process that counted."""
_CREATED: Final = "_created"


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with its values."""

    name: str
    help: str
    type: str
    samples: tuple[Sample, ...]


Figures = tuple[Family, ...]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Figures)


def figures(registry: CollectorRegistry) -> Figures:
    """Return what a process shows now."""
    return tuple(
        Family(
            family.name,
            family.documentation,
            family.type,
            tuple(Sample(one.name, tuple(one.labels.items()), one.value) for one in family.samples),
        )
        for family in registry.collect()
    )


def packed(registry: CollectorRegistry) -> bytes:
    """Return the same as bytes, for the way to the supervisor."""
    return _encoder.encode(figures(registry))


def unpacked(data: bytes) -> Figures:
    """Return what :func:`packed` made bytes of.

    Raises
    ------
    msgspec.DecodeError
        The bytes are something else.
    """
    return _decoder.decode(data)


def merged(all_figures: Iterable[Figures]) -> Figures:
    """Return the figures of several processes as those of one; order and help text are the first's."""
    families: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for family in (family for one in all_figures for family in one):
        families.setdefault(family.name, family)
        known = values.setdefault(family.name, {})
        for sample in family.samples:
            key = sample.name, sample.labels
            known[key] = _joined(family, sample, known.get(key))
    return tuple(
        msgspec.structs.replace(
            family, samples=tuple(Sample(name, labels, value) for (name, labels), value in values[family.name].items())
        )
        for family in families.values()
    )


def lasting(of_one: Figures) -> Figures:
    """Return of a process that is gone what it counted, without what it was."""
    return tuple(family for family in of_one if family.type in _LASTING)


def _joined(family: Family, sample: Sample, other: float | None) -> float:
    if other is None:
        return sample.value
    if family.name in _LARGEST:
        return max(sample.value, other)
    if family.name in _SMALLEST or sample.name.endswith(_CREATED):
        return min(sample.value, other)
    return sample.value + other


class Node(Collector):
    """The node's figures, for a registry of their own.

    Parameters
    ----------
    present
        Returns those of each process there is.
    """

    def __init__(self, present: Callable[[], Iterable[Figures]]) -> None:
        self._present = present
        self._past: Figures = ()

    def keep(self, of_one: Figures) -> None:
        """Keep what a process counted that is gone."""
        self._past = merged([self._past, lasting(of_one)])

    def collect(self) -> Iterator[Metric]:
        """Return the sum, as the library wants it."""
        # What is present stands first: its order, not that of what happens to be kept.
        for family in merged([*self._present(), self._past]):
            metric = Metric(family.name, family.help, family.type)
            for sample in family.samples:
                metric.add_sample(sample.name, dict(sample.labels), sample.value)
            yield metric

    def describe(self) -> Iterator[Metric]:
        """Return nothing: what there is shows only when it is collected."""
        return iter(())
