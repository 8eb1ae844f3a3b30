"""A report in a folder: a page for each call, a first page, three tables, and every event.

Made anew from the journal each time, in files that appear whole or not at all, so that a run that is killed while it
writes leaves nothing half. One call is held in memory at a time. This file must never write outside its folder (what a
call is called is not what its file is called), and never delete a file that is not a page of ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TextIO

from streamer_client.events import encode

from streamer.archive import tables
from streamer.archive.call_page import call_page
from streamer.archive.html import OURS
from streamer.archive.index_page import index_page, line_of
from streamer.archive.results import CallResult
from streamer.archive.ways import Ways
from streamer.errors import StreamerError

_PLAIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class ReportError(StreamerError):
    """The report cannot be written; the message says why."""


def write_report(folder: Path, results: Iterable[CallResult], ways: Ways, *, failed: int) -> int:
    """Write everything, delete the pages of calls that are no longer there; return how many calls there are.

    Parameters
    ----------
    folder
        Made if it is not there, for this user alone.
    results
        In the order of the pages and tables.
    ways
        How they were judged.
    failed
        Recordings that could not be analysed.

    Raises
    ------
    ReportError
        The folder cannot be written.
    """
    try:
        make_folder(folder)
        (folder / "calls").mkdir(exist_ok=True)
        with ExitStack() as stack:
            utterances, calls, alerts = (
                tables.Table(stack.enter_context(_whole(folder / f"{name}.csv")), columns)
                for name, columns in (
                    ("utterances", tables.UTTERANCES),
                    ("calls", tables.CALLS),
                    ("alerts", tables.ALERTS),
                )
            )
            events = stack.enter_context(_whole(folder / "events.jsonl"))
            lines = []
            for result in results:
                utterances.add(tables.utterance_rows(result))
                calls.add(tables.call_rows(result))
                alerts.add(tables.alert_rows(result))
                events.writelines(encode(event).decode() + "\n" for event in result.events)
                name = page_name(result.call_id)
                with _whole(folder / "calls" / name) as file:
                    file.write(call_page(result, ways))
                lines.append(line_of(result, name))
            stack.enter_context(_whole(folder / "index.html")).write(index_page(lines, ways, failed=failed))
        _tidy(folder / "calls", {line.page for line in lines})
    except OSError as problem:
        raise ReportError(f"cannot write the report to {folder}: {problem.strerror or problem}") from problem
    return len(lines)


def make_folder(folder: Path) -> None:
    """Make the folder of a report, for this user alone; one that is there stays as it is.

    Raises
    ------
    OSError
        It cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def page_name(call_id: str) -> str:
    """Return the file of a call's page: its id where that is a plain name, else what is plain of it and a digest."""
    if _PLAIN.fullmatch(call_id):
        return f"{call_id}.html"
    plain = re.sub(r"[^a-z0-9]+", "-", call_id.lower()).strip("-")[:40]
    return f"{plain or 'call'}--{hashlib.sha256(call_id.encode()).hexdigest()[:12]}.html"


def _tidy(folder: Path, written: set[str]) -> None:
    """Delete our pages that this run did not write: of calls that are known otherwise now, or are to be forgotten."""
    ours = OURS.encode()
    for pattern in ("*.html", ".*.html.new"):  # the latter were left by a run that was killed
        for path in folder.glob(pattern):
            if path.name in written or path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                is_ours = file.read(len(ours)) == ours
            if is_ours:
                path.unlink()


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """Give a file to write that takes its place only when all is written."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8", newline="") as file:
        yield file
    beside.replace(path)
