"""Render a kustomization as `kubectl kustomize` does, for exactly the features that docker/kubernetes uses.

Resources (files and folders), namespace, images, replicas, and ConfigMaps that are generated and merged, with a hash of
their content behind their name. Where kubectl is installed the tests compare both. What is not known here is an error.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.docker.reading import DOCKER

KUBERNETES = DOCKER / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())

Object = dict[str, Any]
_KNOWN = {"apiVersion", "kind", "namespace", "resources", "images", "replicas", "configMapGenerator"}
_OF_THE_CLUSTER = {"Namespace"}


def rendered(folder: Path) -> list[Object]:
    """Return the objects of a kustomization."""
    objects, generated = _accumulated(folder)
    names = {name: f"{name}-{suffix(data)}" for name, data in generated.items()}
    namespace = _read(folder)["namespace"]
    for name, data in generated.items():
        metadata = {"name": names[name], "namespace": namespace}
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    for one in objects:
        for mapping in _mappings(one):
            for reference in ("configMap", "configMapRef", "configMapKeyRef"):
                if reference in mapping:
                    target = mapping[reference]
                    target["name"] = names.get(target["name"], target["name"])
    return objects


def _read(folder: Path) -> Object:
    said: Object = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(said) <= _KNOWN, f"not known here: {set(said) - _KNOWN}"
    return said


def _accumulated(folder: Path) -> tuple[list[Object], dict[str, dict[str, str]]]:
    said = _read(folder)
    objects: list[Object] = []
    generated: dict[str, dict[str, str]] = {}
    for resource in said["resources"]:
        if (folder / resource).is_dir():
            below, made = _accumulated(folder / resource)
            objects += below
            generated |= made
        else:
            listed = yaml.safe_load_all((folder / resource).read_text(encoding="utf-8"))
            objects += [copy.deepcopy(one) for one in listed]  # YAML's aliases are one object for many places
    for generator in said.get("configMapGenerator", []):
        data = dict(literal.split("=", 1) for literal in generator.get("literals", []))
        data |= {file: (folder / file).read_text(encoding="utf-8") for file in generator.get("files", [])}
        merged = generator.get("behavior", "create") == "merge"
        assert merged == (generator["name"] in generated), generator["name"]
        generated[generator["name"]] = generated.get(generator["name"], {}) | data
    for one in objects:
        if one["kind"] not in _OF_THE_CLUSTER:
            one["metadata"]["namespace"] = said["namespace"]
    _tag(objects, said.get("images", []))
    for wanted in said.get("replicas", []):
        (found,) = (one for one in objects if _scales(one) and one["metadata"]["name"] == wanted["name"])
        found["spec"]["replicas"] = wanted["count"]
    return objects, generated


def _scales(one: Object) -> bool:
    return one["kind"] in {"Deployment", "StatefulSet"}


def _tag(objects: list[Object], images: list[Object]) -> None:
    for one in filter(_scales, objects):
        for container in one["spec"]["template"]["spec"]["containers"]:
            for image in images:
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"


def _mappings(value: Any) -> Iterator[Object]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _mappings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _mappings(one)


def suffix(data: dict[str, str]) -> str:
    """Return kustomize's hash: ten digits of SHA-256 over the nameless object as Go writes JSON; none spells a word."""
    text = json.dumps({"data": data, "kind": "ConfigMap", "name": ""}, sort_keys=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    digits = hashlib.sha256(text.encode()).hexdigest()[:10]
    return digits.translate(str.maketrans("013ae", "ghkmt"))
