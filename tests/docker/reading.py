"""Read docker/: the Dockerfile's stages and instructions, what reaches the build, and compose.yaml with its merges.

Nothing here may run anything: it only reads.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = DOCKER / "Dockerfile"
COMPOSE = DOCKER / "compose.yaml"


class Instruction(NamedTuple):
    """A line of a Dockerfile, continued lines joined, without its name."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What stands behind the name: a JSON list, or words as a shell splits them."""
        listed: list[str] = json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)
        return listed


Stage = list[Instruction]


@cache
def stages() -> list[Stage]:
    """Return the instructions of each stage, `FROM` first."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        instruction = Instruction(*line.split(None, 1))
        if instruction.name == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def of(stage: Stage, name: str) -> list[Instruction]:
    """Return a stage's instructions of one name, in order."""
    return [instruction for instruction in stage if instruction.name == name]


def pairs(stage: Stage, name: str) -> dict[str, str]:
    """Return what `ENV` or `LABEL` sets."""
    return dict(word.split("=", 1) for instruction in of(stage, name) for word in instruction.words)


def copied(stage: Stage) -> list[tuple[list[str], str]]:
    """Return sources and target of each `COPY` from the context."""
    all_words = [instruction.words for instruction in of(stage, "COPY")]
    return [(words[:-1], words[-1]) for words in all_words if not words[0].startswith("--from=")]


def reaches_the_build(path: str) -> bool:
    """Say whether a file of the repository is sent to the build: the last pattern that fits decides."""
    sent = True
    for line in DOCKERFILE.with_suffix(".dockerignore").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if any(_fits(str(part), pattern) for part in (PurePosixPath(path), *PurePosixPath(path).parents)):
                sent = line.startswith("!")
    return sent


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(PurePosixPath(path).name, pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatch.fnmatch(path, pattern)


@cache
def compose() -> dict[str, Any]:
    """Return compose.yaml, merges done."""
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return read


def service(name: str) -> dict[str, Any]:
    """Return a service of compose.yaml."""
    found: dict[str, Any] = compose()["services"][name]
    return found


def seconds(duration: str) -> int:
    """Return compose's `940s` as a number."""
    assert duration.endswith("s"), duration
    return int(duration[:-1])
