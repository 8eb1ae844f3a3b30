"""Hostile streams for every dialect, found by coverage: no message may raise, hang, or break what is promised.

    pip install atheris
    python -m tests.fuzz.fuzz_dialects -max_total_time=3600 corpus/ tests/fuzz/corpus/

What follows the module's name are libFuzzer's own flags; new streams are written to the first folder, and a stream that
breaks something to a file `crash-...` here. Without atheris the same streams are changed at random, by the same flags.
A stream is one file: the dialect's name, then its messages, each behind a byte 0x1e: ``t`` and a text, ``b`` and bytes,
``s`` and what the server says meanwhile, ``c`` for the close. `test_corpus.py` plays those that are committed.

This file must never open a socket.
"""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import structlog

try:
    import atheris
except ImportError:
    atheris = None

_IS_RUN = atheris is not None and __name__ == "__main__"
_instrumented: Any = atheris.instrument_imports(include=["streamer.wire"]) if _IS_RUN else nullcontext()
with _instrumented:
    from tests.wire.conversing import NAMES, SPOKEN, converse, path_of, reader, speakers
    from tests.wire.listening import Listener
    from tests.wire.vendors import HEADERS, STREAMS

CORPUS = Path(__file__).with_name("corpus")
SEPARATOR = b"\x1e"
SAYINGS = ("ready", "event", "fault", "ended")
_READERS = {name: reader(name) for name in NAMES}


def written(name: str, messages: Sequence[str | bytes]) -> bytes:
    """Return a stream as a file."""
    records = [
        b"t" + message.encode(errors="surrogatepass") if isinstance(message, str) else b"b" + message
        for message in messages
    ]
    return SEPARATOR.join([name.encode(), *records, b"c"])


def play(data: bytes) -> None:
    """Play a stream to its dialect; raises where anything that is promised does not hold."""
    head, *records = data.split(SEPARATOR)
    name = head.decode(errors="replace")
    if name not in _READERS:
        name = NAMES[sum(head) % len(NAMES)]
    listener = Listener(_READERS[name](path_of(name), HEADERS.get(name, {})))
    for record in records:
        kind, body = record[:1], record[1:]
        if kind == b"b":
            listener.hear(body)
        elif kind == b"s":
            listener.say(SAYINGS[sum(body) % len(SAYINGS)])
        elif kind == b"c":
            break
        else:
            # Half a surrogate pair cannot come over a WebSocket, but can be handed over by a careless caller.
            listener.hear(body.decode(errors="surrogateescape"))
    listener.closed()


def seeds() -> dict[str, bytes]:
    """Return what the run begins with: short streams of every dialect, by name."""
    found = {f"{name}-documented": written(name, messages) for name, messages in STREAMS.items()}
    for name in SPOKEN:
        for number, speaker in enumerate(speakers(name)):
            found[f"{name}-replayed-{number}"] = written(name, converse(name, speaker, seconds=0.04).sent)
    return found


def spoilt(stream: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Change a stream a little, without atheris to say where."""
    data = bytearray(stream)
    for _ in range(draw.randint(1, 4)):
        at = draw.randint(0, len(data))
        length = draw.choice((1, 1, 2, 8, 40))
        match draw.randint(0, 5):
            case 0:
                del data[at : at + length]
            case 1:
                data[at:at] = draw.randbytes(length)
            case 2:
                data[at : at + length] = draw.randbytes(length)
            case 3:
                data[at:at] = data[at : at + length] * draw.choice((1, 2, 50))
            case 4:
                data[at:at] = draw.choice((SEPARATOR, b'"', b"{", b"null", b"-1", b"9" * 30, b"1e999", b"\\ud800"))
            case _:
                records, there = bytes(data).split(SEPARATOR), draw.choice(others).split(SEPARATOR)
                records.insert(draw.randint(1, len(records)), draw.choice(there))
                draw.shuffle(records) if draw.random() < 0.1 else None
                data = bytearray(SEPARATOR.join(records))
    return bytes(data)


def without_atheris(run: Callable[[bytes], None], seconds: float) -> int:
    """Play streams that are changed at random; return how many."""
    draw = random.Random(time.time_ns())
    streams = list({**seeds(), **{path.name: path.read_bytes() for path in CORPUS.glob("*")}}.values())
    played, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        stream = spoilt(draw.choice(streams), draw, streams)
        try:
            run(stream)
        except BaseException:
            Path(f"crash-{played}").write_bytes(stream)
            raise
        played += 1
    return played


def main() -> None:
    """Run until the time is over or something breaks."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if "--write-seeds" in sys.argv:
        CORPUS.mkdir(exist_ok=True)
        for name, stream in seeds().items():
            (CORPUS / name).write_bytes(stream)
    elif atheris is not None:
        atheris.Setup(sys.argv, play)
        atheris.Fuzz()
    else:
        limit = next((flag.partition("=")[2] for flag in sys.argv if flag.startswith("-max_total_time=")), "60")
        sys.stdout.write(f"without atheris: {without_atheris(play, float(limit))} streams played\n")


if __name__ == "__main__":
    main()
