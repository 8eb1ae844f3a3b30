"""What a worker waits for its supervisor when it asks for room for a call; run as a program.

A worker asks without its event loop (`streamer.workers.channel`), so this is time in which it serves nobody. Two
processes, the channel and the ledger as they are in a node.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import time

from streamer.workers.channel import Reports, pack, read
from streamer.workers.ledger import Ledger

CALLS = 20_000


def supervise(channel: socket.socket, workers: socket.socket) -> None:
    """Answer until the worker hangs up."""
    workers.close()

    async def answer() -> None:
        ledger = Ledger()
        reader, writer = await asyncio.open_connection(sock=channel)
        while (said := await read(reader)) is not None:
            if said[0] == "take":
                writer.write(pack(ledger.take(1, [(name, most) for name, most in said[1]])))
            else:
                ledger.give_back(1, said[1])
        writer.close()

    asyncio.run(answer())


def main() -> None:
    """Measure, and print percentiles."""
    ours, theirs = socket.socketpair()
    context = multiprocessing.get_context("fork")
    supervisor = context.Process(target=supervise, args=(theirs, ours))
    supervisor.start()
    theirs.close()
    reports = Reports(ours)
    took_us: list[float] = []
    for _ in range(CALLS):
        began_s = time.perf_counter()
        assert reports.ask("take", [["calls", 1000], ["key crm", 100]]) == ""
        took_us.append((time.perf_counter() - began_s) * 1e6)
        reports.tell("give", ["calls", "key crm"])
    reports.close()
    supervisor.join()
    took_us.sort()
    shown = ", ".join(f"p{share:g} {took_us[int(CALLS * share / 100)]:.0f} µs" for share in (50, 99, 99.9))
    print(f"room asked for {CALLS} times: {shown}, longest {took_us[-1] / 1000:.1f} ms")


if __name__ == "__main__":
    main()
