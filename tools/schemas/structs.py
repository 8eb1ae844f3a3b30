"""From a msgspec struct to a JSON Schema (2020-12) that stands by itself.

The struct says nearly all: fields, types, defaults, ranges (``msgspec.Meta``), descriptions (docstrings). This file
must never add what a reader of the struct could not see there, but for two things that follow from the names: the unit
of a field that ends in one, and that a constant attribute is one that must be there.

Schemas keep to the keywords that Draft 07 and 2020-12 share, besides ``$defs``: AsyncAPI 3 reads them as the former.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

Schema = dict[str, Any]

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_UNITS: Final = {"_ms": "ms", "_db": "dB", "_dbfs": "dBFS", "_per_s": "1/s"}
_ROLE: Final = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
_FIRST: Final = ("$schema", "$id", "$ref", "title", "description", "type", "const", "enum")
"""Keywords that stand first in an object, in this order; the others keep theirs, ``$defs`` last."""


def schema_of(struct: type[msgspec.Struct], name: str, changes: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a message, with all that it refers to under ``$defs``.

    Parameters
    ----------
    struct
        The message's type, tagged.
    name
        Of the schema: the last part of its ``$id``, like ``event:utterance``.
    changes
        More keywords for some properties of the message, by property.
    """
    return standing_alone([struct], struct, name, changes or {})


def standing_alone(
    structs: Sequence[type[msgspec.Struct]], root: type[msgspec.Struct], name: str, changes: Mapping[str, Schema]
) -> Schema:
    """As :func:`schema_of`, with further structs among the definitions."""
    documented = _documented([root, *structs])
    _, made = msgspec.json.schema_components([root, *structs], ref_template="#/$defs/{name}")
    definitions = {title.lstrip("_"): _tidy(schema, documented.get(title, {})) for title, schema in made.items()}
    definitions = _without_underscores(definitions)
    own = definitions.pop(root.__name__.lstrip("_"))
    for field, keywords in changes.items():
        own["properties"][field] |= keywords
    head = {"$schema": DRAFT, "$id": f"urn:emotion-streamer:schema:{name}:v1"}
    tail = {"$defs": definitions} if definitions else {}
    return ordered(head | own | tail)


def ordered(schema: Schema) -> Schema:
    """Return a schema with its keywords in the order in which a person reads them."""
    first = {key: schema[key] for key in _FIRST if key in schema}
    last = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return first | {key: value for key, value in schema.items() if key not in {*_FIRST, "$defs"}} | last


def plain(docstring: str) -> str:
    """Return the text of a docstring as one paragraph of Markdown."""
    return _ROLE.sub(r"`\1`", " ".join(docstring.split())).replace("``", "`")


def field_descriptions(struct: type) -> dict[str, str]:
    """Return what stands in quotes under the fields of a class and of those that it inherits from."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        if each.__module__ not in {"builtins", "msgspec", "msgspec._core"}:
            found |= _own_descriptions(each)
    return found


def _own_descriptions(each: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        field.target.id: plain(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def _documented(structs: Sequence[type]) -> dict[str, dict[str, str]]:
    """Return the fields' descriptions of some structs and of all that they are made of, by the structs' names."""
    found: dict[str, dict[str, str]] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(struct) for struct in structs]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, msgspec.inspect.StructType) and kind.cls.__name__ not in found:
            found[kind.cls.__name__] = field_descriptions(kind.cls)
            waiting += [field.type for field in kind.fields]
        waiting += parts(kind)
    return found


def parts(kind: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    """Return the types that one is made of, a struct's fields left out."""
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return [inner]
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item):
            return [item]
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return [key, value]
        case msgspec.inspect.UnionType(types=types):
            return list(types)
    return []


def _tidy(schema: Schema, descriptions: Mapping[str, str]) -> Schema:
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    properties: dict[str, Schema] = schema.get("properties", {})
    for name, field in properties.items():
        if len(field.get("enum", ())) == 1:
            field["const"] = field.pop("enum")[0]
            field["type"] = "string"
        if name in descriptions:
            field["description"] = descriptions[name]
        unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
        if unit:
            field["x-unit"] = unit
        if "const" in field and name not in schema["required"]:
            schema["required"] = [key for key in properties if key in {*schema["required"], name}]
            field.pop("default", None)
        properties[name] = ordered(field)
    return ordered(schema)


def _without_underscores(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON in which no definition is private."""
    if isinstance(value, dict):
        return {key: _without_underscores(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_underscores(each) for each in value]
    if isinstance(value, str):
        return value.removeprefix("_") if re.fullmatch(r"_[A-Z]\w*", value) else value.replace("$defs/_", "$defs/")
    return value
