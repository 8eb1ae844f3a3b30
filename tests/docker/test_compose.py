"""compose.yaml is one that the specification knows, and all that it names is there."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from typing import Any

import pytest
import typer

from streamer.cli import app
from streamer.config import load
from streamer.server import FLUSH_S, HURRIED_FLUSH_S, LAST_CALLS_S
from tests.docker.composed import image_variables
from tests.docker.reading import COMPOSE, DOCKER, ROOT, compose, of, seconds, service, stages

SERVICES = sorted(compose()["services"])
OURS = [name for name in SERVICES if "build" in service(name)]
each = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


def without_extensions() -> dict[str, Any]:
    return {key: value for key, value in compose().items() if not key.startswith("x-")}


def accepted(file: dict[str, Any]) -> bool:
    if importlib.util.find_spec("compose_spec") is None:
        pytest.skip("needs the package compose-spec, on Linux in the group dev")
    from compose_spec import PyCompose  # noqa: PLC0415 - not there on every system

    try:
        PyCompose.from_json(json.dumps(file)).validate()
    except ValueError:
        return False
    return True


def test_it_follows_the_compose_specification() -> None:
    assert accepted(without_extensions())


@pytest.mark.parametrize(
    "mistake", [{"read_onlyy": True}, {"restart": "sometimes"}, {"networks": ["nowhere"]}, {"secrets": ["nothing"]}]
)
def test_a_mistake_would_be_seen(mistake: dict[str, Any]) -> None:
    file = without_extensions()
    assert not accepted(file | {"services": file["services"] | {"alerts": service("alerts") | mistake}})


@each
def test_what_it_names_exists(name: str) -> None:
    said = service(name)
    for volume in said.get("volumes", []):
        source = volume.split(":")[0]
        assert (DOCKER / source).exists() if source.startswith(".") else source in compose()["volumes"], source
    assert set(said.get("secrets", [])) <= set(compose()["secrets"])
    assert set(said["networks"]) <= set(compose()["networks"])
    assert set(said.get("depends_on", {})) <= set(SERVICES)
    for other, how in said.get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "test" in service(other)["healthcheck"], f"nobody would ever know that {other} is healthy"


def test_nothing_is_declared_that_nobody_uses() -> None:
    used = [service(name) for name in SERVICES]
    assert {secret for said in used for secret in said.get("secrets", [])} == set(compose()["secrets"])
    assert {network for said in used for network in said["networks"]} == set(compose()["networks"])
    named = {volume.split(":")[0] for said in used for volume in said.get("volumes", [])}
    assert {name for name in named if not name.startswith(".")} == set(compose()["volumes"])


@each_of_ours
def test_our_image_is_built_from_the_dockerfile(name: str) -> None:
    build = service(name)["build"]
    context = (COMPOSE.parent / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).is_file()


@each
def test_an_image_of_others_is_pinned_to_its_minor_version(name: str) -> None:
    if name not in OURS:
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?", service(name)["image"])


@each
def test_every_container_can_write_nowhere_and_has_no_rights(name: str) -> None:
    said = service(name)
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert said["tmpfs"] == ["/tmp"]  # noqa: S108 - inside
    assert said["restart"] == "unless-stopped"
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(said)
    for volume in said.get("volumes", []):
        assert volume.endswith(":ro") or not volume.startswith("."), "files of the repository are read only"
    user = said.get("user", "") or of(stages()[-1], "USER")[0].rest
    assert int(user.split(":")[0]) > 0


@each
def test_every_container_says_how_it_is_known_to_be_well(name: str) -> None:
    check = service(name).get("healthcheck")
    if name == "streamer":
        assert check is None, "the image's"
    elif name == "alerts":
        assert check == {"disable": True}, "the image's is that of serve"
    else:
        assert set(check) == {"test", "interval", "timeout", "retries", "start_period"}


@each
def test_nothing_is_reachable_from_other_machines(name: str) -> None:
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in service(name).get("ports", []))


@each
def test_only_what_is_published_or_publishes_is_in_the_outer_network(name: str) -> None:
    said = service(name)
    assert ("front" in said["networks"]) == ("ports" in said)
    assert compose()["networks"]["front"] is None
    assert compose()["networks"]["back"] == compose()["networks"]["metrics"] == {"internal": True}


def test_who_speaks_with_whom_shares_a_network() -> None:
    def meet(one: str, other: str) -> bool:
        return bool(set(service(one)["networks"]) & set(service(other)["networks"]) - {"front"})

    assert all(meet(name, "mosquitto") for name in OURS)
    assert meet("prometheus", "streamer")
    assert meet("grafana", "prometheus")
    assert not meet("prometheus", "mosquitto")
    assert not meet("grafana", "mosquitto")


def test_no_secret_stands_in_a_variable_or_a_command() -> None:
    for name in SERVICES:
        said = service(name)
        for variable, value in said.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", variable):
                assert value.startswith("/run/secrets/"), variable
                assert value.rpartition("/")[2] in said["secrets"]
        for word in said.get("command", []):
            if word.startswith("/run/secrets/"):
                assert word.rpartition("/")[2] in said["secrets"]


def test_secrets_lie_where_neither_repository_nor_build_see_them() -> None:
    folders = {secret["file"].rpartition("/")[0] for secret in compose()["secrets"].values()}
    assert folders == {"./secrets"}
    ignored = subprocess.run(["git", "check-ignore", "docker/secrets/salt"], cwd=ROOT, check=False, capture_output=True)
    assert ignored.returncode == 0


def test_the_servers_configuration_is_right_and_reads_the_secrets_that_it_is_given() -> None:
    said = service("streamer")
    assert f"./streamer.toml:{said['environment']['STREAMER_CONFIG']}:ro" in said["volumes"]
    ours = {name: value for name, value in image_variables().items() if name.startswith("STREAMER_")}
    text = (DOCKER / "streamer.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'"/run/secrets/([^"]+)"', text)) == set(said["secrets"])
    settings = load(None, ours, {})
    assert f":{settings.server.port}:" in said["ports"][0] + ":"


@each_of_ours
def test_a_command_is_one_that_the_program_takes(name: str) -> None:
    command = service(name).get("command", ["serve"])
    found = typer.main.get_command(app).commands[command[0]]  # type: ignore[attr-defined]
    found.make_context(command[0], list(command[1:]))  # raises on a flag or a value that cannot be


@each_of_ours
def test_what_must_outlive_a_container_is_on_a_volume_of_its_own(name: str) -> None:
    folder = of(stages()[-1], "VOLUME")[0].rest
    assert f"{name}-data:{folder}" in service(name)["volumes"]
    written = [word for word in service(name).get("command", []) if word.endswith(".sqlite")]
    assert all(word.startswith(f"{folder}/") for word in written)


def test_stopping_waits_as_long_as_the_server_may_drain() -> None:
    longest = load(None, {}, {}).server.drain_s + LAST_CALLS_S + FLUSH_S + HURRIED_FLUSH_S
    assert seconds(service("streamer")["stop_grace_period"]) > longest


def test_a_broker_that_is_away_keeps_no_server_from_starting() -> None:
    assert service("streamer")["depends_on"] == {"mosquitto": {"condition": "service_started"}}


def test_the_guide_names_files_services_and_verbs_that_there_are() -> None:
    guide = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
    commands = re.findall(r"docker compose (?:-f (\S+) )?([a-z]+)((?: [\w-]+)*)", guide)
    assert len(commands) >= 4
    for file, verb, words in commands:
        assert not file or (ROOT / file) == COMPOSE
        assert verb in {"up", "restart", "stop", "kill"}
        named = [word for word in words.split() if not word.startswith("-") and not word.isupper()]
        assert set(named) <= set(SERVICES), words
    for port in re.findall(r"://(?:127\.0\.0\.1|localhost):(\d+)", guide):
        assert any(f"127.0.0.1:{port}:{port}" in service(name).get("ports", []) for name in SERVICES), port
    for secret in re.findall(r"docker/secrets/([\w.-]+)", guide):
        assert secret in {*compose()["secrets"], "mqtt-viewer"}, secret
