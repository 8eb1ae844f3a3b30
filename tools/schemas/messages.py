"""Every message of the contract, with its schema: the events, and the native protocol in both directions."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from streamer_client import events

from streamer.wire.native import (
    SAMPLE_RATES_HZ,
    _Ended,
    _Error,
    _Event,
    _Gap,
    _Notice,
    _Pause,
    _Ready,
    _Resume,
    _Start,
    _Stop,
    _Withdraw,
)
from tools.schemas.structs import DRAFT, Schema, ordered, plain, schema_of, standing_alone

EVENTS: Final[dict[str, type[msgspec.Struct]]] = {
    "utterance": events.UtteranceEvent,
    "partial": events.PartialEvent,
    "state": events.StateEvent,
    "ended": events.EndedEvent,
    "alert": events.AlertEvent,
    "acknowledgement": events.AcknowledgementEvent,
    "status": events.StatusEvent,
}
OF_A_CALL: Final = ("utterance", "partial", "state", "ended")
"""Events that the server says on the call's own socket."""
FROM_CLIENT: Final[dict[str, type[msgspec.Struct]]] = {
    "start": _Start,
    "gap": _Gap,
    "pause": _Pause,
    "resume": _Resume,
    "notice": _Notice,
    "withdraw": _Withdraw,
    "stop": _Stop,
}
FROM_SERVER: Final[dict[str, type[msgspec.Struct]]] = {
    "ready": _Ready,
    "event": _Event,
    "error": _Error,
    "ended": _Ended,
}
_G711: Final[Schema] = {
    "if": {"properties": {"encoding": {"enum": ["pcmu", "pcma"]}}, "required": ["encoding"]},
    "then": {"properties": {"sample_rate": {"const": SAMPLE_RATES_HZ[0]}}},
}


def schemas() -> dict[str, Schema]:
    """Return every schema by its path in clients/schema."""
    found = {f"event/{kind}.json": schema_of(struct, f"event:{kind}") for kind, struct in EVENTS.items()}
    found |= {f"native/{kind}.json": schema_of(struct, f"native:{kind}") for kind, struct in FROM_CLIENT.items()}
    found |= {f"native/{kind}.json": schema_of(struct, f"native:{kind}") for kind, struct in FROM_SERVER.items()}
    found["native/start.json"] = ordered(found["native/start.json"] | _G711)
    found["native/event.json"] = _said()
    found["event.json"] = _any()
    return found


def _said() -> Schema:
    """Return the schema of an event on the call's own socket."""
    kinds = [EVENTS[kind] for kind in OF_A_CALL]
    one_of = {"oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]}
    return standing_alone(kinds, _Event, "native:event", {"event": one_of})


def _any() -> Schema:
    """Return the schema of whatever stands on the bus."""
    definitions: dict[str, Any] = {}
    for kind, struct in EVENTS.items():
        schema = schema_of(struct, f"event:{kind}")
        definitions |= schema.pop("$defs")
        del schema["$schema"], schema["$id"]
        definitions[struct.__name__] = schema
    return {
        "$schema": DRAFT,
        "$id": "urn:emotion-streamer:schema:event:v1",
        "title": "Event",
        "description": plain("Any event on the bus: a CloudEvent 1.0 in structured JSON; ``type`` says which."),
        "oneOf": [{"$ref": f"#/$defs/{struct.__name__}"} for struct in EVENTS.values()],
        "$defs": definitions,
    }
