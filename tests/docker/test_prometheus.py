"""Prometheus' own judgement of what docker/prometheus says: the configuration, the rules, and when each rule fires."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.reading import DOCKER, service

FOLDER = DOCKER / "prometheus"
RULES = FOLDER / "alerts.yml"
WHO = 'instance="s:9464",job="streamer"'

Series = dict[str, str]


def of(name: str, values: str, **labels: str) -> Series:
    """Return a series of one server: a value a minute, in promtool's short form."""
    listed = ",".join([WHO, *(f'{label}="{value}"' for label, value in labels.items())])
    return {"series": f"{name}{{{listed}}}", "values": values}


def slow(name: str, bound: str, **labels: str) -> list[Series]:
    """Return a histogram whose observations are all above a bound."""
    return [
        of(f"{name}_bucket", "0+0x60", le=bound, **labels),
        of(f"{name}_bucket", "0+60x60", le="30", **labels),
        of(f"{name}_bucket", "0+60x60", le="+Inf", **labels),
    ]


# What makes each alert fire, looked at after half an hour, and what looks alike but is well.
STORIES: dict[str, tuple[list[Series], list[Series]]] = {
    "StreamerEventsLost": (
        [of("streamer_events_lost_total", "0x25 1x40")],
        [of("streamer_events_lost_total", "3x60")],
    ),
    "StreamerOutboxDiskTrouble": (
        [of("streamer_outbox_healthy", "0x60")],
        [of("streamer_outbox_healthy", "1x60"), of("streamer_outbox_memory_rows", "0x60")],
    ),
    "StreamerOutboxDamaged": (
        [of("streamer_outbox_damaged_total", "1x60")],
        [of("streamer_outbox_damaged_total", "0x60")],
    ),
    "StreamerMessagesGivenUp": (
        [of("streamer_outbox_dropped_total", "_x25 1x40", kind="utterance", reason="age")],
        [of("streamer_outbox_dropped_total", "0+1x60", kind="partial", reason="rows")],
    ),
    "StreamerEventsWaitLong": (
        [of("streamer_outbox_oldest_age_seconds", "0+60x60")],
        [of("streamer_outbox_oldest_age_seconds", "0 600 0x60")],
    ),
    "StreamerOutboxGrows": (
        [of("streamer_outbox_rows", "10001+100x60")],
        [of("streamer_outbox_rows", "0+100x60")],
    ),
    "StreamerBrokerAway": (
        [of("streamer_broker_connected", "0x60")],
        [of("streamer_broker_connected", "1x29 0 1x30")],
    ),
    "StreamerBrokerRefuses": (
        [of("streamer_publish_refused_total", "_x28 1x40", reason="135")],
        [of("streamer_publish_refused_total", "4x60", reason="135")],
    ),
    "StreamerDown": ([of("up", "0x60")], [of("up", "1x29 0 1x30")]),
    "StreamerRestarts": (
        [of("process_start_time_seconds", "0+300x60")],
        [of("process_start_time_seconds", "5x60")],
    ),
    "StreamerFull": (
        [of("streamer_calls_active", "60x60", dialect="native"), of("streamer_calls_limit", "60x60")],
        [of("streamer_calls_active", "50x60", dialect="native"), of("streamer_calls_limit", "60x60")],
    ),
    "StreamerNearlyFull": (
        [
            of("streamer_calls_active", "30x60", dialect="native"),
            of("streamer_calls_active", "26x60", dialect="twilio"),
            of("streamer_calls_limit", "60x60"),
        ],
        [of("streamer_calls_active", "50x60", dialect="native"), of("streamer_calls_limit", "60x60")],
    ),
    "StreamerOverloaded": ([of("streamer_shedding_level", "2x60")], [of("streamer_shedding_level", "1x60")]),
    "StreamerManyStalls": (
        [of("streamer_calls_stalled", "5x60"), of("streamer_calls_active", "20x60", dialect="native")],
        [of("streamer_calls_stalled", "5x60"), of("streamer_calls_active", "9x60", dialect="native")],
    ),
    "StreamerModelFails": (
        [of("streamer_model_failures_total", "0x25 1x40")],
        [of("streamer_model_failures_total", "1x60")],
    ),
    "StreamerLate": (
        slow("streamer_event_latency_seconds", "2"),
        [
            of("streamer_event_latency_seconds_bucket", "0+60x60", le="2"),
            of("streamer_event_latency_seconds_bucket", "0+60x60", le="+Inf"),
        ],
    ),
    "StreamerLoopLag": (
        slow("streamer_event_loop_lag_seconds", "0.1"),
        [
            of("streamer_event_loop_lag_seconds_bucket", "0+60x60", le="0.1"),
            of("streamer_event_loop_lag_seconds_bucket", "0+60x60", le="+Inf"),
        ],
    ),
    "StreamerStoodStill": (
        [of("streamer_event_loop_lag_max_seconds", "3x60")],
        [of("streamer_event_loop_lag_max_seconds", "1x60")],
    ),
    "StreamerAuthFailures": (
        [of("streamer_auth_failures_total", "0+120x60", reason="wrong")],
        [of("streamer_auth_failures_total", "0+30x60", reason="wrong")],
    ),
    "StreamerDescriptors": (
        [of("process_open_fds", "90x60"), of("process_max_fds", "100x60")],
        [of("process_open_fds", "70x60"), of("process_max_fds", "100x60")],
    ),
    "StreamerCertificateEnds": (
        [of("streamer_tls_certificate_expiry_timestamp_seconds", "86400x60")],
        [of("streamer_tls_certificate_expiry_timestamp_seconds", "0x60")],
    ),
    "StreamerCertificateNotTaken": (
        [of("streamer_tls_reloads_total", "_x25 1x40", outcome="failed")],
        [of("streamer_tls_reloads_total", "0+1x60", outcome="done")],
    ),
}


def promtool(*words: str | Path, folder: Path = FOLDER) -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool (Debian: apt-get install prometheus)")
    done = subprocess.run([found, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    said = promtool("check", "config", "prometheus.yml")
    assert f"{len(rules())} rules found" in said


def test_every_rule_has_a_story_and_no_other_has() -> None:
    assert set(STORIES) == set(rules())


@pytest.mark.parametrize("name", sorted(STORIES))
def test_an_alert_fires_when_it_should_and_not_when_all_is_well(name: str, tmp_path: Path) -> None:
    fires, quiet = STORIES[name]
    (tmp_path / "alerts.yml").write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")

    def firing(series: list[Series], count: int) -> dict[str, Any]:
        # ALERTS is what Prometheus itself says of its rules; counted, so that no sentence is said twice here.
        expression = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
        test = {"expr": expression, "eval_time": "30m", "exp_samples": [{"value": count, "labels": "{}"}]}
        return {"interval": "1m", "input_series": series, "promql_expr_test": [test]}

    story = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [firing(fires, 1), firing(quiet, 0)]}
    (tmp_path / "story.yml").write_text(json.dumps(story), encoding="utf-8")
    assert "SUCCESS" in promtool("test", "rules", "story.yml", folder=tmp_path)


def test_the_container_is_told_where_all_of_it_lies() -> None:
    said = service("prometheus")
    assert "./prometheus:/etc/prometheus:ro" in said["volumes"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in said["command"]
