"""What a replay of many recordings has done, in a file, so that it can go on after an interruption.

One line of JSON for each call that reached its end, written and synced before the next one begins; a line that was cut
off by a crash is that call's not having been done. This file must never say of a call that it is done before the
server has said so.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec

from streamer_client.errors import OptionError

_BEGINNING: Final = b'{"type":"replay"'
"""How such a file begins; nothing else is ever changed."""


def private(path: str | Path, flags: int) -> int:
    """Open a file, as `open` wants it of an opener; where it is made, for this user alone from its first byte."""
    return os.open(path, flags, 0o600)


class Mark(msgspec.Struct, frozen=True):
    """How files are told from others, and from what they were before."""

    files: tuple[tuple[str, int, int], ...]
    """Path, size in bytes, and time of the last change in ns, of each file of a call."""

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Self:
        """Look at the files.

        Raises
        ------
        OSError
            One of them cannot be looked at.
        """
        return cls(tuple((str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths))


class _Target(msgspec.Struct, frozen=True, tag="replay"):
    to: str
    dialect: str


class _Done(msgspec.Struct, frozen=True, tag="done"):
    call_id: str
    mark: Mark


_lines: msgspec.json.Decoder[_Target | _Done] = msgspec.json.Decoder(_Target | _Done)


class Progress:
    """The file of one replay, from its opening to `close`; use it in a `with`.

    Parameters
    ----------
    path : path
        Made if it is not there, for this user alone: paths may hold telephone numbers.
    to, dialect : str
        Where the calls go, and how; one file is for one such target.

    Raises
    ------
    OptionError
        The file cannot be used, is no such file, or is of another target.
    """

    def __init__(self, path: str | Path, *, to: str, dialect: str) -> None:
        self._path = Path(path)
        self._done: dict[Mark, str] = {}
        try:
            self._file: BinaryIO = open(self._path, "a+b", opener=private)  # noqa: SIM115 - closed by `close`
            self._file.seek(0)
            content = self._file.read()
        except OSError as problem:
            raise OptionError(
                f"cannot use {path} to resume from: {(problem.strerror or str(problem)).lower()}"
            ) from None
        try:
            self._go_on(content, _Target(to, dialect))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def done(self, mark: Mark) -> str | None:
        """Return the id under which a call was done; None if it was not, or its files have changed since."""
        return self._done.get(mark)

    def add(self, mark: Mark, call_id: str) -> None:
        """Take note that a call reached its end; returns when that is on disk."""
        self._write(_Done(call_id, mark))
        self._done[mark] = call_id

    def close(self) -> None:
        """Close the file; a second time changes nothing."""
        self._file.close()

    def _go_on(self, content: bytes, target: _Target) -> None:
        if not (content.startswith(_BEGINNING) or _BEGINNING.startswith(content)):
            raise OptionError(
                f"{self._path} is no file to resume a replay from; name another, or one that is not there"
            )
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            self._file.truncate(len(whole))
        for number, line in enumerate(whole.splitlines()):
            try:
                entry = _lines.decode(line)
            except msgspec.DecodeError as problem:
                raise OptionError(
                    f"{self._path}, line {number + 1}: this does not belong there; name another file"
                ) from problem
            if isinstance(entry, _Done):
                self._done[entry.mark] = entry.call_id
            elif entry != target:
                raise OptionError(
                    f"{self._path} is of a replay to {entry.to} as {entry.dialect}, this one goes to {target.to} as "
                    f"{target.dialect}; name another file"
                )
        if not whole:
            self._write(target)

    def _write(self, entry: _Target | _Done) -> None:
        self._file.write(msgspec.json.encode(entry) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
