"""Write ``docs/events.md``: every field of every event, from the types that server and client share.

Run ``python -m tools.manual.events`` after a change of a type or of its docstrings; a test compares. This file must
never describe a field: what a field means stands under it in ``streamer_client.events``, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from streamer.bus.cloudevents import outgoing
from streamer.bus.topics import Topics
from tools.schemas import examples
from tools.schemas.asyncapi import address
from tools.schemas.messages import EVENTS, schemas
from tools.schemas.structs import Schema

PAGE: Final = "docs/events.md"
_HEAD: Final = """\
# Events

Every field of every event. Made from the program's own types by `python -m tools.manual.events`; never edit it by hand.
The same for programs: [JSON Schemas and AsyncAPI](../clients/schema/README.md). How events travel, and what you can
rely on: [MQTT](mqtt.md). Read on past fields that you do not know: later versions may add some.
"""
_CALL: Final = "CallRef"


def page() -> str:
    """Return the whole page."""
    made = {kind: schemas()[f"event/{kind}.json"] for kind in EVENTS}
    return "\n".join([_HEAD, *_envelope(made), *_call(made), *_example(), *_kinds(made)])


def _envelope(made: Mapping[str, Schema]) -> Iterator[str]:
    """Yield the table of the fields around `data`."""
    yield "## Around `data`\n\nA CloudEvent 1.0. `data` is what the sections below say.\n"
    yield from _table(
        (field, kind.replace(".utterance.", ".<kind>."), meaning)
        for field, kind, meaning in _rows(made["utterance"], made["utterance"]["$defs"], leave_out={"data"})
    )
    numbered = " and ".join(f"`{kind}`" for kind, one in made.items() if "sequence" in one["properties"])
    yield f"\nOnly {numbered} have a `sequence`.\n"


def _call(made: Mapping[str, Schema]) -> Iterator[str]:
    definitions = made["utterance"]["$defs"]
    yield f"## `call`\n\n{definitions[_CALL]['description']}\n"
    yield from _table(_rows(definitions[_CALL], definitions, "call."))
    yield ""


def _example() -> Iterator[str]:
    yield "## An utterance, whole\n\n```json"
    whole = examples.of("event/utterance.json")
    data = ",\n".join(f'  "{name}": {json.dumps(part, ensure_ascii=False)}' for name, part in whole.pop("data").items())
    yield f'{json.dumps(whole, indent=1)[:-2]},\n "data": {{\n{data}}}}}'
    yield "```\n"


def _kinds(made: Mapping[str, Schema]) -> Iterator[str]:
    shown: dict[str, str] = {}
    for kind, schema in made.items():
        topic = address(kind).replace("{base}", "emotion").replace("{", "<").replace("}", ">")
        message = outgoing(examples.EVENTS[kind], Topics())
        kept = ", retained" if message.retain else ""
        yield f"## `{kind}`\n\n{schema['description']} On `{topic}`, QoS {message.qos}{kept}.\n"
        data = schema["properties"]["data"]["$ref"].rpartition("/")[2]
        if data in shown:
            yield f"`data` has the fields of [`{shown[data]}`](#{shown[data]}).\n"
            continue
        shown[data] = kind
        yield from _table(_rows(schema["$defs"][data], schema["$defs"]))
        yield ""


Row = tuple[str, str, str]


def _table(rows: Iterator[Row]) -> Iterator[str]:
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    yield from (f"| `{field}` | {kind} | {meaning} |" for field, kind, meaning in rows)


def _rows(
    struct: Schema,
    definitions: Mapping[str, Schema],
    prefix: str = "",
    leave_out: frozenset[str] | set[str] = frozenset(),
) -> Iterator[Row]:
    """Yield the fields of a struct, those of structs inside it below theirs."""
    required = set(struct.get("required", ()))
    for name, field in struct["properties"].items():
        if name in leave_out:
            continue
        inner = _inner(field)
        own = definitions.get(inner, {}) if inner else {}
        meaning = [field.get("description") or own.get("description", "")]
        if name not in required:
            meaning.append(f"May be missing: {_shown(field['default'])}." if "default" in field else "May be missing.")
        is_list = field.get("type") == "array"
        path = f"{prefix}{name}{'[]' if is_list and inner else ''}"
        if inner == _CALL:
            yield path, "object", "[which call](#call)"
        elif "properties" in own:
            yield path, "list of objects" if is_list else "object", " ".join(filter(None, meaning))
            yield from _rows(own, definitions, f"{path}.")
        else:
            yield path, _kind(field, definitions), " ".join(filter(None, meaning))


def _inner(field: Schema) -> str | None:
    """Return the name of the definition that a field refers to, itself or as items of a list."""
    of = field.get("items", field) if field.get("type") == "array" else field
    return of["$ref"].rpartition("/")[2] if "$ref" in of else None


def _kind(field: Schema, definitions: Mapping[str, Schema]) -> str:
    """Return a field's type in words: values that it can have, unit, range."""
    match field:
        case {"anyOf": either}:
            kinds = [_kind(one | {"x-unit": field.get("x-unit")}, definitions) for one in either]
            return " or ".join(kinds)
        case {"$ref": to}:
            words = _kind(definitions[to.rpartition("/")[2]], definitions)
        case {"const": value}:
            words = f"`{value}`"
        case {"enum": values}:
            words = ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": item}:
            words = f"list of: {_kind(item, definitions)}"
        case {"type": "object", "additionalProperties": part}:
            words = f"object: {_kind(part, definitions)} by name"
        case {"type": "null"}:
            words = "null"
        case _:
            words = ", ".join(filter(None, [field["type"], field.get("x-unit"), _range(field)]))
    return words


def _range(field: Schema) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    if least is None:
        return ""
    return f"from {least:g}" if most is None else f"{least:g} to {most:g}"


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON
    return f"then `{json.dumps(value)}`"


def main() -> None:
    """Write the page."""
    (Path(__file__).resolve().parents[2] / PAGE).write_text(page(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
