"""Whether a JSON Schema says of a message what an earlier one said, field by field, and no less.

Who reads a message relies on the schema of then: what comes now must fit it. Who writes one was told by the schema of
then what may be written: all of that must still be taken. Pure. Nothing here may look at an example: it compares words.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Schema = dict[str, Any]

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME: Final = ("pattern", "format")


class Field(NamedTuple):
    """What a schema says of one field."""

    required: bool
    types: frozenset[str]
    values: frozenset[str] | None
    """As JSON; None where any value will do."""
    limits: Schema


def fields(schema: Schema) -> dict[str, Field]:
    """Return every field of a message by its path; of a union, by the title of each of its members."""
    return dict(_walk(schema, schema, "", required=True))


def broken(then: Schema, now: Schema, *, read_by_others: bool) -> list[str]:
    """Return what is no longer as it was, each with the field; empty where only something was added.

    Parameters
    ----------
    then, now
        Of the same message, in an earlier version and in this one.
    read_by_others
        True for what our programs say, False for what they are told.
    """
    old, new = fields(then), fields(now)
    found = [f"{path}: is gone" for path in old if path not in new]
    for path in old.keys() & new.keys():
        outer, inner = (old[path], new[path]) if read_by_others else (new[path], old[path])
        found += [f"{path}: {why}" for why in _outside(outer, inner)]
    if not read_by_others:
        found += [f"{path}: is new, and must be there" for path in new.keys() - old.keys() if new[path].required]
    return sorted(found)


def _outside(outer: Field, inner: Field) -> Iterator[str]:
    """Yield in which ways a value of the inner field may be none of the outer."""
    if outer.required and not inner.required:
        yield "may be missing on one side, and must be there on the other"
    allowed = outer.types | ({"integer"} if "number" in outer.types else frozenset[str]())
    if not inner.types <= allowed:
        yield f"is {sorted(inner.types)} on one side, {sorted(outer.types)} on the other"
    if outer.values is not None and (inner.values is None or not inner.values <= outer.values):
        more = "anything" if inner.values is None else sorted(inner.values - outer.values)
        yield f"may be {more} on one side only"
    for names, wider in ((_LOWER, operator.lt), (_UPPER, operator.gt)):
        for name in names:
            bound = outer.limits.get(name)
            if bound is not None and (name not in inner.limits or wider(inner.limits[name], bound)):
                yield f"has {name} {bound} on one side, {inner.limits.get(name)} on the other"
    for name in _SAME:
        if name in outer.limits and outer.limits[name] != inner.limits.get(name):
            yield f"has another {name}"


def _walk(root: Schema, node: Schema, path: str, *, required: bool) -> Iterator[tuple[str, Field]]:
    node = _resolved(root, node)
    if "oneOf" in node:
        for member in node["oneOf"]:
            of = _resolved(root, member)
            yield from _walk(root, of, f"{path}<{of['title']}>", required=required)
        return
    options = [_resolved(root, option) for option in node.get("anyOf", [node])]
    yield path, _field(options, required=required)
    for option in options:
        for name, part in option.get("properties", {}).items():
            yield from _walk(root, part, f"{path}.{name}", required=name in option.get("required", ()))
        for keyword, mark in (("items", "[]"), ("additionalProperties", "{}"), ("propertyNames", "{name}")):
            if isinstance(option.get(keyword), dict):
                yield from _walk(root, option[keyword], path + mark, required=False)


def _field(options: list[Schema], *, required: bool) -> Field:
    closed = all("const" in option or "enum" in option or option.get("type") == "null" for option in options)
    values = [option.get("enum", [option.get("const")]) for option in options]
    return Field(
        required,
        frozenset(option.get("type", "string" if "enum" in option else "anything") for option in options),
        frozenset(json.dumps(value) for some in values for value in some) if closed else None,
        {name: option[name] for option in options for name in (*_LOWER, *_UPPER, *_SAME) if name in option},
    )


def _resolved(root: Schema, node: Schema) -> Schema:
    if "$ref" not in node:
        return node
    *_, name = node["$ref"].split("/")
    found: Schema = root["$defs"][name]
    return found
