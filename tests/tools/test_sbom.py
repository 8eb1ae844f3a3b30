"""The bill of materials: every part of a release is in it, each with its hash, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.tools.programs import ROOT, uv
from tools.sbom import main, shipped_models, with_models

HASH = re.compile("[0-9a-f]{64}")
CARD = {"name": "telephone", "version": "1.0.0", "sha256": "ab" * 32, "licence": "Apache-2.0"}
BARE: dict[str, Any] = {
    "metadata": {"component": {"bom-ref": "server@1"}},
    "components": [{"bom-ref": "numpy@2"}],
    "dependencies": [{"ref": "server@1", "dependsOn": ["numpy@2"]}, {"ref": "numpy@2"}],
}


@pytest.fixture(scope="module")
def bom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("dist") / "new" / "sbom.cdx.json"
    assert main([str(out), "--uv", uv()]) == 0
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def locked() -> dict[str, dict[str, Any]]:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    return {f"{package['name']} {package['version']}": package for package in packages}


def needed_by(name: str) -> set[str]:
    """Return the names of all that a package needs, walked through the lock file without uv."""
    needs: dict[tuple[str, str], set[tuple[str, str]]] = {}  # of a package, or of an extra of it
    for package in locked().values():
        for extra, those in [("", package.get("dependencies", ())), *package.get("optional-dependencies", {}).items()]:
            wanted = {(need["name"], more) for need in those for more in ("", *need.get("extra", ()))}
            needs.setdefault((package["name"], extra), set()).update(wanted)
    found: set[tuple[str, str]] = set()
    waiting = [(name, "")]
    while waiting:
        for need in needs.get(waiting.pop(), set()) - found:
            found.add(need)
            waiting.append(need)
    return {one for one, _ in found}


def test_it_says_what_it_is_and_of_what(bom) -> None:
    assert (bom["bomFormat"], bom["specVersion"], bom["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch("urn:uuid:[0-9a-f-]{36}", bom["serialNumber"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    whole = bom["metadata"]["component"]
    assert (whole["name"], whole["version"]) == (project["name"], project["version"])


def test_each_part_is_named_once_and_every_reference_is_to_one(bom) -> None:
    refs = [bom["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in bom["components"])]
    assert len(set(refs)) == len(refs)
    assert all(part["type"] and part["name"] and part["version"] for part in bom["components"])
    assert sorted(entry["ref"] for entry in bom["dependencies"]) == sorted(refs)
    assert {ref for entry in bom["dependencies"] for ref in entry.get("dependsOn", ())} <= set(refs)


def test_it_has_what_the_server_needs_and_nothing_of_tests_or_laboratory(bom) -> None:
    names = {part["name"] for part in bom["components"] if part["type"] == "library"}
    assert names == needed_by("emotion-streamer")
    assert names.isdisjoint({"pytest", "torch", "hypothesis", "ruff", "mypy"})


def test_every_package_of_a_registry_has_the_hashes_of_the_lock_file(bom) -> None:
    packages = locked()
    for part in bom["components"]:
        package = packages.get(f"{part['name']} {part['version']}", {})
        if part["type"] != "library" or "registry" not in package["source"]:
            continue
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        expected = {file["hash"].removeprefix("sha256:") for file in files}
        found = {entry["content"] for place in part["externalReferences"] for entry in place["hashes"]}
        assert found == expected
        assert all(HASH.fullmatch(digest) for digest in found)


def test_the_models_of_the_wheel_are_parts_of_the_server_with_the_hash_of_their_card(bom) -> None:
    models = {part["name"]: part for part in bom["components"] if part["type"] == "machine-learning-model"}
    assert {folder.name for folder in shipped_models(ROOT)} == set(models)
    assert "telephone" in models
    root = bom["metadata"]["component"]["bom-ref"]
    (needs,) = [entry["dependsOn"] for entry in bom["dependencies"] if entry["ref"] == root]
    for name, part in models.items():
        card = tomllib.loads((ROOT / "models" / "store" / name / "model.toml").read_text(encoding="utf-8"))
        assert part["hashes"] == [{"alg": "SHA-256", "content": card["sha256"]}]
        assert part["bom-ref"] in needs


def test_models_are_added_and_nothing_else_is_changed() -> None:
    made = with_models(BARE, [CARD])
    assert made["components"][:1] == BARE["components"]
    assert made["dependencies"][0]["dependsOn"] == ["numpy@2", "model-telephone@1.0.0"]
    assert made["dependencies"][1] == BARE["dependencies"][1]
    assert BARE["dependencies"][0]["dependsOn"] == ["numpy@2"]
    assert with_models(BARE, []) == BARE


def test_without_uv_there_is_no_file_and_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(2, "uv", stderr="error: the lock file is out of date\n")

    monkeypatch.setattr(subprocess, "run", fail)
    assert main([str(tmp_path / "sbom.json")]) == 1
    assert "the lock file is out of date" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
