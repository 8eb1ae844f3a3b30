"""compose.yaml as a whole, as far as this machine has the programs: only Grafana is missing.

Set up, started in compose's order with its users, files, variables and commands; a call is replayed, an alert arrives,
the dashboard knows the call, Prometheus has the figures, and everything stops when it is told to.
"""

from __future__ import annotations

import json

import pytest

from tests.docker.composed import Composed, health_check
from tests.docker.containers import Mount, Process, Running
from tests.docker.reading import ROOT, service

CALL = ROOT / "streamer" / "demo" / "call.flac"


def check(running: Running) -> None:
    running.until_healthy(health_check(running.process.name))


def outside(composed: Composed, *command: str, **variables: str) -> Process:
    """Return a command of whoever sits at the machine: their rights, the image's programs."""
    return Process("desk", command, 0, composed.process("streamer").variables | variables, [])


@pytest.mark.timeout(300)
def test_a_call_becomes_an_alert_on_the_dashboard_and_all_is_well_and_stops(composed: Composed) -> None:
    machine = composed.machine
    started = {}
    for name in ("mosquitto", "streamer", "alerts", "dashboard", "prometheus"):
        for other, how in service(name).get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                check(started[other])
        started[name] = machine.start(composed.process(name))
    started["streamer"].until("connected to the broker")
    started["alerts"].until("following")
    started["dashboard"].until("dashboard at")
    for name in ("streamer", "dashboard", "prometheus"):
        check(started[name])

    key = {"EMOTION_STREAMER_KEY": composed.secret("stream-key")}
    replay = ["streamer", "replay", str(CALL), "--call-id", "CA1", "--speed", "max", "--notice"]
    refused = machine.run(outside(composed, *replay))
    assert refused.returncode != 0
    assert "key" in refused.stderr
    played = machine.run(outside(composed, *replay, **key))
    assert played.returncode == 0, played.stderr
    assert "CA1" in started["alerts"].until("CA1")

    token = composed.secret("dashboard-tokens").split()[1]
    seen = started["dashboard"].until_answer(
        ["python", "-c", ASK, token], lambda shown: bool(json.loads(shown)["alerts"])
    )
    assert [call["id"] for call in json.loads(seen)["calls"]] == ["CA1"]

    query = ["promtool", "query", "instant", "http://127.0.0.1:9090"]
    figures = started["prometheus"].until_answer(
        [*query, 'streamer_calls_total{outcome="stop"}'], lambda shown: "=> 1" in shown
    )
    assert 'dialect="native"' in figures
    for name in ("dashboard", "alerts", "streamer", "prometheus", "mosquitto"):
        assert started[name].stop() == 0, started[name].said


ASK = """
import http.cookiejar, json, ssl, sys, urllib.request as web
trusted = ssl.create_default_context(cafile="/run/secrets/authority.pem")
cookies = web.HTTPCookieProcessor(http.cookiejar.CookieJar())
opener = web.build_opener(web.HTTPSHandler(context=trusted), cookies)
base = "https://localhost:8080"
said = json.dumps({"token": sys.argv[1]}).encode()
opener.open(web.Request(base + "/api/login", said, {"Content-Type": "application/json", "Origin": base}), timeout=20)
print(opener.open(base + "/api/snapshot", timeout=20).read().decode())
"""


def test_a_container_can_write_only_to_its_volume_and_to_tmp(composed: Composed) -> None:
    process = composed.process("alerts")
    places = ["/", "/etc", "/opt/streamer", "/usr", "/run/secrets", "/tmp", "/var/lib/streamer"]  # noqa: S108 - inside
    tried = composed.machine.run(
        process._replace(command=["sh", "-c", "for f; do touch $f/x 2>/dev/null && echo $f; done", "-", *places])
    )
    assert tried.stdout.split() == ["/tmp", "/var/lib/streamer"]  # noqa: S108 - inside


def test_a_container_sees_no_secret_of_another(composed: Composed) -> None:
    listed = composed.machine.run(composed.process("alerts")._replace(command=["ls", "/run/secrets"]))
    assert listed.stdout.split() == service("alerts")["secrets"]


def test_a_secret_of_another_could_not_even_be_read(composed: Composed) -> None:
    key = Mount(composed.secrets / "mosquitto.key", "/run/secrets/mosquitto.key")
    process = composed.process("alerts")
    tried = composed.machine.run(
        process._replace(command=["cat", "/run/secrets/mosquitto.key"], mounts=[*process.mounts, key])
    )
    assert tried.stdout == ""
    assert "Permission denied" in tried.stderr
