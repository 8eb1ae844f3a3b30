"""The release checklist: its commands do what it says, in a copy of the repository that is a commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.compatibility.recorded import VERSIONS
from tests.docs.reading import ROOT, text

GUIDE = text("docs/releasing.md")
_FENCE = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINES = [line.strip() for _, body in _FENCE.findall(GUIDE) for line in body.splitlines()]
NEEDED = (
    "tools",
    "streamer",
    "clients/python",
    "clients/schema",
    "clients/web/src",
    "models/store/telephone",
    "models/store/telephone-large",
    "tests/compatibility",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "NOTICE",
    ".gitignore",
)
"""What the commands read and write of the repository."""


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, with what is here as its only commit."""
    folder = tmp_path_factory.mktemp("release")
    made = shutil.ignore_patterns("__pycache__", "node_modules", ".*_cache")
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name, **({"ignore": made} if (ROOT / name).is_dir() else {}))
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "as it is"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the checklist, with this environment's Python as its own."""
    command = line.replace(".venv/bin/python", f"'{sys.executable}'")
    kept = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    return subprocess.run(command, shell=True, cwd=folder, env=kept, capture_output=True, text=True, check=False)  # noqa: S602 - our own document


def line_with(word: str) -> str:
    (found,) = [line for line in LINES if word in line]
    return found


def test_what_is_made_from_the_code_is_as_it_would_be_made_now(commit: Path) -> None:
    made = shell(line_with("tools.schemas"), commit)
    assert made.returncode == 0, made.stderr
    compared = shell(line_with("git diff"), commit)
    assert (compared.returncode, compared.stdout) == (0, "")
    (commit / "clients/schema/event.json").write_text("{}", encoding="utf-8")
    assert shell(line_with("git diff"), commit).returncode == 1
    shell("git checkout --quiet clients", commit)


def test_what_was_recorded_is_not_recorded_again(commit: Path) -> None:
    line = line_with("tools.record_messages")
    _, _, folder = line.rpartition(" ")
    assert not (ROOT / folder).exists(), "the guide names a version that is still to come"
    refused = shell(line.replace(folder, f"tests/compatibility/{VERSIONS[-1]}"), commit)
    assert refused.returncode == 1
    assert "is never recorded again" in refused.stderr


def test_the_packages_are_those_of_the_commit_and_their_sums_can_be_checked(commit: Path) -> None:
    (recipe,) = re.findall(r"^packages:.*\n\t@\$\(RUN\)/python (.*)$", text("Makefile"), re.MULTILINE)
    assert "make packages" in LINES
    built = shell(f".venv/bin/python {recipe}", commit)
    assert (built.returncode, built.stderr) == (0, ""), built.stderr  # of a commit, so without a warning
    folder, check = LINES[LINES.index("cd dist") :][:2]
    checked = shell(f"{folder} && {check}", commit)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == 4
    (commit / "NOTICE").write_text("changed", encoding="utf-8")
    assert "never publish these: 1 files" in shell(f".venv/bin/python {recipe}", commit).stderr


def test_every_other_command_is_one_that_there_is() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    for line in LINES:
        if line.startswith("make "):
            assert line.split()[1] in targets
        elif line.startswith(".ci/"):
            assert os.access(ROOT / line, os.X_OK)
        else:
            assert line.split()[0] in {".venv/bin/python", "git", "cd", "sha256sum"}


def test_the_number_stands_where_the_checklist_says() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    named = re.findall(r"`([\w/]+\.(?:toml|py|cff))`", GUIDE.partition("1. [ ]")[2].partition("2. [ ]")[0])
    assert len(named) == 5
    for name in named:
        assert version in text(name), name
