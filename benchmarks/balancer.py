"""A HAProxy with the configuration that ships, in front of nodes of an experiment's own.

What is not ours to choose (addresses, ports, files) is replaced as text, and what is not found there is an error: so
the file that ships is the one that is tried. This file must never hold a setting of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.programs import LOOPBACK, Program, ProgramError, found, until

SHIPPED: Final = Path(__file__).parents[1] / "docker/haproxy.cfg"
_SERVER: Final = re.compile(r"^    server node-\d streamer-\d:(\d+) (.*)\n", re.MULTILINE)
_PLAIN_PORT: Final = 8000


class Behind(NamedTuple):
    """A node as the balancer sees it."""

    port: int
    admin_port: int
    audiosocket_port: int = 9
    host: str = LOOPBACK


def configured(nodes: Sequence[Behind], changes: Mapping[str, str]) -> str:
    """Return the shipped configuration with other nodes and some lines changed.

    Parameters
    ----------
    nodes
        What stands behind it.
    changes
        Parts of the text to what stands there instead.

    Raises
    ------
    ProgramError
        A part is not in the file.
    """
    text = SHIPPED.read_text(encoding="utf-8")
    for part, other in changes.items():
        if part not in text:
            raise ProgramError(f"{SHIPPED.name} has no {part!r}")
        text = text.replace(part, other)

    def lines(one: re.Match[str]) -> str:
        port, rest = one[1], one[2]
        if "node-1" not in one[0]:
            return ""
        return "".join(
            f"    server node-{number} {node.host}:{node.audiosocket_port if port == '8766' else node.port} "
            + rest.replace("node-1", f"node-{number}")
            + (f" port {node.admin_port}\n" if "check" in rest else "\n")
            for number, node in enumerate(nodes, 1)
        )

    if len(_SERVER.findall(text)) != 9:
        raise ProgramError(f"{SHIPPED.name} has not three nodes in each of three backends")
    return _SERVER.sub(lines, text)


class Balancer(Program):
    """One of several, on a host of its own, without TLS.

    Parameters
    ----------
    folder
        Its files.
    nodes
        What stands behind it.
    name
        Its own, one of `peers`.
    peers
        Address of each balancer.
    before
        What stands before its command.
    """

    def __init__(
        self, folder: Path, nodes: Sequence[Behind], name: str, peers: Mapping[str, str], before: Sequence[str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host = peers[name]
        changes = {
            "bind :443 ssl crt /etc/haproxy/certs/ alpn http/1.1": f"bind {self.host}:{_PLAIN_PORT}",
            "    peer lb-1 127.0.0.1:10001\n": "".join(f"    peer {one} {host}:10001\n" for one, host in peers.items()),
            "/run/haproxy/admin.sock": str(folder / "admin.sock"),
            "    user haproxy\n    group haproxy\n": "",
        }
        (folder / "haproxy.cfg").write_text(configured(nodes, changes), encoding="utf-8")
        command = [*before, found("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]
        super().__init__(command, folder / "haproxy.log", {**os.environ, "BALANCER": name})

    @property
    def url(self) -> str:
        """Where calls go; the dialect's path comes behind it."""
        return f"ws://{self.host}:{_PLAIN_PORT}"

    async def start(self) -> None:
        """Start; returns when it takes connections."""
        self.spawn()
        await until(self._answers, "the balancer took connections")

    async def _answers(self) -> bool:
        self.must_run()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(self.host, _PLAIN_PORT)
            writer.close()
            return True
        return False
