"""What is built: the same bytes each time, all that is needed, nothing else, and small."""

from __future__ import annotations

import ast
import email
import hashlib
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.packages.building import PYTHONS, ROOT, TIME_S, names, read
from tools.packages import PROJECTS, SUMS, BuildError, build, epoch_s, main, release

CLIENT = ROOT / "clients" / "python"
LARGEST_BYTES = {
    "server_wheel": 16_000_000,
    "server_sdist": 16_000_000,
    "client_wheel": 700_000,
    "client_sdist": 500_000,
}
"""The client must stay below 1 MB; of the server 12 MB are the large model, 2 MB the default one."""


def project(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return about


def of_git(folder: Path) -> set[str]:
    """Return what of a folder would be in a clean checkout, as paths from the root."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", str(folder)]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip("needs a git checkout to know what belongs to it")
    return {name for name in said.stdout.splitlines() if (ROOT / name).exists()}


def test_the_same_source_gives_the_same_bytes_whoever_builds_it(packages: Any, tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        again = release(tmp_path / "elsewhere", TIME_S)
    finally:
        os.umask(umask)
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in packages[1:]]


def test_another_time_gives_other_bytes_so_that_the_comparison_means_something(packages: Any, tmp_path: Path) -> None:
    other = build(CLIENT, "wheel", tmp_path, TIME_S + 86_400)
    assert other.name == packages.client_wheel.name
    assert other.read_bytes() != packages.client_wheel.read_bytes()


def test_the_checksums_are_those_of_the_files_and_of_nothing_else(packages: Any) -> None:
    lines = (packages.folder / SUMS).read_text(encoding="utf-8").splitlines()
    listed = dict(reversed(line.split("  ")) for line in lines)
    assert listed == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in packages[1:]}


def test_a_wheel_brings_one_top_level_name(packages: Any) -> None:
    for wheel, name in ((packages.server_wheel, "streamer"), (packages.client_wheel, "streamer_client")):
        tops = {file.partition("/")[0] for file in names(wheel)}
        assert {top for top in tops if not top.endswith(".dist-info")} == {name}
        assert wheel.name.endswith("-py3-none-any.whl")


def test_the_wheels_have_every_file_of_the_source_and_no_other(packages: Any) -> None:
    for wheel, folder in (
        (packages.server_wheel, ROOT / "streamer"),
        (packages.client_wheel, CLIENT / "streamer_client"),
    ):
        expected = {str(Path(name).relative_to(folder.parent.relative_to(ROOT))) for name in of_git(folder)}
        packed = {name for name in names(wheel) if ".dist-info/" not in name and "/store/" not in name}
        assert packed == expected


def test_the_server_carries_its_default_model_whose_card_names_its_checksum(packages: Any) -> None:
    card = tomllib.loads(read(packages.server_wheel, "store/telephone/model.toml"))
    assert card["sha256"] == hashlib.sha256((ROOT / "models/store/telephone/model.onnx").read_bytes()).hexdigest()
    stored = {name.split("/")[2] for name in names(packages.server_wheel) if name.startswith("streamer/store/")}
    assert stored == {"telephone", "telephone-large"}


def test_an_sdist_has_nothing_but_what_is_packaged(packages: Any) -> None:
    allowed = ("streamer/", "models/store/telephone/", "models/store/telephone-large/")
    single = {"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert {name for name in names(packages.server_sdist) if not name.startswith(allowed)} == single
    others = {name for name in names(packages.client_sdist) if not name.startswith(("streamer_client/", "examples/"))}
    assert others == single - {"NOTICE", "CHANGELOG.md"}


@pytest.mark.parametrize("package", LARGEST_BYTES)
def test_a_package_stays_small(packages: Any, package: str) -> None:
    assert getattr(packages, package).stat().st_size < LARGEST_BYTES[package]


@pytest.mark.parametrize(("package", "folder"), [("server_wheel", ROOT), ("client_wheel", CLIENT)])
def test_the_metadata_say_for_whom_it_is_and_under_which_licence(packages: Any, package: str, folder: Path) -> None:
    wheel, about = getattr(packages, package), project(folder)
    said = email.message_from_string(read(wheel, ".dist-info/METADATA"))
    assert (said["Name"], said["Version"]) == (about["name"], about["version"])
    assert said["License-Expression"] == "Apache-2.0"
    assert "LICENSE" in said.get_all("License-File", [])
    assert any(name.endswith("licenses/LICENSE") for name in names(wheel))
    pythons = {f"Programming Language :: Python :: {version}" for version in PYTHONS}
    assert pythons <= set(said.get_all("Classifier", []))
    assert said["Description-Content-Type"] == "text/markdown"
    scripts = read(wheel, ".dist-info/entry_points.txt")
    for name, target in about["scripts"].items():
        assert f"{name} = {target}" in scripts


def test_server_and_client_are_of_one_version_everywhere() -> None:
    version = project(ROOT)["version"]
    assert project(CLIENT)["version"] == version
    (needed,) = [need for need in project(ROOT)["dependencies"] if need.startswith("emotion-streamer-client")]
    assert needed == f"emotion-streamer-client[alerts,dashboard]=={version}"
    for file in (ROOT / "streamer/__init__.py", CLIENT / "streamer_client/__init__.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        said = [
            ast.literal_eval(one.value)
            for one in tree.body
            if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__version__"
        ]
        assert said == [version], file


def test_the_time_is_what_the_variable_says_else_that_of_the_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12")
    assert epoch_s(ROOT) == 12
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(BuildError, match="'yesterday'; seconds since 1970 are expected"):
        epoch_s(ROOT)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(BuildError, match="set SOURCE_DATE_EPOCH"):
        epoch_s(tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    made = {**os.environ, "GIT_COMMITTER_DATE": "@1600000000 +0000"}
    subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", "x"], cwd=tmp_path, env=made, check=True)
    assert epoch_s(tmp_path) == 1_600_000_000


def test_what_cannot_be_built_is_one_line_and_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    with pytest.raises(BuildError, match="no wheel; the build tool says"):
        build(tmp_path, "wheel", tmp_path, TIME_S)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "never")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("packages: SOURCE_DATE_EPOCH is 'never'")


def test_a_wheel_that_the_sdist_does_not_give_is_refused_and_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    (source / "thing").mkdir(parents=True)
    (source / "thing" / "__init__.py").touch()
    (source / "thing" / "forgotten.py").touch()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "thing"\nversion = "1"\nrequires-python = ">=3.11"\n'
        '[tool.hatch.build.targets.sdist]\nexclude = ["forgotten.py"]\n',
        encoding="utf-8",
    )
    monkeypatch.setattr("tools.packages.PROJECTS", (source,))
    with pytest.raises(BuildError, match="another wheel than the tree"):
        release(tmp_path / "dist", TIME_S)
    assert [file.suffix for file in (tmp_path / "dist").iterdir()] == [".gz"]
    assert len(PROJECTS) == 2
