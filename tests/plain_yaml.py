"""Read the YAML that files of this repository use: mappings, lists, plain and quoted scalars; everything as text.

A reader of our own, as nothing else here needs a library for YAML. It must never guess: what it does not know is an
error, so a file that it reads means the same to every other reader.
"""

from __future__ import annotations

import json
import re
from typing import Any


def read_plain_yaml(text: str) -> dict[str, Any]:
    """Read mappings and lists by indentation."""
    lines = [
        (len(line) - len(line.lstrip()), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]

    def scalar(value: str) -> Any:
        assert value[0] not in "&*!|>{%@`", f"not plain YAML: {value}"
        quoted = value[0] in '["'
        assert quoted or not re.search(r": | #", value), f"not plain YAML: {value}"
        return json.loads(value) if quoted else value

    def block(at: int, indent: int) -> tuple[Any, int]:
        if lines[at][1].startswith("- "):
            items: list[Any] = []
            while at < len(lines) and lines[at][0] == indent and lines[at][1].startswith("- "):
                rest = lines[at][1][2:]
                if re.match(r"[\w-]+:( |$)", rest):
                    lines[at] = (indent + 2, rest)  # a mapping that begins beside its dash
                    item, at = block(at, indent + 2)
                else:
                    item, at = scalar(rest), at + 1
                items.append(item)
            assert at == len(lines) or lines[at][0] < indent, lines[at]
            return items, at
        entries: dict[str, Any] = {}
        while at < len(lines) and lines[at][0] == indent:
            found = re.fullmatch(r"([\w-]+):(?: (.+))?", lines[at][1])
            assert found, f"not plain YAML: {lines[at][1]}"
            assert found[1] not in entries, f"twice: {found[1]}"
            at += 1
            if found[2]:
                entries[found[1]] = scalar(found[2])
            elif at < len(lines) and lines[at][0] > indent:
                entries[found[1]], at = block(at, lines[at][0])
            else:
                entries[found[1]] = None
        assert at == len(lines) or lines[at][0] < indent, f"indented otherwise than its neighbours: {lines[at][1]}"
        return entries, at

    entries, end = block(0, 0)
    assert end == len(lines)
    return dict(entries)
