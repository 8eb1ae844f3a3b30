"""Turn a pod of docker/kubernetes into a process: what kubelet would tell a container runtime.

Secrets come from the commands of docs/kubernetes.md, so that what a reader makes is what is mounted.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

from tests.docker.composed import Composed, image_command, image_variables
from tests.docker.containers import Mount, Process
from tests.docker.kubernetes.rendering import Object
from tests.docker.reading import ROOT, of, stages

GUIDE = ROOT / "docs" / "kubernetes.md"
MQTT = "mqtt.example"
"""The broker's name in the overlays."""


def secrets_of_the_guide() -> dict[str, dict[str, str]]:
    """Return the secrets that the guide makes: name to key to file."""
    found = {}
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        if " create secret generic " in line:
            words = shlex.split(line)
            files = [word.removeprefix("--from-file=") for word in words if word.startswith("--from-file=")]
            found[words[words.index("generic") + 1]] = dict(file.split("=", 1) for file in files)
    return found


def process_of(pod: Object, name: str, objects: list[Object], composed: Composed, folder: Path) -> Process:
    """Return what the pod's container runs as.

    Parameters
    ----------
    pod
        `spec.template.spec` of a workload, with `volumeClaimTemplates` of a StatefulSet beside it.
    name
        The pod's name.
    objects
        All that was rendered.
    composed
        Where docker/setup has been run.
    folder
        For the volumes.
    """
    (container,) = pod["containers"]
    user = pod["securityContext"]["runAsUser"]
    maps = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    variables = image_variables()
    for source in container["envFrom"]:
        variables |= maps[source["configMapRef"]["name"]]
    for variable in container["env"]:
        path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        assert path in {None, "metadata.name"}
        variables[variable["name"]] = name if path else variable["value"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = []
    for mount in container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        if "emptyDir" in volume:
            assert mount["mountPath"] == "/tmp"  # noqa: S108 - every container here has one
            continue
        place = folder / f"{name}-{mount['name']}"
        kept = "configMap" not in volume and "secret" not in volume
        place.mkdir(exist_ok=True)  # a volume outlives its pod
        if "configMap" in volume:
            for file, text in maps[volume["configMap"]["name"]].items():
                (place / file).write_text(text, encoding="utf-8")
        elif "secret" in volume:
            for file, source in secrets_of_the_guide()[volume["secret"]["secretName"]].items():
                shutil.copyfile(composed.secrets / re.sub("^docker/secrets/", "", source), place / file)
                os.chown(place / file, 0, pod["securityContext"]["fsGroup"])
                (place / file).chmod(volume["secret"]["defaultMode"])
        else:  # a new volume is root's, and open to the group that the pod asks for
            os.chown(place, 0, pod["securityContext"]["fsGroup"])
            place.chmod(0o2775)
        mounts.append(Mount(place, mount["mountPath"], writable=kept))
    return Process(
        name, image_command(container["args"]), user, variables, mounts, of(stages()[-1], "WORKDIR")[-1].rest
    )
