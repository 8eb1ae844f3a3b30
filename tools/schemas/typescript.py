"""The events as TypeScript types, and as a table by which a page checks what it has read.

Both are made from the structs that the Python client reads by, so the two clients take and refuse the same messages.
Types are as narrow as the contract; the table is as lenient as the Python client's reading: it holds a value to its
type and to closed enumerations, not to ranges or to names that may become more.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from msgspec import inspect
from streamer_client.events import EMOTIONS, ROLES

from tools.schemas.messages import EVENTS
from tools.schemas.structs import field_descriptions, parts, plain

_NAMED: Final = {"Role": ROLES, "EmotionName": EMOTIONS}
"""Enumerations that have a name of their own."""
_SHAPES: Final = """\
/** What a value must be; see `STRUCTS`. */
export type Shape =
  | "string"
  | "integer"
  | "number"
  | "boolean"
  | "null"
  | { readonly struct: StructName }
  | { readonly oneOf: readonly string[] }
  | { readonly map: Shape }
  | { readonly list: Shape }
  | { readonly any: readonly Shape[] };

/** A field: what it must be, and what stands for it where it is missing. Without `otherwise` it must be there. */
export interface Field {
  readonly is: Shape;
  readonly otherwise?: unknown;
}
"""


def module() -> str:
    """Return the text of the module, without its head."""
    structs = _structs()
    names = [f"export type {name} = {_union(values)};\n" for name, values in _NAMED.items()]
    events = " | ".join(struct.__name__ for struct in EVENTS.values())
    kinds = {kind: str(struct.__struct_config__.tag) for kind, struct in EVENTS.items()}
    table = json.dumps({struct.cls.__name__: _fields(struct) for struct in structs}, indent=2)
    homes = json.dumps([[kinds[kind], struct.__name__] for kind, struct in EVENTS.items()], indent=2)
    texts = [
        "",
        *names,
        *map(_interface, structs),
        f"/** Any event on the bus; `type` says which. */\nexport type EmotionEvent = {events};\n",
        f"/** The `type` of each kind of event. */\nexport const TYPES = {json.dumps(kinds, indent=2)} as const;\n",
        "/** A kind of event, as `subscribe` takes it. */\nexport type Kind = keyof typeof TYPES;\n",
        _SHAPES,
        f"export type StructName = {_union([struct.cls.__name__ for struct in structs])};\n",
        "/** Every part of the events, field by field. */",
        f"export const STRUCTS: Readonly<Record<StructName, Readonly<Record<string, Field>>>> = {table};\n",
        "/** Which of them an event is. */",
        f"export const EVENTS: ReadonlyMap<string, StructName> = new Map<string, StructName>({homes});",
        "",
    ]
    return "\n".join(texts)


def _structs() -> list[inspect.StructType]:
    """Return every struct that an event is made of, parts before what is made of them."""
    found: dict[str, inspect.StructType] = {}

    def take(kind: inspect.Type) -> None:
        if isinstance(kind, inspect.StructType):
            for field in kind.fields:
                take(field.type)
            found.setdefault(kind.cls.__name__, kind)
        for part in parts(kind):
            take(part)

    for struct in EVENTS.values():
        take(inspect.type_info(struct))
    return list(found.values())


def _interface(struct: inspect.StructType) -> str:
    described = field_descriptions(struct.cls)
    lines = [f"/** {plain(struct.cls.__doc__ or '')} */", f"export interface {struct.cls.__name__} {{"]
    if struct.tag is not None:
        lines.append(f'  readonly type: "{struct.tag}";')
    for field in struct.fields:
        if field.name in described:
            lines.append(f"  /** {described[field.name]} */")
        lines.append(f"  readonly {field.encode_name}: {_typescript(field.type)};")
    return "\n".join([*lines, "}", ""])


def _typescript(kind: inspect.Type) -> str:  # noqa: PLR0911 - one case for each type, in one place
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            values = (extra or {}).get("enum")
            if values:
                return next((name for name, known in _NAMED.items() if list(known) == values), _union(values))
            constant = (extra or {}).get("const")
            return json.dumps(constant) if constant else _typescript(inner)
        case inspect.StructType(cls=cls):
            return cls.__name__
        case inspect.EnumType(cls=cls):
            return _union([str(member.value) for member in cls])
        case inspect.LiteralType(values=values):
            return _union(values)
        case inspect.DictType(key_type=key, value_type=value):
            named = _typescript(key)
            record = f"Record<{named}, {_typescript(value)}>"
            return f"Readonly<{record}>" if named == "string" else f"Readonly<Partial<{record}>>"
        case inspect.VarTupleType(item_type=item):
            return f"readonly {_typescript(item)}[]"
        case inspect.UnionType(types=types):
            return " | ".join(_typescript(each) for each in types)
    return {"string": "string", "boolean": "boolean", "null": "null"}.get(str(_shape(kind)), "number")


def _fields(struct: inspect.StructType) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for field in struct.fields:
        fields[field.encode_name] = {"is": _shape(field.type)}
        if field.default is not msgspec.NODEFAULT:
            fields[field.encode_name]["otherwise"] = field.default
        elif field.default_factory is not msgspec.NODEFAULT:
            fields[field.encode_name]["otherwise"] = field.default_factory()
    return fields


def _shape(kind: inspect.Type) -> Any:  # noqa: ANN401, C901, PLR0911 - one case for each type, in one place
    match kind:
        case inspect.Metadata(type=inner):
            return _shape(inner)
        case inspect.StructType(cls=cls):
            return {"struct": cls.__name__}
        case inspect.EnumType(cls=cls):
            return {"oneOf": [str(member.value) for member in cls]}
        case inspect.LiteralType(values=values):
            return {"oneOf": list(values)}
        case inspect.DictType(value_type=value):
            return {"map": _shape(value)}
        case inspect.VarTupleType(item_type=item):
            return {"list": _shape(item)}
        case inspect.UnionType(types=types):
            return {"any": [_shape(each) for each in types]}
        case inspect.StrType():
            return "string"
        case inspect.IntType():
            return "integer"
        case inspect.FloatType():
            return "number"
        case inspect.BoolType():
            return "boolean"
        case inspect.NoneType():
            return "null"
    raise TypeError(f"got {kind}, which no event had so far; say here what it is in TypeScript")


def _union(values: Any) -> str:  # noqa: ANN401 - any sequence of texts
    return " | ".join(json.dumps(value) for value in values)
