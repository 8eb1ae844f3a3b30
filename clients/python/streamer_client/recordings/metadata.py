"""What a table says of recorded calls: `--metadata calls.csv`, a row for each call, a column for each thing known.

The table is read as it is or not at all: an unknown column, a time without a zone or a second row for one call is an
error that names line and column, because what is silently dropped here is missed by somebody later. This file must
never read audio.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from streamer_client.errors import OptionError
from streamer_client.recordings.finding import Source

LABEL: Final = "label."
"""A column of this name and a word becomes that label of the call."""
COLUMNS: Final = ("file", "call_id", "started_at", "roles", "notice")
ROLES: Final = ("customer", "agent", "unknown")
_YES_NO: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_SHOWN: Final = 3


class Row(msgspec.Struct, frozen=True):
    """What is known of one call; nothing where the table is silent."""

    call_id: str | None = None
    started_s: float | None = None
    """When it began, seconds since 1970."""
    roles: tuple[str, ...] | None = None
    """Who is heard on each channel."""
    notice: bool | None = None
    """Whether the people heard were told that emotion is inferred."""
    labels: dict[str, str] = {}


NOTHING: Final = Row()


class Table(msgspec.Struct, frozen=True):
    """The rows by the file that they name."""

    path: Path
    rows: dict[str, Row]
    """By the cell `file`, as it stands there."""

    def match(self, sources: Sequence[Source]) -> tuple[list[Row], list[str]]:
        """Return one row for each call, an empty one where the table has none, and what did not fit, in words.

        A cell names a file by its path from the table's folder or from the working folder, or by its bare name where
        only one of the recordings is called so; of a pair either file will do.

        Raises
        ------
        OptionError
            Two rows mean one call, or a bare name fits several recordings.
        """
        places: dict[Path, int] = {path.resolve(): n for n, source in enumerate(sources) for path in source.paths}
        by_name: dict[str, set[int]] = {}
        for path, n in places.items():
            by_name.setdefault(path.name, set()).add(n)
        rows = [NOTHING] * len(sources)
        said: dict[int, str] = {}
        strangers = []
        for cell, row in self.rows.items():
            place = self._place(cell, places, by_name)
            if place is None:
                strangers.append(cell)
            elif place in said:
                raise OptionError(f"{self.path}: {said[place]!r} and {cell!r} are one call; keep one of the rows")
            else:
                rows[place], said[place] = row, cell
        notes = _note(f"{self.path} has rows without a recording", strangers)
        bare = [source.path.name for n, source in enumerate(sources) if n not in said]
        return rows, notes + _note(f"recordings without a row in {self.path}", bare)

    def _place(self, cell: str, places: dict[Path, int], by_name: dict[str, set[int]]) -> int | None:
        for folder in (self.path.parent, Path()):
            place = places.get((folder / cell).resolve())
            if place is not None:
                return place
        if "/" in cell or "\\" in cell:
            return None
        fitting = by_name.get(cell, set())
        if len(fitting) > 1:
            raise OptionError(f"{self.path}: {len(fitting)} recordings are called {cell!r}; write its folder before it")
        return next(iter(fitting), None)


def read_table(path: str | Path) -> Table:
    """Read a CSV, separated by commas or semicolons, in UTF-8, its first line naming the columns.

    Raises
    ------
    OptionError
        It cannot be read, or line and column of what cannot be right.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise OptionError(f"cannot read {path}: {(problem.strerror or str(problem)).lower()}") from problem
    except UnicodeDecodeError as problem:
        raise OptionError(f"{path} is not UTF-8 at byte {problem.start}; save it as CSV UTF-8") from problem
    header, _, _ = text.partition("\n")
    separator = ";" if header.count(";") > header.count(",") else ","
    lines = csv.reader(text.splitlines(), delimiter=separator, strict=True)
    rows: dict[str, Row] = {}
    try:
        columns = [name.strip() for name in next(lines, [])]
        _check(columns, path)
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}, line {lines.line_num}"
            if len(cells) != len(columns):
                raise OptionError(f"{where}: {len(cells)} cells under {len(columns)} columns; check the separators")
            values = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
            file = values.pop("file")
            if not file:
                raise OptionError(f"{where}: the cell 'file' is empty; it says which recording the row is about")
            if file in rows:
                raise OptionError(f"{where}: there is a row for {file!r} already")
            rows[file] = _row(values, where)
    except csv.Error as problem:
        raise OptionError(f"{path}, line {lines.line_num}: {problem}") from problem
    return Table(path, rows)


def _check(columns: list[str], path: Path) -> None:
    if "file" not in columns:
        raise OptionError(
            f"{path} has no column 'file'; its first line names the columns: {', '.join(COLUMNS)}, label.…"
        )
    for name in columns:
        is_label = name.startswith(LABEL) and len(name) > len(LABEL)
        if name not in COLUMNS and not is_label:
            raise OptionError(
                f"{path} has a column {name!r}, which is not known; there is {', '.join(COLUMNS)}. What shall be a "
                f"label of the call is called {LABEL}{name or 'NAME'}; take out what nobody needs"
            )
        if columns.count(name) > 1:
            raise OptionError(f"{path} has two columns {name!r}; keep one")


def _row(values: dict[str, str], where: str) -> Row:
    labels = {name.removeprefix(LABEL): cell for name, cell in values.items() if name.startswith(LABEL) and cell}
    return Row(
        call_id=values.get("call_id") or None,
        started_s=_time(values.get("started_at", ""), where),
        roles=_roles(values.get("roles", ""), where),
        notice=_notice(values.get("notice", ""), where),
        labels=labels,
    )


def _time(cell: str, where: str) -> float | None:
    if not cell:
        return None
    try:
        time = datetime.fromisoformat(cell)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or time.timestamp() < 0:
        raise OptionError(
            f"{where}, started_at: got {cell!r}; give date, time and zone from 1970 on, such as "
            "2026-11-22T10:15:00+01:00 or 2026-11-22T09:15:00Z"
        )
    return time.timestamp()


def _roles(cell: str, where: str) -> tuple[str, ...] | None:
    if not cell:
        return None
    roles = tuple(cell.replace("|", " ").replace(",", " ").split())
    strangers = [role for role in roles if role not in ROLES]
    if strangers or not roles:
        raise OptionError(f"{where}, roles: got {cell!r}; give {', '.join(ROLES)}, one for each channel, by spaces")
    return roles


def _notice(cell: str, where: str) -> bool | None:
    if not cell:
        return None
    if cell.lower() not in _YES_NO:
        raise OptionError(f"{where}, notice: got {cell!r}; give yes or no")
    return _YES_NO[cell.lower()]


def _note(what: str, names: list[str]) -> list[str]:
    """Return one line that names the first few, or none."""
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{what}: {', '.join(names[:_SHOWN])}{more}"]
