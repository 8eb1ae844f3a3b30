"""Where in a TOML text a table's key stands, and how a key that cannot be right is told.

TOML's own reader forgets lines, and a person who looks for a wrong key wants one. Shared by rules and outputs, which
stand in one file. This file must never know what a key means.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from streamer_client.alerts.masking import masked
from streamer_client.errors import RuleError

T = TypeVar("T", bound=msgspec.Struct)
KINDS = ("rule", "output")
"""What the tables of a rules file may be called."""


class KeyProblem(Exception):  # noqa: N818 - becomes a RuleError as soon as file and line are known
    """A key that cannot be right.

    Attributes
    ----------
    key : str
        The key's name in its table.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Lines:
    """Where the keys of the tables of one name stand.

    Parameters
    ----------
    text : str
        The whole TOML text.
    head : str
        Name of the tables: ``rule`` for ``[[rule]]``.
    """

    def __init__(self, text: str, head: str) -> None:
        self._lines = masked(text).split("\n")
        self._starts = [n for n, line in enumerate(self._lines) if re.match(r"\s*\[", line)]
        self._heads = [n for n in self._starts if re.match(rf"\s*\[\[\s*{head}\s*\]\]", self._lines[n])]

    def of(self, number: int, key: str) -> int | None:
        """Return the line, from 1, of a key of the table with that number, from 0; of its head where there is none."""
        if number >= len(self._heads):
            return None
        head = self._heads[number]
        end = next((start for start in self._starts if start > head), len(self._lines))
        for line in range(head + 1, end):
            if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", self._lines[line]):
                return line + 1
        # A table in a table has a head of its own, somewhere before the next [[...]].
        after = next((start for start in self._starts if start > head and "[[" in self._lines[start]), len(self._lines))
        for line in range(head + 1, after):
            if re.match(rf"\s*\[\s*\w+\s*\.\s*{re.escape(key)}\s*[].]", self._lines[line]):
                return line + 1
        return head + 1


def read_text(path: str | Path, what: str) -> str:
    """Return the text of a file; `what` is what messages say it holds.

    Raises
    ------
    RuleError
        The file cannot be read, or is no UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise RuleError(f"cannot read the {what} in {path}: {problem.strerror}; check the name") from problem
    except UnicodeDecodeError as problem:
        raise RuleError(f"the {what} in {path} are no UTF-8 text; save them as UTF-8") from problem


def tables(text: str, name: str, kind: str) -> list[Any]:
    """Return the tables ``[[kind]]`` of a rules file; `name` is what messages call it.

    Raises
    ------
    RuleError
        It is no TOML, or holds something else than rules and outputs.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        words = str(problem).replace("at end of document", f"at line {text.rstrip().count(chr(10)) + 1}, the last one")
        raise RuleError(f"{name} is no TOML: {words}") from problem
    strangers = [key for key in document if key not in KINDS]
    if strangers:
        where = f", line {line}" if (line := _line_at_top(text, strangers[0])) else ""
        raise RuleError(f"{name}{where}: unknown key {strangers[0]!r} at the top; each rule begins with [[rule]]")
    found = document.get(kind, [])
    if not isinstance(found, list):
        where = f", line {line}" if (line := _line_at_top(text, kind)) else ""
        raise RuleError(f"{name}{where}: holds no {kind}; each begins with [[{kind}]]")
    return found


def _line_at_top(text: str, key: str) -> int | None:
    for number, line in enumerate(masked(text).split("\n"), 1):
        if re.match(rf"\s*\[*\s*[\"']?{re.escape(key)}\b", line):
            return number
    return None


def located(problem: KeyProblem, name: str, label: str, line: int | None) -> RuleError:
    """Return what is wrong with a key, with all that a person needs to find it."""
    where = f", line {line}" if line else ""
    return RuleError(f"{name}: {label}, key {problem.key!r}{where}: {problem}")


def convert(table: Any, kind: type[T], label: str, choices: dict[str, tuple[str, ...]]) -> T:  # noqa: ANN401
    """Return a table as a struct.

    Parameters
    ----------
    table : object
        What the TOML says.
    kind : type
        A struct that forbids unknown fields.
    label : str
        What messages call such a table: ``rule``.
    choices : dict
        By key: the texts that it may have.

    Raises
    ------
    KeyProblem
        An unknown or a missing key, or one of the wrong type.
    """
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as problem:
        words = str(problem)
        found = re.search(r"at `\$\.(\w+)|field `(\w+)`", words)
        key = (found[1] or found[2]) if found else label
        if "unknown field" in words:
            names = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
            words = f"there is no such key; choose from {names}"
        elif "missing required field" in words:
            words = f"is missing, every {label} needs it"
        elif key in choices:
            words = f"got {table[key]!r}; choose from {', '.join(choices[key])}"
        else:
            words = words.partition(" - at")[0].replace("`", "").replace("str", "text").replace("array", "list")
        raise KeyProblem(key, words) from problem
