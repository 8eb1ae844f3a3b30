"""The contract of the bus as an outside party reads it: a JSON Schema for each kind of message.

The schemas are written by hand from the contract. Nothing here may import the server's or the client's types: a schema
derived from them would agree with anything.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

KINDS: Final = ("utterance", "partial", "state", "ended", "alert", "status")


def schema(kind: str) -> dict[str, Any]:
    """Return the schema of a kind of message."""
    path = Path(__file__).parent / "schemas" / f"{kind}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def wrong_with(event: object, kind: str) -> list[str]:
    """Return what is wrong with a message, beyond its schema also where its parts contradict each other."""
    problems = [
        f"{problem.json_path}: {problem.message}" for problem in Draft202012Validator(schema(kind)).iter_errors(event)
    ]
    if not problems and isinstance(event, dict) and kind in {"utterance", "partial"}:
        problems = _contradictions(event)
    return problems


def _contradictions(event: dict[str, Any]) -> list[str]:
    data = event["data"]
    said, emotion = data["utterance"], data["emotion"]
    rules = {
        "an utterance takes time": said["start_ms"] < said["end_ms"],
        "speech lies inside the utterance": 0 < said["speech_ms"] <= said["end_ms"] - said["start_ms"],
        "the top emotion has the highest score": emotion["scores"].get(emotion["top"])
        == max(emotion["scores"].values()),
        "confidence is the score of the top emotion": emotion["confidence"] == emotion["scores"].get(emotion["top"]),
        "scores sum to 1": abs(sum(emotion["scores"].values()) - 1) < 0.01,
        "the subject names call, role and number": event["subject"]
        == f"{data['call']['id']}/{data['speaker']['role']}/{said['n']}",
        "final verdicts count by their sequence": event["type"] != "emotion-streamer.utterance.v1"
        or int(event["sequence"]) == said["n"],
    }
    return [rule for rule, holds in rules.items() if not holds]
