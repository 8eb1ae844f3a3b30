"""Each pod's container for real, as kubelet starts it, and a broker with the rights of docker/mosquitto.acl."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.composed import Composed, health_check
from tests.docker.containers import Process, Running
from tests.docker.kubernetes.pods import GUIDE, MQTT, process_of, secrets_of_the_guide
from tests.docker.kubernetes.rendering import KUBERNETES, Object, rendered
from tests.docker.reading import ROOT

CALL = ROOT / "streamer" / "demo" / "call.flac"
OBJECTS = rendered(KUBERNETES / "overlays" / "autoscaled")


def workload(name: str) -> Object:
    (found,) = (
        one for one in OBJECTS if one["metadata"]["name"] == name and one["kind"] in {"StatefulSet", "Deployment"}
    )
    return found


def pod(name: str) -> Object:
    found: Object = workload(name)["spec"]["template"]["spec"]
    return found


def probe(name: str, kind: str) -> list[str]:
    """Return a probe as a command that fails where kubelet would say failed."""
    (container,) = pod(name)["containers"]
    asked = container[kind]["httpGet"]
    (port,) = (port["containerPort"] for port in container["ports"] if port["name"] == asked["port"])
    url, timeout = f"http://127.0.0.1:{port}{asked['path']}", container[kind]["timeoutSeconds"]
    return ["python", "-c", f"from urllib.request import urlopen; urlopen('{url}', timeout={timeout})"]


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Composed]:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    services = Composed(tmp_path, names=[MQTT])
    yield services
    services.machine.close()


@pytest.fixture
def broker(composed: Composed) -> Running:
    running = composed.machine.start(composed.process("mosquitto"))
    running.until_healthy(health_check("mosquitto"))
    return running


def started(composed: Composed, folder: Path, name: str, pod_name: str) -> Running:
    return composed.machine.start(process_of(pod(name), pod_name, OBJECTS, composed, folder))


def replay(composed: Composed, server: Running, call: str) -> subprocess.CompletedProcess[str]:
    key = {"EMOTION_STREAMER_KEY": composed.secret("stream-key")}
    command = ["streamer", "replay", str(CALL), "--call-id", call, "--speed", "max", "--notice", "--quiet"]
    return composed.machine.run(Process("proxy", command, 0, dict(server.process.variables) | key, []))


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("broker")
def test_the_pods_do_their_work_answer_their_probes_and_end_when_told(composed: Composed, tmp_path: Path) -> None:
    server = started(composed, tmp_path, "streamer", "streamer-0")
    alerts = started(composed, tmp_path, "alerts", "alerts-abc")
    page = started(composed, tmp_path, "dashboard", "dashboard-abc")
    server.until("connected to the broker")
    alerts.until("following")
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        server.until_healthy(probe("streamer", kind))
    for kind in ("startupProbe", "livenessProbe"):
        page.until_healthy(probe("dashboard", kind))
    played = replay(composed, server, "CA1")
    assert played.returncode == 0, played.stderr
    alerts.until("CA1")
    assert '"node": "streamer-0"' in server.until("listening")
    for running in (page, alerts, server):
        assert running.stop() == 0, running.said


@pytest.mark.timeout(300)
def test_a_server_that_was_killed_without_its_broker_delivers_when_it_comes_back(
    composed: Composed, tmp_path: Path
) -> None:
    server = started(composed, tmp_path, "streamer", "streamer-0")
    server.until("listening")
    server.until_healthy(probe("streamer", "readinessProbe"))  # no broker: calls are taken all the same
    assert replay(composed, server, "CA2").returncode == 0
    server.kill()
    broker = composed.machine.start(composed.process("mosquitto"))
    broker.until_healthy(health_check("mosquitto"))
    trust = ["-h", "mosquitto", "-p", "8883", "--cafile", "/run/secrets/authority.pem", "-V", "mqttv5"]
    desk = [*trust, "-u", "viewer", "-P", composed.secret("mqtt-viewer"), "-i", "desk", "-c", "-x", "3600", "-q", "1"]
    listen = ["mosquitto_sub", *desk, "-t", "emotion/v1/default/calls/CA2/customer/utterance"]
    assert broker.run([*listen, "-E"]).returncode == 0  # a session, there before the events are
    again = started(composed, tmp_path, "streamer", "streamer-0")
    again.until("connected to the broker")
    heard = broker.run([*listen, "-C", "1", "-W", "50"])
    assert json.loads(heard.stdout)["data"]["call"]["id"] == "CA2"


def test_the_pause_before_the_end_is_a_command_that_the_image_has(composed: Composed, tmp_path: Path) -> None:
    (container,) = pod("streamer")["containers"]
    program, _seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    process = process_of(pod("streamer"), "streamer-0", OBJECTS, composed, tmp_path)
    assert composed.machine.run(process._replace(command=[program, "0"])).returncode == 0


def test_the_guide_makes_the_secrets_that_pods_mount() -> None:
    mounted = {
        volume["secret"]["secretName"]
        for one in ("streamer", "alerts", "dashboard")
        for volume in pod(one)["volumes"]
        if "secret" in volume
    }
    assert mounted == set(secrets_of_the_guide())


def test_kubectl_takes_the_commands_of_the_guide() -> None:
    kubectl = shutil.which("kubectl")
    lines = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("kubectl ")]
    assert len(lines) >= 10
    verbs = {"create", "apply", "label", "get", "exec", "logs", "scale", "rollout"}
    for line in lines:
        (verb,) = verbs & set(line.split())
        if kubectl is not None:
            asked = subprocess.run([kubectl, verb, "--help"], capture_output=True, text=True, check=False)
            assert asked.returncode == 0
