"""Nothing final is lost: hundreds of calls while broker, network and server are broken under them, and the books after.

    python -m benchmarks.chaos                      # as in docs/reliability.md; as root, so that packets can be dropped
    python -m benchmarks.chaos --calls 40 --server-kills 3 --broker-kills 1 --cuts 1 --seed 2

Method. A real Mosquitto, a real `streamer serve`, real sockets, made-up calls in the dialects below at the speed of
life, many at once. Three hands break things, each at its own moments, which the seed chooses between calls that end, so
that their damage overlaps: one kills the node with -9 and starts it again, one kills the broker with -9 and starts it
again, one cuts the network between the two. A call whose stream breaks is begun again under the same id, as a telephone
system does.

The books (`benchmarks/ledger.py`). Promised is each final event that a caller was told of, which comes behind the
commit, and each that stands in the outbox of a node right after its death. Heard is what our own client's subscriber
hands out over a persistent session, de-duplicated by id; its way to the broker is never cut, but dies with the broker.
Nothing is excused: what the broker itself forgets when it is killed counts as lost. It is set up to forget as little as
Mosquitto can (a file written after each change).

This file must never wait for luck: it ends when every fault has happened and every call has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import soundfile
from streamer_client.errors import ConnectError
from streamer_client.replay import replay

from benchmarks.calls import RATE_HZ, conversation, demo_call
from benchmarks.hearing import hearing_finals
from benchmarks.ledger import SHOWN, Faults, Ledger
from benchmarks.network import Network, network
from benchmarks.programs import Broker, Node, ProgramError, command_line, free_port, machine, until

SPOKEN: Final = ("native", "native", "twilio", "native", "audiohook", "telnyx", "native", "jambonz")
"""Dialects of the calls, in turn. Natively a caller is told its events, so half of the calls are."""
RECORDINGS: Final = 12
DELIVERY_S: Final = 120.0
"""How long the last events may take once everything is whole again."""


@dataclass(frozen=True)
class Plan:
    """What is done."""

    calls: int = 200
    at_once: int = 40
    server_kills: int = 10
    broker_kills: int = 5
    cuts: int = 5
    seed: int = 5
    speed: float = 1.0
    seconds: tuple[float, float] = (12.0, 25.0)
    """Shortest and longest call."""
    away_s: tuple[float, float] = (0.0, 6.0)
    """How long a killed broker stays away."""
    cut_s: tuple[float, float] = (2.0, 25.0)
    """How long a cut lasts; the node gives a silent broker up after 20 s."""
    real_network: bool = True


@dataclass
class Seen:
    """What happened, for the report."""

    outbox: list[int] = field(default_factory=list)
    """Messages in the outbox at each death of the node."""
    server_kills: int = 0
    broker_kills: int = 0
    cuts: int = 0
    cut_s: float = 0.0
    overlaps: int = 0
    """Deaths of the node while the broker was away or cut off."""
    broken_streams: int = 0
    duplicates: int = 0
    """Redeliveries that the subscriber took out."""
    dropped: int | None = None
    network: str = ""
    exit_code: int | None = None
    left: int = 0
    """Messages in the outbox when everything was over."""
    trouble: Counter[str] = field(default_factory=Counter)
    """What the node logged as an error."""
    took_s: float = 0.0


class Progress:
    """Calls that have ended; the hands that break things wait for it."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.ended = 0
        self._changed = asyncio.Condition()

    async def one_ended(self) -> None:
        """Count a call."""
        async with self._changed:
            self.ended += 1
            self._changed.notify_all()

    async def reached(self, count: int) -> None:
        """Come back when so many calls have ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.ended >= count)

    async def moments(self, count: int, dice: random.Random) -> AsyncIterator[None]:
        """Come back `count` times, spread over the calls, each a random moment behind a call's end."""
        for number in range(count):
            await self.reached((number + 1) * self.calls // (count + 1))
            await asyncio.sleep(dice.uniform(0.5, 4.0))
            yield


class Chaos:
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
        self._broker_is_away = self._is_cut = False

    async def run(self) -> Faults:
        """Do it all; return what is wrong."""
        began_s = time.monotonic()
        port = free_port()
        async with network(port, real=self.plan.real_network) as lan:
            self.seen.network = lan.method
            broker = Broker(
                self._folder / "broker",
                host=lan.subscriber_host,
                port=port,
                address=lan.listens_on,
                before=lan.before,
                safe=True,
            )
            node = Node(self._folder / "node", f"mqtt://{lan.to_broker}")
            try:
                await broker.start()
                mqtt = f"mqtt://{lan.subscriber_host}:{port}"
                async with hearing_finals(mqtt, self.ledger.came) as subscription:
                    await node.start()
                    await self._break_everything(node, broker, lan)
                    await self._settle(node)
                self.seen.duplicates = subscription.duplicates
                self.seen.trouble = node.logged("error") + node.logged("critical")
            finally:
                node.close()
                broker.close()
        self.seen.took_s = time.monotonic() - began_s
        return self.ledger.faults()

    async def _break_everything(self, node: Node, broker: Broker, lan: Network) -> None:
        """Run the calls and break things meanwhile; returns when both is over and everything is whole."""
        plan = self.plan
        files = list(self._recordings())
        room = asyncio.Semaphore(plan.at_once)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kill_server(node, random.Random(f"{plan.seed} server")), name="server")
            group.create_task(self._kill_broker(broker, random.Random(f"{plan.seed} broker")), name="broker")
            group.create_task(self._cut(lan, random.Random(f"{plan.seed} cuts")), name="cuts")
            reporting = group.create_task(self._report(), name="report")
            async with asyncio.TaskGroup() as calls:
                for number in range(plan.calls):
                    await room.acquire()
                    call = self._call(number, files[number % len(files)], node, room)
                    calls.create_task(call, name=f"call {number}")
                    if number < plan.at_once:  # not all at the same place of their conversation
                        await asyncio.sleep(plan.seconds[0] / plan.speed / plan.at_once)
            reporting.cancel()

    async def _call(self, number: int, file: Path, node: Node, room: asyncio.Semaphore) -> None:
        """Play one call to its end, begun again whenever its stream breaks."""
        dice = random.Random(f"{self.plan.seed} call {number}")
        call_id, dialect = f"chaos-{number}", SPOKEN[number % len(SPOKEN)]
        try:
            while True:
                self.ledger.opened[call_id] += 1
                (played,) = await replay(
                    [file],
                    to=node.url,
                    dialect=dialect,
                    call_id=call_id,
                    speed=self.plan.speed,
                    on_event=self.ledger.told if dialect == "native" else None,
                )
                if played.error is None:
                    if played.utterances is not None:
                        self.ledger.told_ended(call_id)
                    return
                if isinstance(played.error, ConnectError):
                    self.ledger.opened[call_id] -= 1  # the node is away: nothing was opened
                else:
                    self.seen.broken_streams += 1
                await asyncio.sleep(dice.uniform(0.2, 1.5))
        finally:
            room.release()
            await self._progress.one_ended()

    async def _kill_server(self, node: Node, dice: random.Random) -> None:
        async for _ in self._progress.moments(self.plan.server_kills, dice):
            await node.kill()
            self.seen.server_kills += 1
            self.seen.overlaps += self._broker_is_away or self._is_cut
            waiting = await asyncio.to_thread(outbox_of, node.folder, self._folder / f"death-{self.seen.server_kills}")
            self.seen.outbox.append(sum(waiting.values()))
            self.ledger.stored(one for one, kind in waiting if kind in {"utterance", "ended"})
            await asyncio.sleep(dice.uniform(0.0, 2.0))
            await node.start()

    async def _kill_broker(self, broker: Broker, dice: random.Random) -> None:
        async for _ in self._progress.moments(self.plan.broker_kills, dice):
            self._broker_is_away = True
            await broker.kill()
            self.seen.broker_kills += 1
            await asyncio.sleep(dice.uniform(*self.plan.away_s))
            await broker.start()
            self._broker_is_away = False

    async def _cut(self, lan: Network, dice: random.Random) -> None:
        async for _ in self._progress.moments(self.plan.cuts, dice):
            self._is_cut = True
            await lan.cut()
            self.seen.cuts += 1
            lasts_s = dice.uniform(*self.plan.cut_s)
            await asyncio.sleep(lasts_s)
            self.seen.cut_s += lasts_s
            await lan.mend()
            self._is_cut = False
            self.seen.dropped = lan.dropped

    async def _settle(self, node: Node) -> None:
        """Let what waits be delivered, and end the node as an operator would."""

        async def is_delivered() -> bool:
            node.must_run()
            return (await node.figures())["streamer_outbox_rows"] == 0 and not self.ledger.missing()

        # What does not come in time is in the books as lost.
        with contextlib.suppress(ProgramError):
            await until(is_delivered, "everything was delivered", timeout_s=DELIVERY_S)
        node.terminate()
        self.seen.exit_code = await node.ended()
        self.seen.left = sum((await asyncio.to_thread(outbox_of, node.folder, self._folder / "end")).values())

    def _recordings(self) -> Iterator[Path]:
        dice, call = random.Random(self.plan.seed), demo_call()
        for number in range(min(RECORDINGS, self.plan.calls)):
            path = self._folder / f"call-{number}.wav"
            soundfile.write(path, conversation(dice, dice.uniform(*self.plan.seconds), call), RATE_HZ, subtype="PCM_16")
            yield path

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(10)
            print(
                f"{self._progress.ended}/{self.plan.calls} calls, {self.ledger.utterances} utterances heard, "
                f"{len(self.ledger.missing())} on their way; killed: node {self.seen.server_kills}, "
                f"broker {self.seen.broker_kills}; cuts {self.seen.cuts}",
                flush=True,
            )


def outbox_of(folder: Path, copy: Path) -> Counter[tuple[str, str]]:
    """Return id and kind of each message in the outbox of a node that does not run, read from a copy of its files.

    Parameters
    ----------
    folder
        The node's.
    copy
        Where the copies are put: opening a database whose writer died changes its files.
    """
    copy.mkdir(parents=True)
    for file in folder.glob("outbox*.sqlite*"):
        shutil.copy2(file, copy)
    waiting: Counter[tuple[str, str]] = Counter()
    for file in copy.glob("outbox*.sqlite"):
        with contextlib.closing(sqlite3.connect(file)) as database:
            waiting.update(database.execute("SELECT id, kind FROM outbox").fetchall())
    return waiting


def table(chaos: Chaos, faults: Faults) -> str:
    """Return the result as a table in Markdown."""
    plan, seen, ledger = chaos.plan, chaos.seen, chaos.ledger
    sources = Counter(ledger.promised.values())
    rows = {
        f"calls ({', '.join(dict.fromkeys(SPOKEN))}), at once": f"{plan.calls}, {plan.at_once}",
        "node killed with -9 and started again": f"{seen.server_kills}, of these {seen.overlaps} while cut off",
        "broker killed with -9 and started again": str(seen.broker_kills),
        "network between them cut": f"{seen.cuts}, {seen.cut_s:.0f} s in all",
        "packets dropped": "none: see the method" if seen.dropped is None else str(seen.dropped),
        "streams that broke and were opened again": str(seen.broken_streams),
        "messages in the outbox at the node's deaths": ", ".join(map(str, seen.outbox)) or "-",
        "finals promised": (
            f"{len(ledger.promised) + len(ledger.finished)}: {sources['told']} utterances told, "
            f"{len(ledger.finished)} ends told, {sources['outbox']} more in an outbox"
        ),
        "utterances and summaries heard": f"{ledger.utterances}, {len(ledger.heard) - ledger.utterances}",
        "redeliveries that de-duplication took out": str(seen.duplicates),
        "**finals lost**": f"**{len(faults.lost)}**",
        "**numbers left out**": f"**{len(faults.left_out)}**",
        "**duplicates after de-duplication**": f"**{len(faults.twice)}**",
        "**out of order within a call**": f"**{len(faults.out_of_order)}**",
        "**summaries that count otherwise**": f"**{len(faults.miscounted)}**",
        "left in the outbox at the end; exit code": f"{seen.left}; {seen.exit_code}",
        "lines that the node logged as errors": str(sum(seen.trouble.values())),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def report(chaos: Chaos, faults: Faults, command: str) -> str:
    """Return the whole result as Markdown."""
    lines = [
        "# Chaos: calls while everything is broken under them",
        "",
        f"Written by `{command}`; what it does and counts stands at the top of",
        "[`chaos.py`](../chaos.py) and [`ledger.py`](../ledger.py).",
        "",
        f"Seed {chaos.plan.seed}; {chaos.seen.took_s:.0f} s on {machine()}.",
        "",
        f"Network: {chaos.seen.network}.",
        "",
        table(chaos, faults),
        "",
    ]
    for name, found in vars(faults).items():
        if found:
            lines += [f"{name}:", "", *(f"- {one}" for one in found[:SHOWN]), ""]
    if chaos.seen.trouble:
        lines += ["Logged as errors:", "", *(f"- {count} x {text}" for text, count in chaos.seen.trouble.items()), ""]
    return "\n".join(lines)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False
    )
    usual = Plan()
    parser.add_argument("--calls", type=int, default=usual.calls)
    parser.add_argument("--at-once", type=int, default=usual.at_once)
    parser.add_argument("--server-kills", type=int, default=usual.server_kills)
    parser.add_argument("--broker-kills", type=int, default=usual.broker_kills)
    parser.add_argument("--cuts", type=int, default=usual.cuts)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--speed", type=float, default=usual.speed, help="times faster than life")
    parser.add_argument("--folder", type=Path, help="where files and logs stay; a temporary folder if not given")
    parser.add_argument("--result", type=Path, help="write the report there, such as benchmarks/results/chaos.md")
    return parser.parse_args(arguments)


def main() -> None:
    """Run, print, and exit with 1 if anything is wrong."""
    given = parsed()
    plan = Plan(
        calls=given.calls,
        at_once=given.at_once,
        server_kills=given.server_kills,
        broker_kills=given.broker_kills,
        cuts=given.cuts,
        seed=given.seed,
        speed=given.speed,
    )
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            sys.exit(f"the folder {folder} is not empty; name a new one")
        chaos = Chaos(plan, folder)
        try:
            faults = asyncio.run(chaos.run())
        except ProgramError as problem:
            sys.exit(f"chaos: {problem}")
    command = command_line("benchmarks.chaos", sys.argv[1:])
    text = report(chaos, faults, command)
    print(text)
    if given.result:
        given.result.write_text(text, encoding="utf-8")
    everything_done = (chaos.seen.server_kills, chaos.seen.broker_kills, chaos.seen.cuts) == (
        plan.server_kills,
        plan.broker_kills,
        plan.cuts,
    )
    sys.exit(bool(faults) or chaos.seen.left > 0 or chaos.seen.exit_code != 0 or not everything_done)


if __name__ == "__main__":
    main()
