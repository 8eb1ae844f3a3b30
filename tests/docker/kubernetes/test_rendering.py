"""Our rendering is kustomize's, and refuses what it does not know."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.kubernetes.rendering import KUBERNETES, OVERLAYS, rendered, suffix

FOLDERS = [KUBERNETES / "base", *(KUBERNETES / "overlays" / name for name in OVERLAYS)]
KUBECTL = shutil.which("kubectl")
"""Not in Debian in a version that reads today's kustomizations; where it is at hand, it is asked."""


def known(objects: list[dict[str, Any]]) -> dict[str, str]:
    named = {f"{one['kind']}/{one['metadata']['name']}": json.dumps(one, sort_keys=True) for one in objects}
    assert len(named) == len(objects), "no two of one kind and name"
    return named


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_is_what_kustomize_makes(folder: Path) -> None:
    ours = known(rendered(folder))
    assert len(ours) >= 17
    if KUBECTL is not None:
        asked = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
        assert asked.returncode == 0, asked.stderr
        assert asked.stderr == "", "nothing deprecated"
        assert ours == known(list(yaml.safe_load_all(asked.stdout)))


def test_the_hash_is_kustomizes() -> None:
    assert suffix({"a": "b"}) == "4h2mbtbbt6"  # said by kustomize 5.5.0


def test_a_config_map_of_other_content_has_another_name(tmp_path: Path) -> None:
    names = []
    for content in ("a = 1\n", "a = 2 # <&>\n"):
        (tmp_path / "x.toml").write_text(content, encoding="utf-8")
        (tmp_path / "pod.yaml").write_text(
            "kind: Pod\nmetadata: {name: p}\nspec: {volumes: [{name: v, configMap: {name: x}}]}\n", encoding="utf-8"
        )
        said = {"namespace": "n", "resources": ["pod.yaml"], "configMapGenerator": [{"name": "x", "files": ["x.toml"]}]}
        (tmp_path / "kustomization.yaml").write_text(json.dumps(said), encoding="utf-8")
        pod, config = rendered(tmp_path)
        assert pod["spec"]["volumes"][0]["configMap"]["name"] == config["metadata"]["name"]
        names.append(config["metadata"]["name"])
    assert len(set(names)) == 2


def test_what_it_does_not_know_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namespace: n\nresources: []\npatches: []\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="patches"):
        rendered(tmp_path)
