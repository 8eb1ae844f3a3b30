"""`streamer bench`: how many live calls this machine carries.

Starts a broker and the real server with the configuration as it is, loads it with more and more made-up calls, and says
how many it carried. This file must never say a figure that it did not measure in this run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from streamer.bench.load import Measured, trial
from streamer.bench.place import Place, place
from streamer.bench.plan import Plan
from streamer.bench.ramp import Bounds, Held, Largest, held, largest
from streamer.bench.report import HEAD, as_json, method, result, row
from streamer.bench.served import BenchError, Variant, tidy
from streamer.config import Settings
from streamer.demo.broker import running_broker

FIRST_CALLS: Final = 20
"""With which the search finds out where to begin."""
MOST_CALLS: Final = 5000
"""Beyond, one machine's generator and its ports are the limit."""
_AIM: Final = 0.75
"""Share of the core at which the search begins, by what the first try cost."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    legs: int | None = None
    """One load of so many; None = search for the largest."""
    seconds: float = 10.0
    dialect: str = "twilio"
    frame_ms: int = 20
    as_json: bool = False


def bench(settings: Settings, wanted: Wanted) -> bool:
    """Measure and print; return whether what was asked for could be said and, of one load, whether it was carried.

    Raises
    ------
    StreamerError
        No broker, no server, or not on Linux.
    """
    if not sys.platform.startswith("linux"):
        raise BenchError(f"measures by /proc and taskset's system calls, which {sys.platform} has not; run it on Linux")
    with tidy(), tempfile.TemporaryDirectory(prefix="emotion-streamer-") as folder, running_broker() as broker:
        file = Path(folder) / "settings.json"
        # Keys are secrets, and nobody is asked for one here.
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(settings, keys=())))
        with place(settings.server.workers) as where:
            mqtt_port = int(broker.url.rpartition(":")[2])
            run = _Run(
                settings,
                wanted,
                variant=_variant(file),
                where=where,
                mqtt_port=mqtt_port,
                broker=broker.software,
            )
            return run.one_load(wanted.legs) if wanted.legs is not None else run.search()


def _variant(file: Path) -> Variant:
    command = (sys.executable, "-P", "-m", "streamer.bench.node", str(file), "{port}", "{admin}", "{mqtt}", "{folder}")
    return Variant("streamer", command, has_admin=True)


class _Run:
    """One run of the command."""

    def __init__(
        self, settings: Settings, wanted: Wanted, *, variant: Variant, where: Place, mqtt_port: int, broker: str
    ) -> None:
        self._wanted = wanted
        self._variant = variant
        self._where = where
        self._mqtt_port = mqtt_port
        self._broker = broker
        self._bounds = Bounds()
        self._tried: list[Measured] = []
        self._plan = Plan(
            port=0,
            mqtt_port=mqtt_port,
            dialect=wanted.dialect,
            frame_ms=wanted.frame_ms,
            calls=1,
            seconds=wanted.seconds,
            hangover_ms=settings.speech.hangover_ms,
            roles=tuple(str(role) for role in settings.emotion.analyse),
        )
        for line in method(self._plan, where, broker):
            self._say(line)
        self._say("")
        self._say(HEAD)

    def one_load(self, legs: int) -> bool:
        """Measure one load; return whether it was carried."""
        carried = self._try(max(1, legs // 2)) is Held.YES
        self._print_json(None)
        return carried

    def search(self) -> bool:
        """Search for the largest load; return whether there is one."""
        self._try(FIRST_CALLS)
        first = self._tried[-1]
        guess = int(_AIM * first.cores * first.wall_s / first.cpu_s * FIRST_CALLS)
        found = largest(self._try, guess, MOST_CALLS)
        self._say("")
        for line in result(found, self._plan, self._bounds):
            self._say(line)
        self._print_json(found)
        return found.calls > 0

    def _try(self, calls: int) -> Held:
        plan = msgspec.structs.replace(self._plan, calls=calls, run=f"bench{len(self._tried)}")
        found = trial(self._variant, plan, self._where, self._mqtt_port)
        self._tried.append(found)
        self._say(row(found, self._bounds))
        return held(found, self._bounds)

    def _say(self, line: str) -> None:
        """Print a line; beside JSON, where it does not disturb that."""
        print(line, file=sys.stderr if self._wanted.as_json else sys.stdout, flush=True)

    def _print_json(self, found: Largest | None) -> None:
        if self._wanted.as_json:
            document = as_json(self._tried, found, self._where, self._broker, self._bounds)
            print(json.dumps(document, indent=2))  # noqa: T201 - the result
