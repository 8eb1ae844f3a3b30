"""What of an archive is done, in one SQLite file, so that a run that was killed goes on where it was.

A recording's results and the word that it is done are one transaction: whatever happens, they are there once and whole
or not at all. The file is of one way of judging (`Ways`); another model or another setting is refused in words and
never mixed in. One run at a time has it. This file must never hold audio. It does hold the paths of the recordings, as
they are named, and telephone numbers in them: nobody but its user may read it, and what is dropped is overwritten.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Self

import msgspec
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import Row
from streamer_client.recordings.progress import Mark, private

from streamer.archive.analysis import Analysed
from streamer.archive.ways import Ways
from streamer.errors import StreamerError

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS ways (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, said BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS recordings (
    files TEXT PRIMARY KEY,
    mark BLOB NOT NULL,
    name TEXT NOT NULL UNIQUE,
    done_s REAL NOT NULL,
    result BLOB NOT NULL
) WITHOUT ROWID;
"""


class JournalError(StreamerError):
    """The journal cannot be used; the message says why and what to do."""


class Print(msgspec.Struct, frozen=True):
    """What a recording and what is known of it were, when it was analysed; another print is another recording."""

    mark: Mark
    row: Row

    @classmethod
    def of(cls, source: Source, row: Row) -> Self:
        """Look at the files.

        Raises
        ------
        OSError
            One cannot be looked at.
        """
        return cls(Mark.of(source.paths), row)


class Entry(msgspec.Struct, frozen=True):
    """A recording that is done."""

    files: str
    name: str
    """What its call was called before pseudonyms were made; not for reports."""
    done_s: float
    """When, seconds since 1970."""
    result: Analysed


class Journal:
    """The journal of one archive; use it in a `with`.

    Parameters
    ----------
    path
        Made if it is not there, for this user alone. Beside it, `PATH.lock` is held while the journal is open.
    ways
        How this run judges.
    now
        Wall-clock seconds; only said in reports.

    Raises
    ------
    JournalError
        It cannot be used, was made in other ways, or another run has it.
    """

    def __init__(self, path: Path, ways: Ways, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = _locked(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as problem:
            self._lock.close()
            raise JournalError(f"cannot use {path}: {problem}") from problem
        try:
            self._open(ways)
        except sqlite3.Error as problem:
            self.close()
            raise JournalError(
                f"{path} cannot be used as the journal of an archive: {problem}; take it away to begin anew"
            ) from problem
        except JournalError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; another run may have it then."""
        self._db.close()
        self._lock.close()

    def __len__(self) -> int:
        row = self._asked("SELECT count(*) FROM recordings").fetchone()
        return int(row[0])

    def names(self) -> dict[str, str]:
        """Return under which name each recording is done, by its files."""
        return dict(self._asked("SELECT files, name FROM recordings"))

    def is_done(self, source: Source, print_: Print) -> bool | None:
        """Whether a recording is done; None where it was, but has changed since."""
        row = self._asked("SELECT mark FROM recordings WHERE files = ?", key(source)).fetchone()
        if row is None:
            return False
        return True if bytes(row[0]) == _mark(print_) else None

    def add(self, source: Source, print_: Print, name: str, result: Analysed) -> None:
        """Keep a result; one of the same files that is there is replaced. Returns when it is kept."""
        packed = zlib.compress(msgspec.msgpack.encode(result), 6)
        self._asked(
            "INSERT INTO recordings (files, mark, name, done_s, result) VALUES (?, ?, ?, ?, ?) ON CONFLICT (files) "
            "DO UPDATE SET mark = excluded.mark, name = excluded.name, done_s = excluded.done_s, "
            "result = excluded.result",
            key(source),
            _mark(print_),
            name,
            self._now(),
            packed,
        )

    def gone(self) -> list[str]:
        """Return the recordings of which a file is no longer there; where that cannot be told, it is."""
        return [
            files
            for files, mark in self._asked("SELECT files, mark FROM recordings")
            if any(_is_gone(Path(path)) for path, _size, _changed in self._print(files, mark).mark.files)
        ]

    def drop(self, files: Iterable[str]) -> None:
        """Take recordings out, all or none; what was said of them is overwritten when the journal is closed."""
        self._asked("BEGIN IMMEDIATE")
        try:
            for one in files:
                self._asked("DELETE FROM recordings WHERE files = ?", one)
            self._asked("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # some errors, like a full disk, have ended it already
                self._asked("ROLLBACK")
            raise

    def entries(self) -> Iterator[Entry]:
        """Yield what is done, in the order of the files' paths."""
        for files, name, done_s, packed in self._asked(
            "SELECT files, name, done_s, result FROM recordings ORDER BY files"
        ):
            yield Entry(files, name, done_s, self._result(files, packed))

    def result(self, files: str) -> Analysed:
        """Return the result of a recording that is done, by its files as `entries` names them.

        Raises
        ------
        JournalError
            It is not done, or the journal is damaged.
        """
        row = self._asked("SELECT result FROM recordings WHERE files = ?", files).fetchone()
        if row is None:
            raise JournalError(f"{self._path} has no result of {files}")
        return self._result(files, row[0])

    def _result(self, files: str, packed: bytes) -> Analysed:
        try:
            return _results.decode(zlib.decompress(packed))
        except (zlib.error, msgspec.DecodeError) as problem:
            raise JournalError(
                f"{self._path} is damaged at {files}: {problem}; take it away to begin anew"
            ) from problem

    def _print(self, files: str, mark: bytes) -> Print:
        try:
            return _prints.decode(mark)
        except msgspec.DecodeError as problem:
            raise JournalError(
                f"{self._path} is damaged at {files}: {problem}; take it away to begin anew"
            ) from problem

    def _open(self, ways: Ways) -> None:
        self._db.execute("PRAGMA busy_timeout = 5000")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # after a power cut the last few are done again; none is torn
        self._db.execute("PRAGMA secure_delete = ON")  # who is to be forgotten must be gone, not marked as free
        self._db.executescript(_SCHEMA)
        self._db.execute(
            "INSERT OR IGNORE INTO ways (one, version, said) VALUES (1, ?, ?)", (_VERSION, msgspec.json.encode(ways))
        )
        version, said = self._db.execute("SELECT version, said FROM ways").fetchone()
        if version != _VERSION:
            raise JournalError(
                f"{self._path} is of version {version}, this program writes {_VERSION}; choose another folder"
            )
        try:
            before = msgspec.json.decode(said, type=Ways)
        except msgspec.DecodeError as problem:
            raise JournalError(f"{self._path} was made in ways that cannot be read: {problem}") from problem
        if before != ways:
            raise JournalError(
                f"{self._path} was made in other ways, and two kinds of results must not stand side by side: "
                f"{'; '.join(before.differences(ways))}. Finish it as it was begun, or choose another folder"
            )

    def _asked(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as problem:
            raise JournalError(f"{self._path}: {problem}; is its disk full or another run using it?") from problem


_prints = msgspec.json.Decoder(Print)
_results = msgspec.msgpack.Decoder(Analysed)


def key(source: Source) -> str:
    """Return what a recording is known by in the journal."""
    return "\n".join(str(path.resolve()) for path in source.paths)


def _locked(path: Path) -> sqlite3.Connection:
    """Lock a file beside the journal, which stays readable: the kernel frees it when this process ends, however."""
    beside = Path(f"{path}.lock")
    for file in (path, beside):  # made here and not by SQLite, which would let everybody read it
        try:
            os.close(private(file, os.O_RDWR | os.O_CREAT))
        except OSError as problem:
            raise JournalError(f"cannot use {file}: {(problem.strerror or str(problem)).lower()}") from problem
    lock = sqlite3.connect(beside, timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as problem:
        lock.close()
        if "locked" in str(problem):
            raise JournalError(
                f"another run is at work on {path.parent}; wait for its end, then go on with --resume, or choose "
                "another folder"
            ) from problem
        raise JournalError(f"cannot use {beside}: {problem}; take it away") from problem
    return lock


def _is_gone(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # nobody took it away; it may be there again
    return False


def _mark(print_: Print) -> bytes:
    return msgspec.json.encode(print_, order="sorted")
