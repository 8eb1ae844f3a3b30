"""Build the wheels and sdists of a release into a folder, with their checksums: `make packages`.

The same source gives the same bytes, on any day and in any folder: the build tool is the one of the lock file, and the
only clock is SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), if not given the day of the
commit. Each wheel is built from its sdist, as those do who package from source, and held to the wheel of the tree. This
file must never leave a wheel behind that the sdist beside it does not give.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = (ROOT, ROOT / "clients" / "python")
SUMS = "SHA256SUMS"
_ENDS = {"sdist": ".tar.gz", "wheel": "-py3-none-any.whl"}


class BuildError(Exception):
    """No packages; the message says why."""


def epoch_s(root: Path) -> int:
    """Return the time that files in the packages bear, in seconds since 1970.

    Raises
    ------
    BuildError
        Neither SOURCE_DATE_EPOCH nor a commit says one.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given:
        if not given.isdecimal():
            raise BuildError(f"SOURCE_DATE_EPOCH is {given!r}; seconds since 1970 are expected")
        return int(given)
    said = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    if said.returncode:
        raise BuildError(f"no commit here to take the time from ({said.stderr.strip()}); set SOURCE_DATE_EPOCH")
    return int(said.stdout)


def changed(root: Path) -> list[str]:
    """Return what is not as committed; empty, too, where there is no git to ask."""
    said = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    return said.stdout.splitlines()


def build(project: Path, kind: str, out: Path, time_s: int) -> Path:
    """Build one package, with the build tool of this environment; return its file.

    Parameters
    ----------
    project
        Folder with a `pyproject.toml`.
    kind
        "wheel" or "sdist".
    out
        Folder to write to.
    time_s
        As :func:`epoch_s` returns it.

    Raises
    ------
    BuildError
        With what the build tool said.
    """
    asked = [sys.executable, "-P", "-m", "hatchling", "build", "--target", kind, "--directory", str(out)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time_s)}
    done = subprocess.run(asked, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{project}: no {kind}; the build tool says: {done.stderr.strip()}")
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return out / f"{about['name'].replace('-', '_')}-{about['version']}{_ENDS[kind]}"


def release(out: Path, time_s: int) -> list[Path]:
    """Build sdist and wheel of each distribution, and SHA256SUMS of them all; return the packages.

    Raises
    ------
    BuildError
        Something cannot be built, or an sdist gives another wheel than the tree.
    """
    out = out.resolve()  # the build tool runs in another folder
    out.mkdir(parents=True, exist_ok=True)
    built: list[Path] = []
    for project in PROJECTS:
        sdist = build(project, "sdist", out, time_s)
        with tempfile.TemporaryDirectory(prefix="packages-") as place, tarfile.open(sdist) as archive:
            archive.extractall(place, filter="data")
            wheel = build(Path(place, sdist.name.removesuffix(".tar.gz")), "wheel", out, time_s)
            of_tree = build(project, "wheel", Path(place), time_s)
            if of_tree.read_bytes() != wheel.read_bytes():
                wheel.unlink()
                raise BuildError(f"{sdist.name} gives another wheel than the tree: a file is missing in one of them")
        built += [sdist, wheel]
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(built)]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")
    return built


def main(arguments: list[str]) -> int:
    """Build them; return the exit status."""
    parser = argparse.ArgumentParser(description="Build wheels and sdists of this version, with checksums.")
    parser.add_argument("out", type=Path, help="folder to write to")
    given = parser.parse_args(arguments)
    try:
        time_s = epoch_s(ROOT)
        built = release(given.out, time_s)
    except BuildError as problem:
        print(f"packages: {problem}", file=sys.stderr)
        return 1
    for file in built:
        print(f"{given.out / file.name}: {file.stat().st_size / 1e6:.2f} MB")
    print(f"{given.out / SUMS}: check with `sha256sum -c {SUMS}`; SOURCE_DATE_EPOCH={time_s}")
    if here := changed(ROOT):
        print(f"packages: never publish these: {len(here)} files are not as committed", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
