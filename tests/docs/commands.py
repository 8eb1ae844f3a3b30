"""Hold the commands of shell blocks to what there is: targets, modules, packages, variables, tables, files.

Lines of `streamer` and `streamer-client` are parsed by the programs themselves, in `test_guides.py`. A program that no
rule here knows fails. Nothing here may run what a guide says.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamer_client.alerts import state_file
from streamer_client.commands import app as client_app

from streamer.cli import app as server_app
from streamer.config import load
from tests.docs.covered import PROGRAMS
from tests.docs.reading import ROOT, text

PROGRAMS_OF_OURS = {"streamer": server_app, "streamer-client": client_app}
"""Programs whose lines in blocks `test_guides.py` parses as the program does."""


def lines(body: str) -> list[list[str]]:
    """Return the commands of a shell block as words; variables in front and comments left out, pipes taken apart."""
    found = []
    for line in body.replace("\\\n", " ").splitlines():
        for command in re.split(r" (?:\||&&) ", re.sub(r"(^| )#.*", "", line)):
            plain = re.sub(r"\$\([^)]*\)", "of-a-command", command).replace("<", "_").replace(">", " ")
            words = shlex.split(plain)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                found.append(words)
    return found


def hold(name: str, program: str, words: list[str]) -> None:
    """Fail where a command of a document is none that there is."""
    if program in PROGRAMS_OF_OURS or program.endswith("/streamer"):
        return
    rule = RULES.get(program.rpartition("/")[2])
    if rule:
        rule(name, words)
    elif "/" in program:
        assert os.access(ROOT / program, os.X_OK), f"{name}: {program} is no program of this repository"
    else:
        assert program in PROGRAMS, f"{name}: a rule for {program} is missing in tests/docs/commands.py"


def known_target(name: str, words: list[str]) -> None:
    """Hold `make target` to the Makefile."""
    assert re.search(rf"^{re.escape(words[0])}:", text("Makefile"), re.MULTILINE), f"{name}: make {words[0]}"


def known_module(name: str, words: list[str]) -> None:
    """Hold `python -m module --flag` and `python file.py --flag` to the source: the file, and each flag in it."""
    if words[:1] == ["-m"]:
        words = [words[1].replace(".", "/"), *words[2:]]
    if words[0] in {"venv", "http/server"}:
        return
    file = ROOT / words[0]
    paths = [file, file.with_suffix(".py"), file / "__main__.py"]
    source = next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), None)
    assert source is not None, f"{name}: no {words[0]}"
    shared = source + "".join(path.read_text(encoding="utf-8") for path in file.parent.glob("*.py"))
    assert [word for word in words[1:] if word.startswith("--") and word.partition("=")[0] not in shared] == []


def known_package(name: str, words: list[str]) -> None:
    """Hold what is installed to our distributions: their names, their extras and their groups."""
    projects = [tomllib.loads(text(path)) for path in ("pyproject.toml", "clients/python/pyproject.toml")]
    extras = {one["project"]["name"]: set(one["project"].get("optional-dependencies", {})) for one in projects}
    for wanted, extra in (
        found.groups() for word in words if (found := re.match(r"(emotion-[\w-]+)(?:\[(.*)\])?", word))
    ):
        assert wanted in extras, f"{name}: {wanted}"
        assert set((extra or "").split(",")) - {""} <= extras[wanted], f"{name}: {wanted}[{extra}]"
    if "--group" in words:
        assert words[words.index("--group") + 1] in projects[0]["dependency-groups"]


def known_places(name: str, words: list[str]) -> None:
    """Hold the files of ours that a tool of others is given to those there are, and to what docker/setup makes."""
    made = text("docker/setup")
    places = re.findall(r"(?<![\w/.])docker/[\w./-]+", " ".join(words))
    secrets = {place for place in places if place.startswith("docker/secrets/")}
    assert [place for place in places if place not in secrets and not (ROOT / place).exists()] == [], name
    assert [place for place in secrets if Path(place).name.removeprefix("mqtt-") not in made] == [], name
    load(None, dict(word.split("=", 1) for word in words if word.startswith("STREAMER_")), {})


def known_variables(name: str, words: list[str]) -> None:
    """Hold exported variables of ours to the settings."""
    variables = dict(word.partition("=")[::2] for word in words)
    ours = {key: value for key, value in variables.items() if key.startswith("STREAMER_") and key != "STREAMER_CONFIG"}
    load(None, ours, {})
    others = {key for key in variables if not key.startswith(("STREAMER_", "OTEL_")) and key != "PATH"}
    client = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("clients/python/streamer_client/**/*.py"))
    assert [key for key in others if f'"{key}"' not in client] == [], name


def known_tables(name: str, words: list[str]) -> None:
    """Hold a query to the tables of the alerts' state."""
    statement = words[1]
    if statement.startswith(".backup "):
        assert name == "docs/operations.md", "tests/docs/test_operations.py runs that one"
        return
    tables = re.findall(r"(?:FROM|JOIN) (\w+)", statement)
    assert tables, name
    assert [
        table for table in tables if not re.search(rf"TABLE {table}\b", Path(state_file.__file__).read_text())
    ] == []


RULES: Final[dict[str, Callable[[str, list[str]], None]]] = {
    "docker": known_places,
    "export": known_variables,
    "haproxy": known_places,
    "kubectl": known_places,
    "make": known_target,
    "pip": known_package,
    "pipx": known_package,
    "python": known_module,
    "python3": known_module,
    "sqlite3": known_tables,
    "uv": known_package,
}
"""By the name of a program."""
