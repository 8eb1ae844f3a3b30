"""Every object is one that Kubernetes takes, and they fit each other, the server and the figures."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import typer

from streamer.cli import app
from streamer.config import ConfigError, load
from streamer.server import FLUSH_S, HURRIED_FLUSH_S, LAST_CALLS_S
from tests.docker.composed import image_user
from tests.docker.kubernetes.rendering import KUBERNETES, OVERLAYS, Object, rendered
from tests.docker.kubernetes.schemas import POD_MONITOR, SCALED_OBJECT
from tests.docker.reading import ROOT, of, pairs, stages
from tests.test_dashboards import series

VERSIONS = ("1.30", "1.37")
"""The oldest and the newest Kubernetes that the package and we know."""
CUSTOM = {"ScaledObject": SCALED_OBJECT, "PodMonitor": POD_MONITOR}


def objects(overlay: str = "autoscaled") -> list[Object]:
    return rendered(KUBERNETES / "overlays" / overlay)


def one(kind: str, name: str, overlay: str = "autoscaled") -> Object:
    (found,) = (each for each in objects(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def workloads() -> list[Object]:
    return [each for each in objects() if each["kind"] in {"StatefulSet", "Deployment"}]


def pod(workload: Object) -> Object:
    found: Object = workload["spec"]["template"]["spec"]
    return found


def container(workload: Object) -> Object:
    (found,) = pod(workload)["containers"]
    assert isinstance(found, dict)
    return found


def named(each: Object) -> str:
    return f"{each['kind']}-{each['metadata']['name']}"


def configuration() -> str:
    text: str = next(each for each in objects() if "streamer.toml" in each.get("data", {}))["data"]["streamer.toml"]
    return text


each_workload = pytest.mark.parametrize("workload", workloads(), ids=named)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "manifest", [each for overlay in OVERLAYS for each in objects(overlay) if each["kind"] not in CUSTOM], ids=named
)
def test_kubernetes_takes_it(manifest: Object, version: str) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("needs the package kubernetes-validate, in the group dev")
    import kubernetes_validate  # noqa: PLC0415 - as above

    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("manifest", [each for each in objects() if each["kind"] in CUSTOM], ids=named)
def test_its_operator_takes_it(manifest: Object) -> None:
    jsonschema.validate(manifest, CUSTOM[manifest["kind"]])


def test_a_mistyped_field_would_be_seen() -> None:
    scaled = one("ScaledObject", "streamer")
    wrong = scaled | {"spec": scaled["spec"] | {"minReplicasCount": 2}}
    with pytest.raises(jsonschema.ValidationError, match="minReplicasCount"):
        jsonschema.validate(wrong, SCALED_OBJECT)


def test_all_lies_in_one_namespace_that_takes_only_pods_without_rights() -> None:
    namespace = one("Namespace", "emotion-streamer")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"].get("namespace") for each in objects() if each is not namespace} == {
        None,
        "emotion-streamer",
    }


@each_workload
def test_a_pod_may_do_nothing_but_its_work(workload: Object) -> None:
    said, inside = pod(workload)["securityContext"], container(workload)["securityContext"]
    assert said["runAsNonRoot"] is True
    assert said["runAsUser"] == said["runAsGroup"] == said["fsGroup"] == image_user()
    assert said["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(workload)["automountServiceAccountToken"] is False


@each_workload
def test_labels_and_selectors_match(workload: Object) -> None:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"] == labels == workload["metadata"]["labels"]
    for constraint in pod(workload).get("topologySpreadConstraints", []):
        assert constraint["labelSelector"]["matchLabels"] == labels
    others = [each for each in workloads() if each is not workload]
    assert all(each["spec"]["selector"]["matchLabels"] != labels for each in others if named(each) != named(workload))


def selecting() -> Iterator[tuple[str, dict[str, str], list[Any]]]:
    """Yield what selects pods: its name, the labels, and the ports by name that it means."""
    for each in objects():
        spec = each.get("spec", {})
        if each["kind"] == "Service":
            yield named(each), spec["selector"], [port["targetPort"] for port in spec["ports"]]
        elif each["kind"] == "NetworkPolicy" and spec["podSelector"]:
            ports = [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
            yield named(each), spec["podSelector"]["matchLabels"], ports
        elif each["kind"] == "PodMonitor":
            yield named(each), spec["selector"]["matchLabels"], [e["port"] for e in spec["podMetricsEndpoints"]]
        elif each["kind"] == "PodDisruptionBudget":
            yield named(each), spec["selector"]["matchLabels"], []


@pytest.mark.parametrize(("name", "labels", "ports"), list(selecting()), ids=lambda value: str(value)[:40])
def test_what_selects_pods_finds_some_that_have_these_ports(
    name: str, labels: dict[str, str], ports: list[str]
) -> None:
    found = [each for each in workloads() if labels.items() <= each["spec"]["template"]["metadata"]["labels"].items()]
    assert found, name
    for each in found:
        assert set(ports) <= {port["name"] for port in container(each).get("ports", [])}


def test_ports_are_those_that_the_commands_listen_on_by_themselves() -> None:
    server = load(None, {}, {}).server
    ports = {p["name"]: p["containerPort"] for p in container(one("StatefulSet", "streamer"))["ports"]}
    assert ports == {"calls": server.port, "admin": server.admin_port}
    assert one("Service", "streamer")["spec"]["ports"][0]["port"] == server.port
    command = typer.main.get_command(app).commands["dashboard"]  # type: ignore[attr-defined]
    (page,) = container(one("Deployment", "dashboard"))["ports"]
    assert page["containerPort"] == next(p.default for p in command.params if p.name == "port")


@each_workload
def test_the_image_has_the_command(workload: Object) -> None:
    assert "command" not in container(workload), "the image's entry point"
    name, *words = container(workload)["args"]
    typer.main.get_command(app).commands[name].make_context(name, words)  # type: ignore[attr-defined]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_says_which_image_in_the_version_that_we_are(overlay: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    images = {container(each)["image"] for each in objects(overlay) if "template" in each.get("spec", {})}
    assert images == {f"registry.example/emotion-streamer:{version}"}


@each_workload
def test_volumes_and_mounts_are_each_others_and_what_is_written_lies_on_one(workload: Object) -> None:
    claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    volumes = {volume["name"]: volume for volume in pod(workload)["volumes"]}
    mounts = {mount["name"]: mount for mount in container(workload)["volumeMounts"]}
    assert set(mounts) == claims | set(volumes)
    kept = of(stages()[-1], "VOLUME")[0].rest
    (where,) = (name for name, mount in mounts.items() if mount["mountPath"] == kept)
    assert where in claims or "persistentVolumeClaim" in volumes[where]
    if where in volumes:
        claim = one("PersistentVolumeClaim", volumes[where]["persistentVolumeClaim"]["claimName"])
        assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert pairs(stages()[-1], "ENV")["STREAMER_OUTBOX_PATH"].startswith(f"{kept}/")


def test_the_configuration_has_known_keys_and_reads_what_is_mounted(tmp_path: Any) -> None:
    (tmp_path / "streamer.toml").write_text(configuration(), encoding="utf-8")
    (broker,) = (each["data"] for each in objects() if "STREAMER_MQTT_URL" in each.get("data", {}))
    text = configuration().replace("/run/secrets/emotion-streamer", str(tmp_path))
    for name in ("salt", "stream-key", "mqtt-password", "authority.pem"):
        (tmp_path / name).write_text("x" * 40, encoding="ascii")
    (tmp_path / "streamer.toml").write_text(text, encoding="utf-8")
    ours = {name: value for name, value in pairs(stages()[-1], "ENV").items() if name.startswith("STREAMER_")}
    settings = load(tmp_path / "streamer.toml", ours | broker | {"STREAMER_NODE": "streamer-0"}, {})
    assert settings.mqtt.url.startswith("mqtts://")
    assert settings.node == "streamer-0"
    assert settings.emotion.analyse == ("customer",)


def test_variables_of_kubernetes_own_would_be_taken_for_settings_and_are_kept_out() -> None:
    with pytest.raises(ConfigError, match="STREAMER_PORT"):
        load(None, {"STREAMER_PORT": "tcp://10.0.0.1:8765"}, {})
    assert all(pod(each)["enableServiceLinks"] is False for each in workloads())


def test_the_grace_is_longer_than_the_longest_drain() -> None:
    streamer = one("StatefulSet", "streamer")
    drain_s = tomllib.loads(configuration())["server"]["drain_s"]
    word, pause_s = container(streamer)["lifecycle"]["preStop"]["exec"]["command"]
    assert word == "sleep"
    longest = int(pause_s) + drain_s + LAST_CALLS_S + FLUSH_S + HURRIED_FLUSH_S
    assert pod(streamer)["terminationGracePeriodSeconds"] > longest


def test_the_pause_before_the_end_is_longer_than_an_unready_pod_takes_to_be_noticed() -> None:
    said = container(one("StatefulSet", "streamer"))
    probe = said["readinessProbe"]
    assert int(said["lifecycle"]["preStop"]["exec"]["command"][1]) > probe["periodSeconds"] * probe["failureThreshold"]


def test_a_server_that_drains_holds_up_no_other_and_leaves_its_outbox_behind() -> None:
    spec = one("StatefulSet", "streamer")["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert one("Service", spec["serviceName"])["spec"]["clusterIP"] == "None"
    annotations = spec["template"]["metadata"]["annotations"]
    assert annotations == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    storage = spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    assert int(storage.removesuffix("Gi")) * 2**30 >= 2 * load(None, {}, {}).outbox.max_bytes


def test_a_stuck_loop_is_restarted_after_three_slow_answers_never_after_one() -> None:
    probe = container(one("StatefulSet", "streamer"))["livenessProbe"]
    assert (probe["timeoutSeconds"], probe["failureThreshold"]) == (5, 3)


@pytest.mark.parametrize("name", ["alerts", "dashboard"])
def test_there_is_one_of_what_has_a_state_for_itself_and_never_two_at_once(name: str) -> None:
    spec = one("Deployment", name)["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_only_one_of_scaling_and_applying_says_how_many_there_are() -> None:
    assert "replicas" not in one("StatefulSet", "streamer")["spec"]
    assert one("StatefulSet", "streamer", "fixed")["spec"]["replicas"] == 3
    assert one("PodDisruptionBudget", "streamer")["spec"]["maxUnavailable"] == 1


def test_it_scales_by_a_figure_that_there_is_and_before_a_server_is_full() -> None:
    spec = one("ScaledObject", "streamer")["spec"]
    assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) == ("StatefulSet", "streamer")
    (trigger,) = (each["metadata"] for each in spec["triggers"])
    assert set(re.findall(r"streamer_\w+", trigger["query"])) == {"streamer_legs_active"} <= series()
    assert 'namespace="emotion-streamer"' in trigger["query"]
    full = 2 * tomllib.loads(configuration())["server"]["max_calls"]  # parties of so many calls
    assert 0.6 * full < float(trigger["threshold"]) < 0.9 * full
    assert trigger["ignoreNullValues"] == "false", "without figures nothing may be scaled down"
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"


def test_it_scales_down_no_faster_than_calls_end() -> None:
    behaviour = one("ScaledObject", "streamer")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    drain_s = tomllib.loads(configuration())["server"]["drain_s"]
    assert behaviour["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": drain_s}]
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] > drain_s
    assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0


def test_figures_come_under_the_names_that_alerts_and_the_dashboard_know() -> None:
    (endpoint,) = one("PodMonitor", "streamer")["spec"]["podMetricsEndpoints"]
    assert endpoint["path"] == "/metrics"
    assert {"targetLabel": "job", "replacement": "streamer"} in endpoint["relabelings"]


def test_what_is_asked_for_is_what_was_measured() -> None:
    measured = (ROOT / "benchmarks/results/soak.md").read_text(encoding="utf-8")
    legs, calls = re.search(r"(\d+) legs, 60%", measured), re.search(r"with (\d+) calls at once", measured)
    memory = re.search(r"\| 60 \| ([\d.]+) \|", measured)
    assert legs
    assert calls
    assert memory
    assert tomllib.loads(configuration())["server"]["max_calls"] == int(calls[1]) == int(legs[1]) / 2
    resources = container(one("StatefulSet", "streamer"))["resources"]
    assert float(memory[1]) < int(resources["requests"]["memory"].removesuffix("Mi"))
    assert "cpu" not in resources["limits"], "a process that is held back is late for all of its calls"


def test_nobody_speaks_with_anybody_unless_a_policy_says_so() -> None:
    nobody = one("NetworkPolicy", "nobody")["spec"]
    assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    out = one("NetworkPolicy", "broker-and-dns")["spec"]["egress"]
    (broker,) = (each["data"] for each in objects() if "STREAMER_MQTT_URL" in each.get("data", {}))
    assert [port["port"] for port in out[0]["ports"]] == [int(broker["STREAMER_MQTT_URL"].rpartition(":")[2])]
    assert {(port["protocol"], port["port"]) for port in out[1]["ports"]} == {("UDP", 53), ("TCP", 53)}
    into = {
        name: [(rule["from"][0]["namespaceSelector"]["matchLabels"], rule["ports"][0]["port"]) for rule in rules]
        for name in ("calls", "metrics", "dashboard")
        for rules in [one("NetworkPolicy", name)["spec"]["ingress"]]
    }
    assert into == {
        "calls": [({"emotion-streamer/calls": "allowed"}, "calls")],
        "metrics": [({"emotion-streamer/metrics": "allowed"}, "admin")],
        "dashboard": [({"emotion-streamer/calls": "allowed"}, "page")],
    }
