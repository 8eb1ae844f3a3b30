"""The servers that can be measured, by name: ours in its variants, the bare sinks, and peers of other shapes.

A peer is a program ``python -m benchmarks.peers.NAME --port P --mqtt URL --model FOLDER``. It takes `/twilio` and
`/v1/stream`, and publishes the same events. This file must never know how one of them works.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from streamer.bench.served import BenchError, Variant, streamer_variant
from streamer.emotion.model import locate

PEERS: Final = Path(__file__).parents[1] / "peers"
_BOTH: Final = {
    "STREAMER_EMOTION_ANALYSE": "customer,agent",
    "STREAMER_EMOTION_LAWFUL_BASIS": "a benchmark on synthetic voices",
}


def sink(library: str) -> Variant:
    """Return the bare sink on a library."""
    command = (sys.executable, "-m", "benchmarks.calls_per_core.sinks", library, "--port", "{port}")
    return Variant(f"{library}-sink", command, publishes=False)


def ours() -> dict[str, Variant]:
    """Return our server in its variants."""
    found = [
        streamer_variant("streamer"),
        streamer_variant("streamer-picows", STREAMER_SERVER_TRANSPORT="picows"),
        streamer_variant("streamer-both", **_BOTH),
        streamer_variant("streamer-2-workers", "--workers", "2"),
    ]
    return {one.name: one for one in found}


def sinks() -> dict[str, Variant]:
    """Return the bare sinks."""
    return {one.name: one for one in (sink("websockets"), sink("picows"))}


def peers() -> dict[str, Variant]:
    """Return the peers that there are; those whose packages are missing say so when they are started."""
    model = str(locate("telephone"))
    return {
        name: Variant(
            name,
            (
                sys.executable,
                "-m",
                f"benchmarks.peers.{name}",
                "--port",
                "{port}",
                "--mqtt",
                "{mqtt}",
                "--model",
                model,
            ),
        )
        for name in sorted(_modules())
    }


def _modules() -> Iterator[str]:
    """Yield the names of the peers: the modules of their folder that are programs."""
    for file in PEERS.glob("*.py"):
        if not file.name.startswith("_") and "__main__" in file.read_text(encoding="utf-8"):
            yield file.stem


def named(names: str) -> list[Variant]:
    """Return the servers of a list such as ``websockets-sink,streamer,before=../other/.venv/bin/streamer``.

    ``NAME=COMMAND`` is a `streamer` command of another installation, to compare two versions in one run.

    Raises
    ------
    BenchError
        There is none of a name, or it needs a package that is not installed.
    """
    known = sinks() | ours() | peers()
    found = []
    for word in filter(None, (one.strip() for one in names.split(","))):
        name, given, command = word.partition("=")
        if given:
            ours_ = streamer_variant(name)
            rest = ours_.command[ours_.command.index("serve") :]
            found.append(Variant(name, (*shlex.split(command), *rest), ours_.environment, has_admin=True))
        elif name in known:
            found.append(known[name])
        else:
            raise BenchError(f"no server is called {name!r}; there are {', '.join(known)}")
    if any("picows" in one.name for one in found) and find_spec("picows") is None:
        raise BenchError("picows is not installed here; `make bench` has it, in .bench")
    return found
