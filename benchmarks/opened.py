"""How soon AudioHook's `opened` comes while other calls are live; the platform gives up after five seconds.

Method: a node and a Mosquitto on this machine; `--calls` two-party calls at the speed of life over `/audiohook`, their
speech made up; meanwhile one session after the other is opened and closed. The time is from sending `open`, the socket
being open already, to having read `opened`, in the process that also plays the calls: an upper bound of the server's
own. Named beside it: the same with no other call.

    python -m benchmarks.opened --calls 20 --sessions 100
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from pathlib import Path

from streamer_client.dialects.audiohook import speakers
from streamer_client.dialects.speaker import CallOptions
from streamer_client.replay import replay
from websockets.asyncio.client import connect

from benchmarks.programs import LOOPBACK, Broker, Node, free_port, until

CALL = Path(__file__).parent.parent / "streamer" / "demo" / "call.flac"
PAUSE_S = 0.1
"""Between two sessions."""


async def opened_ms(url: str) -> float:
    """Open a session and close it; return ms from `open` to `opened`."""
    options = CallOptions(
        url=f"{url}/audiohook",
        call_id=f"probe-{secrets.token_hex(4)}",
        roles=("customer", "agent"),
        stream_id=secrets.token_hex(16),
        now_s=time.time(),
    )
    (speaker,) = speakers(options)
    async with connect(speaker.url, additional_headers=speaker.headers, compression=None) as socket:
        begun_s = time.perf_counter()
        for message in speaker.open():
            await socket.send(message)
        answer = await socket.recv()
        took_ms = (time.perf_counter() - begun_s) * 1000
        assert '"opened"' in str(answer), answer
        speaker.receive(answer)
        for message in speaker.close():
            await socket.send(message)
        await socket.recv()
        return took_ms


async def rounds(url: str, sessions: int) -> list[float]:
    """Return the times of some sessions, in ms, sorted."""
    times = []
    for _ in range(sessions):
        times.append(await opened_ms(url))
        await asyncio.sleep(PAUSE_S)
    return sorted(times)


async def measure(calls: int, sessions: int, folder: Path) -> dict[str, list[float]]:
    """Return times in ms by what else went on."""
    port = free_port()
    broker = Broker(folder / "broker", port=port)
    node = Node(folder / "node", f"mqtt://{LOOPBACK}:{port}")
    try:
        await broker.start()
        await node.start()
        alone = await rounds(node.url, sessions)
        load = asyncio.create_task(
            replay([CALL] * calls, to=node.url, dialect="audiohook", together=True, call_id="load")
        )
        await until(lambda: _has(node, calls), "every call was live")
        beside = await rounds(node.url, sessions)
        assert not load.done(), "the calls ended before the last session was opened; open fewer sessions"
        load.cancel()
        return {"no other call": alone, f"{calls} live calls": beside}
    finally:
        node.close()
        broker.close()


async def _has(node: Node, calls: int) -> bool:
    return (await node.figures()).get('streamer_calls_active{dialect="audiohook"}', 0) >= calls


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20, help="live calls meanwhile (20)")
    parser.add_argument("--sessions", type=int, default=100, help="sessions that are opened and timed, each time (100)")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = asyncio.run(measure(flags.calls, flags.sessions, Path(folder)))
    print(f"| beside | sessions | opened after, median | p95 | largest |\n|{'---|' * 5}")
    for name, times in table.items():
        p95 = times[max(0, int(len(times) * 0.95) - 1)]
        print(f"| {name} | {len(times)} | {statistics.median(times):.2f} ms | {p95:.2f} ms | {times[-1]:.2f} ms |")


if __name__ == "__main__":
    main()
