"""Dashboard, alerts and the guide to the metrics know the metrics that the program has, and no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from streamer.config import Settings
from streamer.metrics import Metrics
from tests.docs.reading import ROOT, anchors, rows, text

DASHBOARD = ROOT / "docker/grafana/dashboards/streamer.json"
PROMETHEUS = ROOT / "docker/prometheus"
NAME = re.compile(r"\b(?:streamer|process)_[a-z_]+\b")


def shown() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name to type and labels of every metric, as Prometheus knows them."""
    metrics = Metrics(CollectorRegistry())
    ProcessCollector(registry=metrics.registry)
    ours = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    labels = {metric.describe()[0].name: metric._labelnames for metric in ours}
    return {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, tuple(labels.get(family.name, ())))
        for family in metrics.registry.collect()
    }


def series() -> set[str]:
    """Every name that may stand in an expression."""
    return {
        name + suffix
        for name, (kind, _labels) in shown().items()
        for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
    }


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel.get("targets", []))
    yield from (rule["expr"] for rule in rules())


# What follows `by (...)` and stands in `{...}`, without what Prometheus itself adds.
THEIR_OWN = {"instance", "job", "le"}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_names_metrics_and_labels_that_there_are(expression: str) -> None:
    names = set(NAME.findall(re.sub(r'"[^"]*"', '""', expression)))
    assert names or expression.startswith("up{")
    assert names <= series()
    asked = {name.strip() for listed in re.findall(r"\bby \(([^)]*)\)", expression) for name in listed.split(",")}
    asked |= {name for inside in re.findall(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)\s*[=!]", inside)}
    known = {
        label
        for name, (_kind, labels) in shown().items()
        if any(used.startswith(name) for used in names)
        for label in labels
    }
    assert asked - THEIR_OWN <= known
    assert expression.count("(") == expression.count(")")
    if "_bucket" in expression:
        assert "histogram_quantile" in expression


def test_what_only_grows_is_drawn_as_a_rate() -> None:
    since_start = {"streamer_outbox_damaged_total"}  # a few in the life of a server: the number itself is the news
    counters = {name for name, (kind, _labels) in shown().items() if kind == "counter"} - since_start
    drawn = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    for expression in drawn:
        for name in counters & set(NAME.findall(expression)):
            assert re.sub(rf"(rate|increase)\({name}\b", "", expression).count(name) == 0, expression


def test_the_guide_has_every_metric_with_its_type_and_labels_and_no_other() -> None:
    documented = {}
    for _heading, (name, kind, *_rest) in rows(text("docs/metrics.md")):
        if name.startswith(("`streamer_", "`process_")):
            type_, _, labels = kind.partition(":")
            documented[name.strip("`")] = (type_, tuple(re.findall(r"`(\w+)`", labels)))
    assert documented == shown()


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    used = {name for panel in panels() for target in panel.get("targets", []) for name in NAME.findall(target["expr"])}
    hidden = {
        name for name in shown() if name.startswith("streamer_") and not any(one.startswith(name) for one in used)
    }
    assert hidden == {"streamer_tls_reloads_total"}, "an event of every few months is an alert's business"


def test_the_dashboard_is_what_its_tool_makes(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    subprocess.run([sys.executable, ROOT / "tools/make_dashboard.py", made], check=True)
    assert DASHBOARD.read_bytes() == made.read_bytes(), "run tools/make_dashboard.py"


def test_panels_have_an_id_each_a_place_of_their_own_and_a_source_that_can_be_chosen() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids) > 30
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"
    names = {variable["name"] for variable in json.loads(DASHBOARD.read_text(encoding="utf-8"))["templating"]["list"]}
    assert names == {"datasource", "instance"}


def test_legends_name_labels_that_survive_their_expression() -> None:
    for panel in panels():
        for target in panel.get("targets", []):
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {
                one.strip() for listed in re.findall(r"by \(([^)]*)\)", target["expr"]) for one in listed.split(",")
            }
            if "sum (" in target["expr"] and "group_left" not in target["expr"]:
                assert not wanted, panel["title"]
            elif kept:
                assert wanted <= kept, panel["title"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Streamer[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"warning", "critical"}
    summary = rule["annotations"]["summary"]
    assert summary.startswith("{{ $labels.instance }}: ")
    grouped = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
    for label in re.findall(r"\$labels\.(\w+)", summary):
        assert not grouped or all(label in listed for listed in grouped), label
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in anchors(text(path))


def test_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) >= 10


def test_prometheus_is_told_of_the_rules_and_of_the_admin_port() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert [(PROMETHEUS / name).is_file() for name in config["rule_files"]] == [True]
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "streamer"
    assert job["static_configs"][0]["targets"] == [f"streamer:{Settings().server.admin_port}"]
    assert {job for rule in rules() for job in re.findall(r'job="(\w+)"', rule["expr"])} == {"streamer"}


@pytest.mark.parametrize("name", ["datasources/prometheus.yml", "dashboards/streamer.yml"])
def test_grafana_is_provisioned(name: str) -> None:
    config = yaml.safe_load((ROOT / "docker/grafana/provisioning" / name).read_text(encoding="utf-8"))
    assert config["apiVersion"] == 1
    (entry,) = config["datasources" if name.startswith("datasources") else "providers"]
    assert entry["type"] in {"prometheus", "file"}
