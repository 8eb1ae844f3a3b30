"""Make Grafana's dashboard: rows of panels from the short list below, laid out and numbered.

Written here rather than by hand, because a dashboard's JSON cannot be read, and drifts from the metrics unseen. Run it
again after a change; a test compares the file with what this makes::

    python tools/make_dashboard.py docker/grafana/dashboards/streamer.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WIDTH: Final = 24
HEIGHT: Final = 8
STAT_HEIGHT: Final = 4
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
OF: Final = '{instance=~"$instance"}'
"""The servers that are chosen at the top."""


@dataclass(frozen=True)
class Panel:
    """One picture."""

    title: str
    queries: dict[str, str]
    """Legend to expression; `{}` in an expression is the choice of servers."""
    unit: str = "short"
    says: str = ""
    """What to read from it."""
    width: int = 8
    stack: bool = False
    log: bool = False
    stat: bool = False
    red: float | None = None
    """From here on a figure is red."""
    red_below: float | None = None
    """Below this it is."""


def quantile(share: float, metric: str, *by: str, where: str = "") -> str:
    """Return the expression of a histogram's quantile."""
    labels = ", ".join(("le", *by))
    chosen = f'{{instance=~"$instance"{where}}}'
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{chosen}[$__rate_interval])))"


def rate(metric: str, *by: str, where: str = "") -> str:
    """Return the expression of a counter's rate, for each second."""
    chosen = f'{{instance=~"$instance"{where}}}'
    total = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{total} (rate({metric}{chosen}[$__rate_interval]))"


ROWS: Final[dict[str, list[Panel]]] = {
    "At a glance": [
        Panel("Calls", {"": "sum(streamer_calls_active{})"}, width=4, stat=True),
        Panel(
            "Of what it takes",
            {"": "sum(streamer_calls_active{}) / sum(streamer_calls_limit{})"},
            "percentunit",
            width=4,
            stat=True,
            red=0.9,
        ),
        Panel("Broker", {"": "min(streamer_broker_connected{})"}, "bool_yes_no", width=4, stat=True, red_below=1),
        Panel(
            "Oldest event waits",
            {"": "max(streamer_outbox_oldest_age_seconds{})"},
            "s",
            width=4,
            stat=True,
            red=300,
        ),
        Panel(
            "Final events lost",
            {"": "sum(increase(streamer_events_lost_total{}[$__range]))"},
            says="Anything but 0 is an incident.",
            width=4,
            stat=True,
            red=1,
        ),
        Panel(
            "Event after its speech, p99",
            {"": quantile(0.99, "streamer_event_latency_seconds")},
            "s",
            "The hangover included.",
            width=4,
            stat=True,
            red=2,
        ),
    ],
    "Calls and legs": [
        Panel("Calls", {"{{dialect}}": "sum by (dialect) (streamer_calls_active{})"}, stack=True),
        Panel("Legs", {"{{dialect}}": "sum by (dialect) (streamer_legs_active{})"}, stack=True),
        Panel(
            "Calls that ended",
            {"{{outcome}}": rate("streamer_calls_total", "outcome")},
            "reqps",
            "Many disconnected or idle: the platform, or the network in between.",
            stack=True,
        ),
        Panel(
            "Stalled",
            {
                "stalled now": "sum(streamer_calls_stalled{})",
                "stalls that began, a minute": f"60 * {rate('streamer_stalls_total')}",
            },
            says="No audio comes, though the call lives.",
        ),
        Panel(
            "Refused for want of time",
            {"level": "max(streamer_shedding_level{})", "{{kind}}, a second": rate("streamer_shed_total", "kind")},
            says="Level 1: no partial verdicts. Level 2: no new calls. Final verdicts are never shed.",
        ),
        Panel(
            "Streams ended for a fault",
            {"{{code}}": rate("streamer_protocol_faults_total", "code")},
            "reqps",
            stack=True,
        ),
    ],
    "Utterances by emotion": [
        Panel(
            "Verdicts",
            {"{{emotion}}": rate("streamer_utterances_total", "emotion", where=', uncertain="false"')},
            "reqps",
            "A sudden change of the mix is rarely people: look at the audio, the model, the roles.",
            width=12,
            stack=True,
        ),
        Panel(
            "Uncertain",
            {
                "share of all": rate("streamer_utterances_total", where=', uncertain="true"')
                + f" / {rate('streamer_utterances_total')}"
            },
            "percentunit",
            width=6,
        ),
        Panel(
            "Not judged",
            {"the model failed": rate("streamer_model_failures_total"), "lost": rate("streamer_events_lost_total")},
            "reqps",
            width=6,
        ),
    ],
    "Latency": [
        Panel(
            "Event after the end of its speech",
            {f"p{round(100 * share)}": quantile(share, "streamer_event_latency_seconds") for share in (0.5, 0.9, 0.99)},
            "s",
            "Until it is safe in the outbox; the hangover is most of it.",
        ),
        Panel("Stages, p50", {"{{stage}}": quantile(0.5, "streamer_stage_latency_seconds", "stage")}, "s", log=True),
        Panel("Stages, p99", {"{{stage}}": quantile(0.99, "streamer_stage_latency_seconds", "stage")}, "s", log=True),
        Panel(
            "Waiting for the model",
            {"{{instance}}": "sum by (instance) (streamer_model_waiting{})"},
            says="Stays above 0: more calls than a core carries.",
        ),
        Panel(
            "Event loop lag",
            {
                "p99": quantile(0.99, "streamer_event_loop_lag_seconds"),
                "most of the last minute, {{instance}}": "max by (instance) (streamer_event_loop_lag_max_seconds{})",
            },
            "s",
            log=True,
        ),
        Panel("Outbox commit, p99", {"p99": quantile(0.99, "streamer_outbox_commit_seconds")}, "s", log=True),
    ],
    "Audio quality": [
        Panel(
            "People heard at once",
            {"audio": rate("streamer_audio_seconds_total"), "speech": rate("streamer_speech_seconds_total")},
            says="Seconds of audio, and of speech, in each second.",
        ),
        Panel(
            "Share of speech",
            {
                "now": f"{rate('streamer_speech_seconds_total')} / {rate('streamer_audio_seconds_total')}",
                "median of parties, at the end of their calls": quantile(0.5, "streamer_speech_ratio"),
            },
            "percentunit",
            "Near 0: silence, or a wrong encoding. Near 1: music, or noise.",
        ),
        Panel(
            "Audio lost, late, twice",
            {
                "{{fault}}": f"{rate('streamer_audio_fault_seconds_total', 'fault')}"
                f" / ignoring(fault) group_left {rate('streamer_audio_seconds_total')}"
            },
            "percentunit",
            "Share of all audio.",
        ),
        Panel(
            "Messages missing", {"{{dialect}}": rate("streamer_messages_missing_total", "dialect")}, "reqps", width=12
        ),
        Panel(
            "Peers read more slowly",
            {"seconds held back, a second": rate("streamer_held_back_seconds_total")},
            says="They send more than `limits` allow. A replay at full speed does; a live call must not.",
            width=12,
        ),
    ],
    "Broker and outbox": [
        Panel("Connected", {"{{instance}}": "min by (instance) (streamer_broker_connected{})"}, "bool_yes_no"),
        Panel(
            "Messages that wait",
            {
                "{{instance}}": "sum by (instance) (streamer_outbox_rows{})",
                "only in memory, {{instance}}": "sum by (instance) (streamer_outbox_memory_rows{})",
            },
        ),
        Panel("Age of the oldest", {"{{instance}}": "max by (instance) (streamer_outbox_oldest_age_seconds{})"}, "s"),
        Panel("Bytes that wait", {"{{instance}}": "sum by (instance) (streamer_outbox_bytes{})"}, "bytes"),
        Panel(
            "Sent again, refused, not connected",
            {
                "sent again": rate("streamer_publish_retries_total"),
                "refused: {{reason}}": rate("streamer_publish_refused_total", "reason"),
                "connection: {{reason}}": rate("streamer_broker_failures_total", "reason"),
            },
            "reqps",
        ),
        Panel(
            "Given up",
            {
                "{{kind}}: {{reason}}": rate("streamer_outbox_dropped_total", "kind", "reason"),
                "partials not sent": rate("streamer_partials_dropped_total"),
                "damaged files": "sum(streamer_outbox_damaged_total{})",
            },
            "short",
            "Bounds of the outbox, or refused for ever. Partials are never kept.",
        ),
        Panel(
            "The disk takes what comes",
            {"{{instance}}": "min by (instance) (streamer_outbox_healthy{})"},
            "bool_yes_no",
        ),
        Panel("Misleading retained messages", {"{{kind}}": "max by (kind) (streamer_retained_junk{})"}),
        Panel("New calls welcome", {"{{instance}}": "min by (instance) (streamer_ready{})"}, "bool_yes_no"),
    ],
    "Health": [
        Panel(
            "Memory", {"{{instance}}": "process_resident_memory_bytes{}"}, "bytes", "Flat while the number of calls is."
        ),
        Panel(
            "Cores in use",
            {"{{instance}}": "rate(process_cpu_seconds_total{}[$__rate_interval])"},
            says="One process uses one core: near 1 it carries no more calls.",
        ),
        Panel(
            "Descriptors and tasks",
            {
                "descriptors, {{instance}}": "process_open_fds{}",
                "tasks, {{instance}}": "streamer_asyncio_tasks{}",
            },
            says="Both come down with the calls.",
        ),
        Panel(
            "Refused for their credentials",
            {"{{reason}}": rate("streamer_auth_failures_total", "reason")},
            "reqps",
            stack=True,
        ),
        Panel(
            "Handshakes and strangers",
            {
                "TLS: {{reason}}": rate("streamer_tls_handshake_failures_total", "reason"),
                "cut off: {{reason}}": rate("streamer_connections_cut_total", "reason"),
            },
            "reqps",
        ),
        Panel(
            "Certificate ends in",
            {"{{instance}}": "(streamer_tls_certificate_expiry_timestamp_seconds{} > 0) - time()"},
            "s",
        ),
        Panel(
            "What runs",
            {
                "{{version}}, {{model}} {{model_version}}": "sum by (version, model, model_version)"
                " (streamer_build_info{})",
            },
            says="Servers of each version and model.",
            width=24,
        ),
    ],
}


def panel_json(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """Return a panel as Grafana reads it."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    if panel.red_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.red_below}]
    custom: dict[str, Any] = {"fillOpacity": 20 if panel.stack else 5, "showPoints": "never"}
    if panel.stack:
        custom["stacking"] = {"mode": "normal"}
    if panel.log:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.stat:
        options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
    else:
        defaults |= {"custom": custom, "min": 0}
        options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": STAT_HEIGHT if panel.stat else HEIGHT},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(65 + at), "datasource": SOURCE, "expr": expression.replace("{}", OF), "legendFormat": legend}
            for at, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


def panels_json() -> list[dict[str, Any]]:
    """Return all rows and panels in their places."""
    found: list[dict[str, Any]] = []
    y = 0
    for title, panels in ROWS.items():
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        found.append(
            {"id": len(found) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        )
        x, y = 0, y + 1
        height = STAT_HEIGHT if panels[0].stat else HEIGHT
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y = 0, y + height
            found.append(panel_json(panel, len(found) + 1, x, y))
            x += panel.width
        y += height
    return found


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    server = {
        "name": "instance",
        "label": "server",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(streamer_build_info, instance)",
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }
    source = {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "emotion-streamer",
        "title": "Emotion Streamer",
        "tags": ["emotion-streamer"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source, server]},
        "panels": panels_json(),
    }


def main() -> None:
    """Write the file that is named."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE.json")
    Path(sys.argv[1]).write_text(json.dumps(dashboard(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
