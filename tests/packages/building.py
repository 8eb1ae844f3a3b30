"""What the tests of the packages share: the packages, what is in them, environments made of them.

Nothing here may import the server or the client: they are used as somebody uses them who has only the wheels.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.docs.running import Background
from tests.processes import PATIENCE_S as ANSWERS_WITHIN_S
from tests.tools.programs import uv

ROOT = Path(__file__).resolve().parents[2]
TIME_S = 1_700_000_000
"""Of all files in the packages that the tests build."""
PYTHONS = ("3.11", "3.12", "3.13")
PATIENCE_S = 900
"""Only how long a broken test hangs: an environment may have to be downloaded first."""


def names(package: Path) -> set[str]:
    """Return the files of a wheel or sdist; of an sdist without its first folder."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            return set(wheel.namelist())
    with tarfile.open(package) as sdist:
        return {member.name.partition("/")[2] for member in sdist if member.isfile()}


def read(wheel: Path, name: str) -> str:
    """Return the text of a file in a wheel; the name's beginning may be left out."""
    with zipfile.ZipFile(wheel) as archive:
        (full,) = [one for one in archive.namelist() if one.endswith(name)]
        return archive.read(full).decode()


def bare() -> dict[str, str]:
    """Return an environment of variables in which nothing points to this checkout or configures us."""
    mine = ("STREAMER_", "EMOTION_", "PYTHON", "VIRTUAL_ENV", "PYTEST", "COV_", "UV_PROJECT")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)} | {"NO_COLOR": "1"}


def interpreter(version: str) -> Path:
    """Return a Python of this machine.

    A machine without it does not fail, and is not silent: an expected failure with the reason, not a skip, for not
    every machine has all three.
    """
    asked = [uv(), "python", "find", "--no-python-downloads", "--system", "--no-project", version]
    found = subprocess.run(asked, cwd="/", env=bare(), capture_output=True, text=True, check=False)
    if not found.returncode:
        return Path(found.stdout.strip())
    # Those of pyenv are on PATH only where it was told so.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    others = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    if not others:
        pytest.xfail(f"Python {version} is not on this machine")
    return others[-1]


def constraints(folder: Path) -> Path:
    """Return a file with the versions of the lock file."""
    file = folder / "locked.txt"
    asked = [uv(), "export", "--locked", "--no-default-groups", "--no-emit-workspace", "--no-hashes"]
    said = subprocess.run(
        [*asked, "--quiet", "--output-file", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return file


class Running(Background):
    """A command that runs in the background and can be asked to end."""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def ended(self) -> int:
        """Return its status once it has ended."""
        return self._process.wait(ANSWERS_WITHIN_S)


class Installed:
    """An environment that was empty before the wheels were installed into it.

    Parameters
    ----------
    folder
        Where it is made.
    python
        Of which interpreter.
    """

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder
        self._uv("venv", "--no-project", "--python", str(python), str(folder))

    def install(self, *wheels: Path, constraint: Path) -> None:
        """Install wheels and what they need, in the versions of the lock file, nothing from source."""
        more = ["--constraint", str(constraint), "--no-build", "--link-mode", "hardlink"]
        self._uv("pip", "install", "--python", str(self.folder), *more, *map(str, wheels))

    def program(self, name: str) -> str:
        """Return the path of a program of the environment."""
        return str(self.folder / "bin" / name)

    def run(self, name: str, *arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment to its end, in a folder."""
        return subprocess.run(
            [self.program(name), *arguments],
            cwd=folder,
            env=bare() | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def remove(self) -> None:
        """Give the disk back: three of these are more than 2 GB where links are not possible."""
        shutil.rmtree(self.folder)

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run(
            [uv(), *arguments, "--quiet"],
            cwd=self.folder.parent,
            env=bare(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
