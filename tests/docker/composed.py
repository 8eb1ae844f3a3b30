"""Turn a service of compose.yaml into a process: its image's defaults, then what the service says.

Nothing here may say anything that does not stand in compose.yaml, in the Dockerfile or in the image's documentation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.docker.containers import BASE_PATH, Machine, Mount, Process
from tests.docker.reading import COMPOSE, DOCKER, compose, of, pairs, service, stages

THEIRS = {
    "eclipse-mosquitto": ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"],
    "prom/prometheus": ["/usr/bin/prometheus"],
}
"""How the images of others begin; the programs are Debian's."""


def image_user() -> int:
    """Return the number of our image's user."""
    (instruction,) = of(stages()[-1], "USER")
    user, _, group = instruction.rest.partition(":")
    assert user == group
    return int(user)


def image_variables() -> dict[str, str]:
    """Return our image's variables."""
    variables = pairs(stages()[-1], "ENV")
    return variables | {"PATH": variables["PATH"].replace("$PATH", BASE_PATH)}


def image_command(given: Sequence[str]) -> list[str]:
    """Return entry point and command of our image, or the entry point and what is given in the command's place."""
    (entrypoint,), (command,) = of(stages()[-1], "ENTRYPOINT"), of(stages()[-1], "CMD")
    return [*entrypoint.words, *(given or command.words)]


def health_check(name: str) -> list[str]:
    """Return a service's health check as a command, its own or its image's."""
    own: dict[str, Any] = service(name).get("healthcheck", {})
    if "test" not in own:
        (instruction,) = of(stages()[-1], "HEALTHCHECK")
        listed: list[str] = json.loads(instruction.rest.partition("CMD ")[2])
        return listed
    kind, *command = own["test"]
    command = [word.replace("$$", "$") for word in command]
    return ["sh", "-c", *command] if kind == "CMD-SHELL" else command


class Composed:
    """The services of compose.yaml on one machine.

    Parameters
    ----------
    folder
        For volumes and secrets.
    program
        What our image has at /opt/streamer; the environment of the tests if not given.
    names
        Further names of the machine, also in the certificates.
    """

    def __init__(self, folder: Path, program: Path = Path(sys.prefix), names: Sequence[str] = ()) -> None:
        self._folder = folder
        self.secrets = folder / "secrets"
        set_up = subprocess.run(
            [DOCKER / "setup", *names],
            env=os.environ | {"SETUP_FOLDER": str(self.secrets)},
            capture_output=True,
            check=False,
        )
        assert set_up.returncode == 0, set_up.stderr
        self.machine = Machine(folder, [*compose()["services"], *names], program)

    def process(self, name: str) -> Process:
        """Return what a service runs as."""
        said = service(name)
        ours = "build" in said
        user = image_user() if ours else int(said["user"].partition(":")[0])
        variables = image_variables() if ours else {"PATH": BASE_PATH}
        command = image_command(said.get("command", [])) if ours else [*THEIRS[said["image"].partition(":")[0]]]
        return Process(
            name,
            command if ours else [*command, *said.get("command", [])],
            user,
            variables | said.get("environment", {}),
            [*self._volumes(said, user), *self._secrets(said)],
            of(stages()[-1], "WORKDIR")[-1].rest if ours else "/",
        )

    def secret(self, name: str) -> str:
        """Return the text of a secret."""
        return (self.secrets / name).read_text(encoding="ascii").strip()

    def _volumes(self, said: dict[str, Any], user: int) -> list[Mount]:
        mounts = []
        for volume in said.get("volumes", []):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                mounts.append(Mount(COMPOSE.parent / source, target, writable=mode != ["ro"]))
            else:  # new volumes are filled from the image, where the folder is the user's
                folder = self._folder / "volumes" / source
                folder.mkdir(parents=True, exist_ok=True)
                os.chown(folder, user, user)
                mounts.append(Mount(folder, target, writable=True))
        return mounts

    def _secrets(self, said: dict[str, Any]) -> list[Mount]:
        files = compose()["secrets"]
        return [
            Mount(self.secrets / Path(files[name]["file"]).name, f"/run/secrets/{name}")
            for name in said.get("secrets", [])
        ]
