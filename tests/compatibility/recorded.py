"""What earlier versions said and were told, as tools/record_messages.py recorded it.

Nothing here may change what it reads.
"""

from __future__ import annotations

import base64
import json
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
VERSIONS = sorted(file.parent.name for file in HERE.glob("*/native.jsonl"))
ROOT = HERE.parents[1]
FROM_CLIENT = ("start", "gap", "pause", "resume", "notice", "withdraw", "stop")
Json = dict[str, Any]


class Conversation(NamedTuple):
    """One socket, from start to close."""

    version: str
    name: str
    sent: list[Json | bytes]
    said: list[Json]
    closed: int


def lines(version: str, name: str) -> list[Json]:
    """Return the lines of a file of a version."""
    return [json.loads(line) for line in (HERE / version / name).read_text(encoding="utf-8").splitlines()]


def bus(version: str) -> list[Json]:
    """Return the messages of the bus."""
    return lines(version, "bus.jsonl")


def events(version: str) -> list[Json]:
    """Return the events of the bus."""
    return [line["payload"] for line in bus(version) if line["payload"] is not None]


def conversations(version: str) -> list[Conversation]:
    """Return the conversations."""
    found = []
    for name, group in groupby(lines(version, "native.jsonl"), key=lambda line: line["call"]):
        both = list(group)
        sent = [_message(line) for line in both if line["from"] == "client"]
        said = [line["text"] for line in both if line["from"] == "server" and "text" in line]
        (closed,) = [line["close"] for line in both if "close" in line]
        found.append(Conversation(version, name, sent, said, closed))
    return found


def schema(version: str | None, path: str) -> Json:
    """Return a JSON Schema of a version; None is this one."""
    folder = ROOT / "clients" / "schema" if version is None else HERE / version / "schema"
    found: Json = json.loads((folder / path).read_text(encoding="utf-8"))
    return found


def schemas(version: str) -> list[str]:
    """Return the paths of the schemas of a version."""
    folder = HERE / version / "schema"
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*.json"))


def kind_of(event: Json) -> str:
    """Return `utterance` of `emotion-streamer.utterance.v1`."""
    return str(event["type"]).removeprefix("emotion-streamer.").removesuffix(".v1")


def _message(line: Json) -> Json | bytes:
    return base64.b64decode(line["audio"]) if "audio" in line else line["text"]
