"""Metrics: named as Prometheus asks, registered where told, and without a label that grows with calls."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from streamer.metrics import AudioFault, Metrics, Stage


def metrics_of(metrics: Metrics) -> list[MetricWrapperBase]:
    return [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


def test_names_are_prefixed_and_in_base_units() -> None:
    names = [metric.describe()[0].name for metric in metrics_of(Metrics(CollectorRegistry()))]
    assert len(names) >= 20
    for name in names:
        assert re.fullmatch(r"streamer_[a-z_]+", name)
        assert not re.search(r"_(ms|milliseconds|minutes|percent|mb|kb)(_|$)", name), name


def test_histograms_are_in_seconds_or_shares() -> None:
    for metric in metrics_of(Metrics(CollectorRegistry())):
        if isinstance(metric, Histogram):
            assert metric.describe()[0].name.endswith(("_seconds", "_ratio"))


def test_names_keep_the_rules_that_promtool_checks() -> None:
    for metric in metrics_of(Metrics(CollectorRegistry())):
        family = metric.describe()[0]
        if not isinstance(metric, Counter):
            assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name
        assert not re.search(r"(^|_)(counter|gauge|histogram|summary)(_|$)", family.name), family.name
        assert family.documentation.strip()


def test_latency_is_resolved_finest_where_it_should_be() -> None:
    metrics = Metrics(CollectorRegistry())
    bounds = metrics.event_latency._upper_bounds
    assert sum(0.4 <= bound <= 1 for bound in bounds) >= 5
    assert metrics.stage_latency.labels("model")._upper_bounds[0] < 0.001
    assert metrics.speech_ratio._upper_bounds[-2] == 1


def test_what_is_read_only_when_asked_for_is_fresh_at_each_scrape() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    ages = iter([5.0, 65.0])
    metrics.before_scrape(lambda: metrics.outbox_oldest_age.set(next(ages)))
    for age in (b"5.0", b"65.0"):
        assert b"streamer_outbox_oldest_age_seconds " + age in generate_latest(registry)


def test_making_metrics_asks_for_nothing_yet() -> None:
    asked: list[int] = []
    metrics = Metrics(CollectorRegistry())
    metrics.before_scrape(lambda: asked.append(1))
    assert asked == []


def test_every_metric_says_what_it_is() -> None:
    assert all(metric.describe()[0].documentation.endswith(".") for metric in metrics_of(Metrics(CollectorRegistry())))


def test_no_label_can_grow_with_calls() -> None:
    labels = {label for metric in metrics_of(Metrics(CollectorRegistry())) for label in metric._labelnames}
    assert labels == {"dialect", "outcome", "reason", "code", "fault", "emotion", "uncertain", "stage", "kind"} | {
        "version",
        "model",
        "model_version",
    }


def test_two_servers_in_one_process_share_no_figure() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(first).publish_retries.inc()
    Metrics(second)
    assert first.get_sample_value("streamer_publish_retries_total") == 1
    assert second.get_sample_value("streamer_publish_retries_total") == 0


def test_one_registry_takes_them_once() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Metrics(registry)


def test_what_is_counted_can_be_scraped() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.calls_active.labels("twilio").inc()
    metrics.calls.labels("twilio", "stop").inc()
    metrics.utterances.labels("angry", "false").inc()
    for stage in Stage:
        metrics.stage_latency.labels(stage).observe(0.003)
    for fault in AudioFault:
        metrics.audio_faults.labels(fault).inc(0.02)
    families = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
    assert families["streamer_calls_active"].type == "gauge"
    assert families["streamer_calls"].type == "counter"
    stages = {sample.labels["stage"] for sample in families["streamer_stage_latency_seconds"].samples}
    assert stages == {"audio", "queue", "model", "outbox", "publish"}
    assert registry.get_sample_value("streamer_audio_fault_seconds_total", {"fault": "lost"}) == 0.02


def test_kinds_are_what_prometheus_knows() -> None:
    for metric in metrics_of(Metrics(CollectorRegistry())):
        assert isinstance(metric, Counter | Gauge | Histogram)
