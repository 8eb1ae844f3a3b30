"""The build stage's commands for real, and what comes of them run as the container runs it.

What is not done: `pip install uv`, as uv is here; and the base image, in whose place stands this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docker.composed import Composed, health_check
from tests.docker.reading import ROOT, Instruction, copied, pairs, reaches_the_build, stages

BUILD, RESULT = stages()
FOLDER = pairs(BUILD, "ENV")["UV_PROJECT_ENVIRONMENT"]
OF_THE_BASE = re.compile(
    r"(ld-linux-x86-64|lib(c|m|mvec|dl|rt|pthread|util|resolv|gcc_s|stdc\+\+"  # the C and C++ libraries
    r"|z|bz2|lzma|ffi|expat|uuid|ssl|crypto|sqlite3|ncursesw|tinfo|readline|python3))[.-]"  # the interpreter's
)
"""Libraries that python:slim has; everything else must lie in the wheels."""
pytestmark = pytest.mark.timeout(900)


class Built(NamedTuple):
    """What the build stage made."""

    environment: Path
    context: Path


def find_uv() -> str:
    found = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".uv" / "bin"))
    if found is None:
        pytest.skip("needs uv, which make installs into .uv")
    return found


def copy(instruction: Instruction, context: Path) -> None:
    """Do what `COPY` does with what reaches the build."""
    *sources, target = instruction.words
    for source in sources:
        into = context / target / Path(source).name if target.endswith("/") else context / target
        files = [ROOT / source] if (ROOT / source).is_file() else sorted((ROOT / source).rglob("*"))
        for file in files:
            if file.is_file() and reaches_the_build(str(file.relative_to(ROOT))):
                place = into / file.relative_to(ROOT / source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if shutil.which("bwrap") is None:
        pytest.skip("needs the program bwrap (Debian: apt-get install bubblewrap)")
    folder = tmp_path_factory.mktemp("image")
    for one in (folder, *folder.parents[:2]):
        one.chmod(0o755)
    made = Built(folder / "environment", folder / "context")
    made.environment.mkdir()
    made.context.mkdir()
    # The environment is built at its own path: its scripts name it.
    inside = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/opt", "--bind", str(made.environment), FOLDER]
    path = os.pathsep.join([str(Path(find_uv()).parent), os.environ["PATH"]])
    # The image has one interpreter; here it is the one of the tests.
    variables = os.environ | {"PATH": path, "UV_PYTHON": sys.executable, "CC": "false", "CXX": "false"}
    variables = {name: value for name, value in variables.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    for instruction in BUILD:
        if instruction.name == "COPY":
            copy(instruction, made.context)
        elif instruction.name == "RUN" and instruction.words[0] == "uv":
            done = subprocess.run(
                [*inside, "--chdir", str(made.context), *instruction.words],
                env=variables | pairs(BUILD, "ENV"),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def composed(tmp_path: Path, built: Built) -> Iterator[Composed]:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    services = Composed(tmp_path, built.environment)
    yield services
    services.machine.close()


def test_the_context_is_no_more_than_what_is_copied(built: Built) -> None:
    assert {path.name for path in built.context.iterdir()} == {
        Path(source).parts[0] for sources, _target in copied(BUILD) for source in sources
    }


def test_both_distributions_are_installed_and_nothing_that_only_developers_need(built: Built) -> None:
    installed = {
        path.name.partition("-")[0].lower() for path in built.environment.glob("lib/python*/site-packages/*-info")
    }
    assert {"emotion_streamer", "emotion_streamer_client", "onnxruntime", "uvloop"} <= installed
    assert not {"pytest", "ruff", "mypy", "hypothesis", "torch", "playwright", "hatchling"} & installed
    packages = built.environment / "lib"
    assert list(packages.glob("python*/site-packages/streamer/store/telephone/model.onnx"))
    assert not list(packages.glob("python*/site-packages/*editable*"))


def test_the_server_in_it_serves_and_stops_as_compose_starts_it(composed: Composed, built: Built) -> None:
    process = composed.process("streamer")
    where = composed.machine.run(
        process._replace(command=["python", "-c", "import streamer; print(streamer.__file__)"])
    )
    assert where.stdout.startswith(f"{FOLDER}/lib/"), where.stderr
    assert (built.environment / "bin" / "streamer").read_text(encoding="utf-8").startswith(f"#!{FOLDER}/bin/python")
    running = composed.machine.start(process)
    running.until("listening")  # no broker is there: calls are taken all the same
    running.until_healthy(health_check("streamer"))  # the model has run by now
    maps = Path(f"/proc/{running.pid}/maps").read_text(encoding="utf-8")
    mapped = {Path(line.split()[-1]) for line in maps.splitlines() if ".so" in line}
    own = {path for path in mapped if path.is_relative_to(FOLDER) or "lib-dynload" in path.parts}
    assert {path.name for path in mapped - own if not OF_THE_BASE.match(path.name)} == set()
    assert any("onnxruntime" in path.name for path in own)
    assert running.stop() == 0, running.said


@pytest.mark.parametrize("command", ["alerts", "dashboard", "check", "replay", "watch"])
def test_what_else_the_image_is_run_with_is_there(composed: Composed, command: str) -> None:
    asked = composed.machine.run(composed.process("alerts")._replace(command=["streamer", command, "--help"]))
    assert asked.returncode == 0, asked.stderr
