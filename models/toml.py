"""Write plain values as TOML, so that a model's card can be written without another dependency.

Only what cards hold: texts, numbers, booleans, lists of those, and tables. It must never drop a value in silence.
"""

import json
import math
from typing import Any


def to_toml(values: dict[str, Any], header: str = "") -> str:
    """Return a TOML document.

    Parameters
    ----------
    values
        Text keys; plain values come before tables, as TOML wants it.
    header
        One line of comment above the document.

    Raises
    ------
    TypeError
        When a value is of a kind that cards do not hold, such as None.
    """
    lines = [f"# {header}"] if header else []
    lines += _table(values, ())
    return "\n".join(lines) + "\n"


def _table(values: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, value in values.items():
        if isinstance(value, dict):
            inner = (*path, key)
            lines += ["", f"[{'.'.join(_key(part) for part in inner)}]", *_table(value, inner)]
    return lines


def _key(key: str) -> str:
    bare = key.replace("_", "a").replace("-", "a")
    return key if bare.isascii() and bare.isalnum() else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for surrogate pairs, which are not written, and for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(inner) for inner in value)}]"
    raise TypeError(f"a card cannot hold {value!r} of type {type(value).__name__}")
