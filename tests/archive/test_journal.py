from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import NOTHING, Row
from streamer_client.recordings.progress import Mark

from streamer.archive.analysis import Analysed
from streamer.archive.journal import Journal, JournalError, Print, key
from streamer.archive.ways import Ways


def source(n: int) -> Source:
    return Source((Path(f"/archive/{n}.wav"),), str(n))


def print_(n: int, row: Row = NOTHING) -> Print:
    return Print(Mark(((f"/archive/{n}.wav", n, 0),)), row)


@pytest.fixture
def open_journal(ways: Ways) -> Callable[[Path], Journal]:
    return lambda path: Journal(path, ways, now=lambda: 7.0)


def test_what_is_kept_is_there_when_the_file_is_opened_again(
    tmp_path: Path, open_journal: Callable[[Path], Journal], analysed: Analysed
) -> None:
    with open_journal(tmp_path / "j") as journal:
        assert journal.is_done(source(1), print_(1)) is False
        journal.add(source(1), print_(1), "CA1", analysed)
    with open_journal(tmp_path / "j") as journal:
        assert journal.is_done(source(1), print_(1)) is True
        (entry,) = journal.entries()
        assert (entry.name, entry.done_s, entry.result) == ("CA1", 7.0, analysed)
        assert journal.names() == {key(source(1)): "CA1"}


def test_a_recording_that_changed_takes_the_place_of_what_it_was(
    tmp_path: Path, open_journal: Callable[[Path], Journal], analysed: Analysed
) -> None:
    with open_journal(tmp_path / "j") as journal:
        journal.add(source(1), print_(1), "CA1", analysed)
        for other in (print_(2), print_(1, Row(call_id="x"))):
            assert journal.is_done(source(1), other) is None
        journal.add(source(1), print_(2), "CA1", analysed)
        assert len(journal) == 1
        assert journal.is_done(source(1), print_(2)) is True


def test_two_recordings_never_share_a_name_and_neither_is_lost(
    tmp_path: Path, open_journal: Callable[[Path], Journal], analysed: Analysed
) -> None:
    with open_journal(tmp_path / "j") as journal:
        journal.add(source(1), print_(1), "CA1", analysed)
        with pytest.raises(JournalError, match="UNIQUE"):
            journal.add(source(2), print_(2), "CA1", analysed)
        assert journal.is_done(source(1), print_(1)) is True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_wherever_it_was_killed_each_recording_is_there_once_after_going_on(
    tmp_path_factory: pytest.TempPathFactory,
    open_journal: Callable[[Path], Journal],
    analysed: Analysed,
    data: st.DataObject,
) -> None:
    # Given a journal whose process was killed while it wrote: its log of changes ends anywhere.
    folder = tmp_path_factory.mktemp("journal")
    with open_journal(folder / "j") as journal:
        for n in range(4):
            journal.add(source(n), print_(n), f"CA{n}", analysed)
        shutil.copy(folder / "j", folder / "k")
        log = (folder / "j-wal").read_bytes()
    (folder / "k-wal").write_bytes(log[: data.draw(st.integers(0, len(log)))])
    # When another run goes on
    with open_journal(folder / "k") as journal:
        done = [n for n in range(4) if journal.is_done(source(n), print_(n))]
        # Then what is done is whole and in the order in which it was done
        assert done == list(range(len(done)))
        assert [entry.result for entry in journal.entries()] == [analysed] * len(done)
        for n in range(4):
            if n not in done:
                journal.add(source(n), print_(n), f"CA{n}", analysed)
        # and in the end each is there once
        assert [entry.name for entry in journal.entries()] == ["CA0", "CA1", "CA2", "CA3"]


def test_other_ways_are_told_and_never_mixed_in(
    tmp_path: Path, open_journal: Callable[[Path], Journal], ways: Ways, analysed: Analysed
) -> None:
    with open_journal(tmp_path / "j") as journal:
        journal.add(source(1), print_(1), "CA1", analysed)
    with pytest.raises(JournalError, match=r'model_sha256 was ".*", is "other"; notice was false, is true. Finish it'):
        Journal(tmp_path / "j", msgspec.structs.replace(ways, model_sha256="other", notice=True))
    with open_journal(tmp_path / "j") as journal:
        assert len(journal) == 1


def test_what_is_no_journal_is_refused_and_left_as_it_is(
    tmp_path: Path, open_journal: Callable[[Path], Journal], analysed: Analysed
) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be looked at\n" * 9, encoding="utf-8")
    before = (tmp_path / "text").read_bytes()
    with pytest.raises(JournalError, match="cannot be used as the journal of an archive"):
        open_journal(tmp_path / "text")
    assert (tmp_path / "text").read_bytes() == before
    with pytest.raises(JournalError, match="cannot use"):
        open_journal(tmp_path / "nowhere" / "j")
    with open_journal(tmp_path / "j") as journal:
        journal.add(source(1), print_(1), "CA1", analysed)
    change(tmp_path / "j", "UPDATE recordings SET result = x'00'")
    with open_journal(tmp_path / "j") as journal, pytest.raises(JournalError, match=r"is damaged at /archive/1.wav"):
        list(journal.entries())
    change(tmp_path / "j", "UPDATE ways SET version = 9")
    with pytest.raises(JournalError, match="is of version 9"):
        open_journal(tmp_path / "j")


def change(path: Path, statement: str) -> None:
    database: Any = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()
