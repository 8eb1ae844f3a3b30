"""Three servers, two balancers, a broker, each a host of its own, and everything goes wrong: nothing final is lost.

    python -m benchmarks.several_hosts              # as in docs/scaling.md; as root, for its network namespaces
    python -m benchmarks.several_hosts --calls 20 --at-once 10 --speed 4

Method. Six network namespaces on one switch: `streamer serve` three times, HAProxy twice with the configuration that
ships (without TLS), a Mosquitto. Callers are outside and know both balancers, as from a name with two addresses: each
begins with one of them and goes to the other when it cannot connect or its stream breaks. Meanwhile, at moments which
the seed chooses between calls that end: the broker is restarted; one server is drained by SIGTERM, must end by itself
with no call cut, and comes back; the broker's cable is pulled for some seconds, and while it is out another server is
killed with -9 and comes back with its outbox; one balancer is killed with -9 and comes back.

The books are those of `benchmarks/chaos.py` (`benchmarks/ledger.py`): promised is each final event that a caller was
told of and each that stands in the outbox of the server right after its death; heard is what our client's subscriber
hands out over a persistent session. This file must never wait for luck: it ends when every fault has happened and
every call has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import soundfile
from streamer_client.errors import ConnectError
from streamer_client.events import EndedEvent, Event
from streamer_client.replay import replay

from benchmarks.balancer import Balancer, Behind
from benchmarks.calls import RATE_HZ, conversation, demo_call
from benchmarks.chaos import RECORDINGS, Progress, outbox_of
from benchmarks.hearing import hearing_finals
from benchmarks.hosts import Hosts, hosts
from benchmarks.ledger import SHOWN, Faults, Ledger
from benchmarks.programs import Broker, Node, ProgramError, command_line, machine, until

NODES: Final = ("node-1", "node-2", "node-3")
BALANCERS: Final = ("lb-1", "lb-2")
SPOKEN: Final = ("native", "native", "twilio", "native", "telnyx")
"""Dialects of the calls, in turn. Natively a caller is told its events, so more than half of the calls are."""
BROKER_PORT: Final = 1883
DELIVERY_S: Final = 120.0
"""How long the last events may take once everything is whole again."""
OPEN: Final = "[server]\nopen = true\n"
"""Who may call is not what is tried here, and nobody else reaches these hosts."""


@dataclass(frozen=True)
class Plan:
    """What is done."""

    calls: int = 100
    at_once: int = 20
    seed: int = 8
    speed: float = 1.0
    seconds: tuple[float, float] = (10.0, 20.0)
    """Shortest and longest call."""
    unplugged_s: float = 8.0
    """How long the broker's cable is out, but for the start of the killed server, which lies in the middle."""


@dataclass
class Seen:
    """What happened, for the report."""

    carried: Counter[str] = field(default_factory=Counter)
    """Streams that ended in order, by node."""
    broken_streams: int = 0
    nobody_there: int = 0
    """Tries that found no balancer, or one that had no node for us."""
    moved: int = 0
    """Calls that went on, or through, at another balancer than they had begun with."""
    drained: tuple[int, int] = (-1, -1)
    """Exit code of the drained server and calls that it cut."""
    outbox: int = -1
    """Messages in the outbox of the killed server right after its death."""
    hands: Counter[str] = field(default_factory=Counter)
    """Faults that were done."""
    duplicates: int = 0
    exit_codes: tuple[int, ...] = ()
    left: int = 0
    """Messages in all outboxes when everything was over."""
    trouble: Counter[str] = field(default_factory=Counter)
    """What the servers logged as errors."""
    took_s: float = 0.0


class SeveralHosts:
    """One run.

    Parameters
    ----------
    plan
        What is done.
    folder
        Where all files lie; empty.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.ledger = Ledger()
        self.seen = Seen()
        self._folder = folder
        self._progress = Progress(plan.calls)

    async def run(self) -> Faults:
        """Do it all; return what is wrong."""
        began_s = time.monotonic()
        async with hosts(*NODES, *BALANCERS, "broker") as lan:
            where = lan.address("broker")
            broker = Broker(
                self._folder / "broker",
                host=where,
                port=BROKER_PORT,
                address=where,
                before=lan.on("broker"),
                safe=True,
            )
            mqtt = f"mqtt://{where}:{BROKER_PORT}"
            nodes = {name: self._node(name, mqtt, lan) for name in NODES}
            balancers = self._balancers(nodes, lan)
            try:
                await broker.start()
                async with hearing_finals(mqtt, self._came) as subscription:
                    await asyncio.gather(*(node.start() for node in nodes.values()))
                    await asyncio.gather(*(balancer.start() for balancer in balancers.values()))
                    await self._break_everything(nodes, balancers, broker, lan)
                    await self._settle(nodes)
                self.seen.duplicates = subscription.duplicates
                self.seen.trouble = sum((node.logged("error") for node in nodes.values()), Counter())
            finally:
                for program in (*balancers.values(), *nodes.values(), broker):
                    program.close()
        self.seen.took_s = time.monotonic() - began_s
        return self.ledger.faults()

    def _node(self, name: str, mqtt: str, lan: Hosts) -> Node:
        return Node(self._folder / name, mqtt, config=OPEN, before=lan.on(name), host=lan.address(name), name=name)

    def _balancers(self, nodes: dict[str, Node], lan: Hosts) -> dict[str, Balancer]:
        behind = [Behind(node.port, node.admin_port, host=node.host) for node in nodes.values()]
        peers = {name: lan.address(name) for name in BALANCERS}
        return {name: Balancer(self._folder / name, behind, name, peers, lan.on(name)) for name in BALANCERS}

    def _came(self, event: Event) -> None:
        self.ledger.came(event)
        if isinstance(event, EndedEvent):
            self.seen.carried[event.source.rpartition("/")[2]] += 1

    async def _break_everything(
        self, nodes: dict[str, Node], balancers: dict[str, Balancer], broker: Broker, lan: Hosts
    ) -> None:
        """Run the calls and break things meanwhile; returns when both is over and everything is whole."""
        plan, drained, killed = self.plan, nodes[NODES[0]], nodes[NODES[1]]
        files = list(self._recordings())
        room = asyncio.Semaphore(plan.at_once)
        urls = [balancer.url for balancer in balancers.values()]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._restart(broker), name="broker restarted")
            group.create_task(self._unplug_and_kill(lan, killed), name="broker unplugged, server killed")
            group.create_task(self._drain(drained), name="server drained")
            group.create_task(self._kill_balancer(balancers[BALANCERS[0]]), name="balancer killed")
            reporting = group.create_task(self._report(), name="report")
            async with asyncio.TaskGroup() as calls:
                for number in range(plan.calls):
                    await room.acquire()
                    call = self._call(number, files[number % len(files)], urls, room)
                    calls.create_task(call, name=f"call {number}")
                    if number < plan.at_once:  # not all at the same place of their conversation
                        await asyncio.sleep(plan.seconds[0] / plan.speed / plan.at_once)
            reporting.cancel()

    async def _call(self, number: int, file: Path, urls: Sequence[str], room: asyncio.Semaphore) -> None:
        """Play one call to its end, begun again at the other balancer whenever its stream breaks."""
        dice = random.Random(f"{self.plan.seed} call {number}")
        call_id, dialect, tries = f"hosts-{number}", SPOKEN[number % len(SPOKEN)], 0
        try:
            while True:
                self.ledger.opened[call_id] += 1
                (played,) = await replay(
                    [file],
                    to=urls[(number + tries) % len(urls)],
                    dialect=dialect,
                    call_id=call_id,
                    speed=self.plan.speed,
                    on_event=self.ledger.told if dialect == "native" else None,
                )
                if played.error is None:
                    if played.utterances is not None:
                        self.ledger.told_ended(call_id)
                    self.seen.moved += tries % len(urls) != 0
                    return
                if isinstance(played.error, ConnectError):
                    self.ledger.opened[call_id] -= 1
                    self.seen.nobody_there += 1
                else:
                    self.seen.broken_streams += 1
                tries += 1
                await asyncio.sleep(dice.uniform(0.2, 1.0))
        finally:
            room.release()
            await self._progress.one_ended()

    async def _moment(self, share: float, name: str) -> None:
        """Come back when this share of the calls has ended, and a little later."""
        await self._progress.reached(round(share * self.plan.calls))
        await asyncio.sleep(random.Random(f"{self.plan.seed} {name}").uniform(0.3, 2.0) / self.plan.speed)

    async def _restart(self, broker: Broker) -> None:
        await self._moment(0.15, "restart")
        broker.terminate()
        await broker.ended()
        await broker.start()
        self.seen.hands["broker restarted"] += 1

    async def _drain(self, node: Node) -> None:
        await self._moment(0.25, "drain")
        node.terminate()
        code = await node.ended()
        self.seen.drained = (code, int(node.last_logged("drained")["calls_cut"]))
        await node.start()
        self.seen.hands["server drained"] += 1

    async def _unplug_and_kill(self, lan: Hosts, node: Node) -> None:
        """Pull the broker's cable, and kill a server while it cannot deliver."""
        await self._moment(0.4, "unplug")
        await lan.unplug("broker")
        self.seen.hands["broker unplugged"] += 1
        await asyncio.sleep(self.plan.unplugged_s / 2)
        await node.kill()
        waiting = await asyncio.to_thread(outbox_of, node.folder, self._folder / "death")
        self.seen.outbox = sum(waiting.values())
        self.ledger.stored(one for one, kind in waiting if kind in {"utterance", "ended"})
        self.seen.hands["server killed"] += 1
        await node.start()
        await asyncio.sleep(self.plan.unplugged_s / 2)
        await lan.plug("broker")

    async def _kill_balancer(self, balancer: Balancer) -> None:
        await self._moment(0.55, "balancer")
        await balancer.kill()
        await self._progress.reached(round(0.65 * self.plan.calls))  # some calls without it
        await balancer.start()
        self.seen.hands["balancer killed"] += 1

    async def _settle(self, nodes: dict[str, Node]) -> None:
        """Let what waits be delivered, and end the servers as an operator would."""

        async def is_delivered() -> bool:
            figures = [await node.figures() for node in nodes.values()]
            return not any(each["streamer_outbox_rows"] for each in figures) and not self.ledger.missing()

        # What does not come in time is in the books as lost.
        with contextlib.suppress(ProgramError):
            await until(is_delivered, "everything was delivered", timeout_s=DELIVERY_S)
        for node in nodes.values():
            node.terminate()
        self.seen.exit_codes = tuple([await node.ended() for node in nodes.values()])
        for name, node in nodes.items():
            self.seen.left += sum(
                (await asyncio.to_thread(outbox_of, node.folder, self._folder / f"end-{name}")).values()
            )

    def _recordings(self) -> Iterator[Path]:
        dice, call = random.Random(self.plan.seed), demo_call()
        for number in range(min(RECORDINGS, self.plan.calls)):
            path = self._folder / f"call-{number}.wav"
            soundfile.write(path, conversation(dice, dice.uniform(*self.plan.seconds), call), RATE_HZ, subtype="PCM_16")
            yield path

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(10)
            done = ", ".join(self.seen.hands) or "nothing yet"
            print(
                f"{self._progress.ended}/{self.plan.calls} calls, {self.ledger.utterances} utterances heard, "
                f"{len(self.ledger.missing())} on their way; done: {done}",
                flush=True,
            )


def table(run: SeveralHosts, faults: Faults) -> str:
    """Return the result as a table in Markdown."""
    plan, seen, ledger = run.plan, run.seen, run.ledger
    sources = Counter(ledger.promised.values())
    code, cut = seen.drained
    rows = {
        f"calls ({', '.join(dict.fromkeys(SPOKEN))}), at once, speed": f"{plan.calls}, {plan.at_once}, {plan.speed:g}",
        "summaries by server": ", ".join(f"{name} {seen.carried[name]}" for name in NODES),
        "faults": ", ".join(seen.hands),
        "the broker's cable was out": f"{plan.unplugged_s:g} s and the start of the killed server",
        "drained server: exit code; calls cut": f"{code}; {cut}",
        "killed server: messages in its outbox": str(seen.outbox),
        "streams that broke and were opened again": str(seen.broken_streams),
        "tries that found no balancer or no server": str(seen.nobody_there),
        "calls that ended at the other balancer": str(seen.moved),
        "finals promised": (
            f"{len(ledger.promised) + len(ledger.finished)}: {sources['told']} utterances told, "
            f"{len(ledger.finished)} ends told, {sources['outbox']} more in an outbox"
        ),
        "utterances and summaries heard": f"{ledger.utterances}, {len(ledger.heard) - ledger.utterances}",
        "redeliveries that de-duplication took out": str(seen.duplicates),
        "**finals lost**": f"**{len(faults.lost)}**",
        "**numbers left out**": f"**{len(faults.left_out)}**",
        "**duplicates after de-duplication**": f"**{len(faults.twice)}**",
        "**out of order within a call of one server**": f"**{len(faults.out_of_order)}**",
        "**summaries that count otherwise**": f"**{len(faults.miscounted)}**",
        "left in the outboxes; exit codes": f"{seen.left}; {', '.join(map(str, seen.exit_codes))}",
        "took": f"{seen.took_s:.0f} s",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def report(run: SeveralHosts, faults: Faults, command: str) -> str:
    """Return the result as a page in Markdown."""
    lines = [
        "# Several hosts",
        "",
        f"`{command}` on {machine()}; method and books are described in the program's first lines.",
        "",
        table(run, faults),
        "",
    ]
    if run.seen.trouble:
        said = (f"`{event}` {count}" for event, count in run.seen.trouble.most_common(SHOWN))
        lines += [f"Errors in the servers' logs: {', '.join(said)}.", ""]
    for name in ("lost", "left_out", "twice", "out_of_order", "miscounted"):
        wrong = getattr(faults, name)
        lines += [f"- {name}: {one}" for one in wrong[:SHOWN]]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 where nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.several_hosts", description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=Plan.calls)
    parser.add_argument("--at-once", type=int, default=Plan.at_once)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--speed", type=float, default=Plan.speed)
    parser.add_argument("--result", type=Path, help="write the report there, too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="several-hosts-") as folder:
        run = SeveralHosts(Plan(given.calls, given.at_once, given.seed, given.speed), Path(folder))
        try:
            faults = asyncio.run(run.run())
        except ProgramError as problem:
            print(problem, file=sys.stderr)
            return 1
    page = report(run, faults, command_line("benchmarks.several_hosts", arguments))
    print(page)
    if given.result:
        given.result.write_text(f"{page}\n", encoding="utf-8")
    return 1 if faults or any(run.seen.exit_codes) or run.seen.drained != (0, 0) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
