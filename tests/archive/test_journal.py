from __future__ import annotations

import os
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


def test_what_is_dropped_is_gone_from_the_file_and_its_name_is_free(
    tmp_path: Path, open_journal: Callable[[Path], Journal], analysed: Analysed
) -> None:
    with open_journal(tmp_path / "j") as journal:
        for n in (1, 2):
            journal.add(source(n), print_(n), f"named-{n}", analysed)
        journal.drop([key(source(1)), "what was never there"])
        assert journal.names() == {key(source(2)): "named-2"}
        journal.add(source(3), print_(3), "named-1x", analysed)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"/archive/1.wav" not in left
    assert b"/archive/2.wav" in left


def test_a_recording_is_gone_when_one_of_its_files_is(
    tmp_path: Path, open_journal: Callable[[Path], Journal], analysed: Analysed
) -> None:
    names = ("agent.wav", "caller.wav", "with a\nbreak.wav")
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.touch()
    pair, single = Source(tuple(paths[:2]), "pair"), Source((paths[2],), "single")
    with open_journal(tmp_path / "j") as journal:
        for one in (pair, single):
            journal.add(one, Print.of(one, NOTHING), one.stem, analysed)
        assert journal.gone() == []
        paths[1].unlink()
        assert journal.gone() == [key(pair)]
    change(tmp_path / "j", "UPDATE recordings SET mark = x'00'")
    with open_journal(tmp_path / "j") as journal, pytest.raises(JournalError, match="is damaged at"):
        journal.gone()


def test_one_run_at_a_time_has_it_and_another_is_told(tmp_path: Path, open_journal: Callable[[Path], Journal]) -> None:
    with open_journal(tmp_path / "j"):
        with pytest.raises(JournalError, match=r"^another run is at work on .*; wait for its end") as caught:
            open_journal(tmp_path / "j")
        assert "\n" not in str(caught.value)
    open_journal(tmp_path / "j").close()
    (tmp_path / "j.lock").write_bytes(b"not a database, but long enough to be looked at" * 40)
    with pytest.raises(JournalError, match=r"cannot use .*j\.lock"):
        open_journal(tmp_path / "j")


def test_its_paths_are_for_its_user_alone(
    tmp_path: Path, open_journal: Callable[[Path], Journal], analysed: Analysed
) -> None:
    before = os.umask(0)
    try:
        with open_journal(tmp_path / "j") as journal:
            journal.add(source(1), print_(1), "CA1", analysed)
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes.keys() >= {"j", "j-wal", "j.lock"}
    assert set(modes.values()) == {0o600}


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
