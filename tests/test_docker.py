"""The container files: what they name exists, what they set is known, and the broker takes its configuration."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from streamer.cli import app
from streamer.config import load
from tests.plain_yaml import read_plain_yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = ROOT / "docker" / "compose.yaml"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


@pytest.fixture
def compose() -> dict[str, Any]:
    return read_plain_yaml(COMPOSE.read_text(encoding="utf-8"))


def variables() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in of("ENV") for pair in shlex.split(rest))


def test_every_file_that_is_copied_exists_and_reaches_the_build() -> None:
    ignored = (ROOT / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [source for rest in of("COPY") if not rest.startswith("--from") for source in shlex.split(rest)[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_all_that_the_wheel_is_made_of_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    members = project["tool"]["uv"]["workspace"]["members"]
    made_of = {*wheel["packages"], *wheel["force-include"], *members, *project["project"]["license-files"]}
    copied = {source for rest in of("COPY") if not rest.startswith("--from") for source in shlex.split(rest)[:-1]}
    assert made_of | {project["project"]["readme"]} <= copied


def test_the_server_runs_as_nobody_in_particular() -> None:
    (user,) = of("USER")
    assert int(user) > 0
    names = [name for name, _ in instructions()]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "RUN")
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_the_command_exists() -> None:
    assert json.loads(of("ENTRYPOINT")[0]) == ["streamer"]
    (command,) = json.loads(of("CMD")[0])
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert command in known


def test_every_setting_is_known_and_can_be(compose: dict[str, Any]) -> None:
    ours = {name: value for name, value in variables().items() if name.startswith("STREAMER_")}
    settings = load(None, {**ours, **compose["services"]["streamer"]["environment"]}, {})
    assert settings.server.host == "0.0.0.0"
    assert settings.outbox.path == "/var/lib/streamer/outbox.sqlite"
    assert settings.mqtt.url == "mqtt://mosquitto:1883"


def test_the_exposed_ports_are_the_servers(compose: dict[str, Any]) -> None:
    server = load(None, {}, {}).server
    assert of("EXPOSE") == [f"{server.port} {server.admin_port}"]
    assert f":{server.admin_port}/livez" in DOCKERFILE
    ports = compose["services"]["streamer"]["ports"]
    assert ports == [f"127.0.0.1:{port}:{port}" for port in (server.port, server.admin_port)]


def test_an_open_server_and_an_open_broker_are_reachable_from_this_machine_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_stopping_waits_as_long_as_the_server_may_drain(compose: dict[str, Any]) -> None:
    grace = compose["services"]["streamer"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > load(None, {}, {}).server.drain_s


def test_every_file_and_volume_of_compose_exists(compose: dict[str, Any]) -> None:
    build = compose["services"]["streamer"]["build"]
    context = COMPOSE.parent / build["context"]
    assert (context / build["dockerfile"]).is_file()
    for service in compose["services"].values():
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (COMPOSE.parent / source).is_file() if source.startswith(".") else source in compose["volumes"]


def test_what_the_outbox_is_written_to_is_kept(compose: dict[str, Any]) -> None:
    folder = str(Path(variables()["STREAMER_OUTBOX_PATH"]).parent)
    assert of("VOLUME") == [folder]
    assert f"streamer-data:{folder}" in compose["services"]["streamer"]["volumes"]


def test_mosquitto_takes_its_configuration(mosquitto_with: Any) -> None:
    lines = (ROOT / "docker" / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    # Where it listens, stores and logs to is the fixture's; the rest is as in the file.
    theirs = ("listener", "persistence ", "persistence_location", "log_dest", "log_type", "max_queued_messages")
    own = [line for line in lines if line and not line.startswith(("#", *theirs))]
    assert "allow_anonymous true" in own
    mosquitto_with(*own, persistent=True)
