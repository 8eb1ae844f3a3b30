"""A network between server and broker that can be cut: packets are dropped, and nobody is told.

Three ways lie between the two, best first, and every experiment says which one it used. As root on Linux: broker and a
router in network namespaces of their own, and an iptables rule in the router that drops what passes. Elsewhere: a relay
that stops carrying bytes, which is silence on an open connection, but drops no packet. This file must never touch a
network that it has not made.

    server 10.231.n.1 ── router 10.231.n.2|5 ── broker 10.231.n.6     what is cut
    subscriber 10.231.n.9 ───────────────────── broker 10.231.n.10    what is not
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from benchmarks.programs import LOOPBACK, ProgramError, found

_CHUNK_BYTES: Final = 65_536


class Network(Protocol):
    """What lies between server and broker."""

    method: str
    """What a cut is, in a sentence."""
    listens_on: str
    """Address at which the broker listens."""
    before: tuple[str, ...]
    """What stands before the broker's command."""
    to_broker: str
    """Host and port at which the server reaches it, over what is cut."""
    subscriber_host: str
    """Host at which a subscriber reaches it, past what is cut."""
    dropped: int | None
    """Packets dropped by the cuts that were mended; None where none are."""

    async def cut(self) -> None:
        """Let nothing through any more, in either direction."""
        ...

    async def mend(self) -> None:
        """Let everything through again; what is whole stays so."""
        ...


class Namespaces:
    """Real packets, really dropped. Needs root, ip and iptables.

    Parameters
    ----------
    port
        The broker's.
    """

    method = (
        "server, router and broker in three network namespaces; a cut is `iptables -I FORWARD -j DROP` in the router, "
        "so packets vanish in both directions and no connection is told"
    )
    listens_on = "0.0.0.0"  # noqa: S104 - of a namespace that only this experiment can reach

    def __init__(self, port: int) -> None:
        number = os.getpid()
        self._net = f"10.231.{number % 250}"
        # The kernel takes 15 characters for an interface.
        self._router, self._broker = f"chaos-r{number}"[:15], f"chaos-b{number}"[:15]
        self._ends = (f"ch0x{number}", f"ch1x{number}")
        self.before: tuple[str, ...] = (found("ip"), "netns", "exec", self._broker)
        self.to_broker = f"{self._net}.6:{port}"
        self.subscriber_host = f"{self._net}.10"
        self.dropped: int | None = 0
        self._is_cut = False

    async def set_up(self) -> None:
        """Make everything.

        Raises
        ------
        ProgramError
            This machine or this user cannot.
        """
        net, router, broker, (to_router, to_broker) = self._net, self._router, self._broker, self._ends
        for command in (
            f"ip netns add {router}",
            f"ip netns add {broker}",
            f"ip link add {to_router} type veth peer name eth0 netns {router}",
            f"ip link add {to_broker} type veth peer name eth1 netns {broker}",
            f"ip -n {router} link add eth1 type veth peer name eth0 netns {broker}",
            f"ip address add {net}.1/30 dev {to_router}",
            f"ip -n {router} address add {net}.2/30 dev eth0",
            f"ip -n {router} address add {net}.5/30 dev eth1",
            f"ip -n {broker} address add {net}.6/30 dev eth0",
            f"ip address add {net}.9/30 dev {to_broker}",
            f"ip -n {broker} address add {net}.10/30 dev eth1",
            f"ip link set {to_router} up",
            f"ip link set {to_broker} up",
            f"ip -n {router} link set eth0 up",
            f"ip -n {router} link set eth1 up",
            f"ip -n {broker} link set eth0 up",
            f"ip -n {broker} link set eth1 up",
            f"ip -n {broker} link set lo up",
            f"ip route add {net}.4/30 via {net}.2",
            f"ip -n {broker} route add {net}.0/30 via {net}.5",
            f"ip netns exec {router} sysctl -q -w net.ipv4.ip_forward=1",
            f"ip netns exec {router} iptables -n -L FORWARD",
        ):
            await run(command)

    async def tear_down(self) -> None:
        """Remove everything; what was never made is no error."""
        for command in (
            *(f"ip link delete {end}" for end in self._ends),
            f"ip netns delete {self._router}",
            f"ip netns delete {self._broker}",
        ):
            with contextlib.suppress(ProgramError):
                await run(command)

    async def cut(self) -> None:
        """Drop all that passes the router."""
        await run(f"ip netns exec {self._router} iptables -I FORWARD -j DROP")
        self._is_cut = True

    async def mend(self) -> None:
        """Let it pass again, and count what was dropped."""
        if not self._is_cut:
            return
        listed = await run(f"ip netns exec {self._router} iptables -n -v -x -L FORWARD")
        self.dropped = (self.dropped or 0) + sum(
            int(line.split()[0]) for line in listed.splitlines() if " DROP " in line
        )
        await run(f"ip netns exec {self._router} iptables -D FORWARD -j DROP")
        self._is_cut = False


class Relay:
    """A relay on TCP that can stop carrying: works for everybody, and drops no packet.

    Parameters
    ----------
    port
        The broker's.
    """

    method = (
        "a TCP relay in front of the broker; a cut is that it carries nothing, in either direction, on open and new "
        "connections (this machine let us make no network namespaces, so no packets were dropped)"
    )
    listens_on = LOOPBACK
    subscriber_host = LOOPBACK

    def __init__(self, port: int) -> None:
        self.before: tuple[str, ...] = ()
        self.dropped: int | None = None
        self._port = port
        self._carries = asyncio.Event()
        self._carries.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.to_broker = ""

    async def set_up(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        self.to_broker = f"{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    async def tear_down(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def cut(self) -> None:
        """Carry nothing."""
        self._carries.clear()

    async def mend(self) -> None:
        """Carry on."""
        self._carries.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._carries.wait()
            there, back = await asyncio.open_connection(LOOPBACK, self._port)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, back), name="to the broker")
                both.create_task(self._pump(there, writer), name="from the broker")
        except* OSError:
            pass  # either end was killed, which is what the experiment is about
        finally:
            writer.close()
            self._connections.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                await self._carries.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def network(port: int, *, real: bool = True) -> AsyncIterator[Network]:
    """Make the best network that this machine allows, and remove it at the end.

    Parameters
    ----------
    port
        The broker's.
    real
        Whether to try for real packets at all.
    """
    made: Namespaces | Relay | None = None
    if real:
        try:
            made = Namespaces(port)
            await made.set_up()
        except ProgramError as problem:
            print(f"no network of our own: {problem}", flush=True)
            if made is not None:
                await made.tear_down()
            made = None
    if made is None:
        made = Relay(port)
        await made.set_up()
    try:
        yield made
    finally:
        await made.tear_down()


async def run(command: str) -> str:
    """Run a command of words without spaces; return what it printed.

    Raises
    ------
    ProgramError
        It failed.
    """
    name, *arguments = command.split()
    done = await asyncio.to_thread(
        subprocess.run, [found(name), *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode:
        raise ProgramError(f"`{command}` failed: {done.stderr.strip()}")
    return done.stdout
