"""Several hosts on one machine: a network namespace for each, on one switch, each of which can be unplugged.

Packets to and from an unplugged host vanish, and nobody is told. Needs root and `ip`. This file must never touch a
network that it has not made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.network import run
from benchmarks.programs import ProgramError, found


class Hosts:
    """The hosts; made by :func:`hosts`.

    Parameters
    ----------
    names
        What they are called, each short.
    """

    def __init__(self, names: Sequence[str]) -> None:
        number = os.getpid()
        self._net = f"10.232.{number % 250}"
        self._switch = f"sh{number}-sw"
        self._uplink = f"sh{number % 100000}up"
        self._names = tuple(names)
        self._namespaces = {name: f"sh{number}-{name}" for name in names}
        self.here = f"{self._net}.1"
        """This side's own address, that of callers and subscribers."""

    def address(self, name: str) -> str:
        """Return the address of a host."""
        return f"{self._net}.{10 + self._names.index(name)}"

    def on(self, name: str) -> tuple[str, ...]:
        """Return what stands before a command that shall run on a host."""
        return (found("ip"), "netns", "exec", self._namespaces[name])

    async def set_up(self) -> None:
        """Make everything.

        Raises
        ------
        ProgramError
            This machine or this user cannot.
        """
        switch = self._switch
        commands = [
            f"ip netns add {switch}",
            f"ip -n {switch} link add bridge type bridge",
            f"ip -n {switch} link set bridge up",
            f"ip link add {self._uplink} type veth peer name here netns {switch}",
            f"ip -n {switch} link set here master bridge",
            f"ip -n {switch} link set here up",
            f"ip address add {self.here}/24 dev {self._uplink}",
            f"ip link set {self._uplink} up",
        ]
        for name, namespace in self._namespaces.items():
            commands += [
                f"ip netns add {namespace}",
                f"ip -n {switch} link add {name} type veth peer name eth0 netns {namespace}",
                f"ip -n {switch} link set {name} master bridge",
                f"ip -n {switch} link set {name} up",
                f"ip -n {namespace} address add {self.address(name)}/24 dev eth0",
                f"ip -n {namespace} link set eth0 up",
                f"ip -n {namespace} link set lo up",
            ]
        for command in commands:
            await run(command)

    async def tear_down(self) -> None:
        """Remove everything; what was never made is no error."""
        namespaces = (*self._namespaces.values(), self._switch)
        for command in (f"ip link delete {self._uplink}", *(f"ip netns delete {one}" for one in namespaces)):
            with contextlib.suppress(ProgramError):
                await run(command)

    async def unplug(self, name: str) -> None:
        """Let nothing through to a host or from it; nobody is told."""
        await run(f"ip -n {self._switch} link set {name} nomaster")

    async def plug(self, name: str) -> None:
        """Let everything through again."""
        await run(f"ip -n {self._switch} link set {name} master bridge")


@asynccontextmanager
async def hosts(*names: str) -> AsyncIterator[Hosts]:
    """Make hosts, and remove them at the end.

    Raises
    ------
    ProgramError
        This machine or this user cannot.
    """
    made = Hosts(names)
    try:
        await made.set_up()
        yield made
    finally:
        await made.tear_down()
