"""The outbox's file as SQLite sees it: what is ours and what is not, and every trouble in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.bus.database import (
    APPLICATION_ID,
    MEMORY,
    SCHEMA_VERSION,
    Database,
    DiskError,
    OutboxBusyError,
    OutboxDamagedError,
    OutboxError,
    code_behind,
    code_of,
    explain,
    is_outbox,
    known,
    log_of,
)
from tests.bus.broken_disks import no_rights_to


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    made = Database(path)
    yield made
    made.close()


VALUE = "INSERT INTO meta (key, value) VALUES ('a', 'b')"


def test_a_second_server_on_the_same_file_is_refused_in_words(database: Database, path: Path) -> None:
    with pytest.raises(OutboxBusyError, match="another running server uses it"):
        Database(path)
    database.run(VALUE)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    content = b"minutes of the meeting\n" * 200
    path.write_bytes(content)
    with pytest.raises(OutboxError, match="not an SQLite database; nothing was changed"):
        Database(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customers (name TEXT)")
    other.commit()
    other.close()
    content = path.read_bytes()
    with pytest.raises(OutboxError, match="database of another program; nothing was changed"):
        Database(path)
    assert path.read_bytes() == content


def test_an_outbox_of_a_newer_version_is_refused(path: Path) -> None:
    Database(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(OutboxError, match=f"schema version {SCHEMA_VERSION + 1}"):
        Database(path)


def test_a_damaged_outbox_is_known_for_ours_and_refused(path: Path) -> None:
    Database(path).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(OutboxDamagedError, match="damaged"):
        Database(path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match=r"the folder .*missing does not exist"):
        Database(tmp_path / "missing" / "o.sqlite")


def test_a_path_that_is_a_folder_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="it cannot be opened"):
        Database(tmp_path)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_READONLY, "cannot be written"),
        (sqlite3.SQLITE_READONLY | 1 << 8, "cannot be written"),
        (sqlite3.SQLITE_IOERR, "disk does not answer"),
        (sqlite3.SQLITE_PERM, "may not be used"),
        (sqlite3.SQLITE_MISUSE, "SQLite refuses"),
    ],
)
def test_what_sqlite_says_is_explained(code: int, advice: str) -> None:
    problem = sqlite3.OperationalError("as it says")
    problem.sqlite_errorcode = code
    told = str(explain(problem, Path("o.sqlite")))
    assert advice in told
    assert "o.sqlite" in told
    assert "as it says" in told


def test_every_commit_reaches_the_disk_before_it_is_said_to_be_done(database: Database) -> None:
    (synchronous,) = database.run("PRAGMA synchronous").fetchone()
    (journal,) = database.run("PRAGMA journal_mode").fetchone()
    (application,) = database.run("PRAGMA application_id").fetchone()
    assert (synchronous, journal, application) == (2, "wal", APPLICATION_ID)


def test_errors_are_of_the_kind_that_says_what_can_be_done() -> None:
    for code, kind in (
        (sqlite3.SQLITE_FULL, DiskError),
        (sqlite3.SQLITE_CORRUPT | 1 << 8, OutboxDamagedError),
        (sqlite3.SQLITE_BUSY, OutboxBusyError),
        (sqlite3.SQLITE_NOTADB, OutboxError),
    ):
        problem = sqlite3.OperationalError("as it says")
        problem.sqlite_errorcode = code
        assert type(explain(problem, Path("o.sqlite"))) is kind
        assert code_of(problem) == code & 0xFF
    assert code_of(ValueError()) == 0


def test_where_a_log_may_not_be_written_it_is_the_rights_that_are_named(path: Path) -> None:
    Database(path).close()
    with no_rights_to(path), pytest.raises(DiskError, match="it cannot be written; check the rights"):
        Database(path)


def test_nobody_else_may_read_the_file(database: Database, path: Path) -> None:
    database.run(VALUE)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_header_says_whose_file_it_is_even_after_a_crash_at_once(database: Database, path: Path) -> None:
    assert is_outbox(path)
    database.close()
    other = path.with_name("other.sqlite")
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    assert not is_outbox(other)


def test_an_empty_file_whose_log_is_not_empty_is_damage_and_the_log_is_left(path: Path) -> None:
    path.touch()
    log_of(path).write_bytes(b"the only copy")
    with pytest.raises(OutboxDamagedError, match="the file is empty, but its log is not"):
        Database(path)
    assert log_of(path).read_bytes() == b"the only copy"


def test_an_outbox_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    first = sqlite3.connect(path)
    first.executescript(
        f"""
        CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL,
            call_key TEXT NOT NULL, kind TEXT NOT NULL, rank INTEGER NOT NULL, stored_s REAL NOT NULL,
            message BLOB NOT NULL, UNIQUE (topic, id)) STRICT;
        CREATE INDEX outbox_by_rank ON outbox (rank, seq);
        CREATE INDEX outbox_by_age ON outbox (rank, stored_s);
        CREATE INDEX outbox_by_call ON outbox (call_key);
        CREATE TABLE live (topic TEXT PRIMARY KEY, call_key TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL)
            STRICT;
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = 1;
        INSERT INTO outbox VALUES (5, 'p', 't', 'c', 'partial', 0, 1.0, x'00'), (6, 'u', 't', 'c', 'utterance', 1, 1.0,
            x'0000'), (7, 'e', 't', 'c', 'ended', 1, 1.0, x'000000'), (8, 'x', 't', 'c', 'alert', 2, 1.0, x'00000000');
    """  # noqa: S608 - no outside text
    )
    first.close()
    database = Database(path)
    rows = database.run("SELECT kind, rank, bytes FROM outbox ORDER BY seq").fetchall()
    assert rows == [("partial", 0, 1), ("utterance", 1, 2), ("ended", 2, 3), ("alert", 3, 4)]
    assert database.run("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    database.close()
    again = Database(path)
    again.close()


def test_a_file_that_is_moved_or_deleted_is_noticed(database: Database, path: Path) -> None:
    assert not database.moved()
    path.rename(path.with_name("elsewhere"))
    assert database.moved()
    path.touch()
    assert database.moved()


def test_one_in_memory_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database(MEMORY)
    database.run(VALUE)
    assert not database.moved()
    database.close()
    assert list(tmp_path.iterdir()) == []


def test_removing_leaves_nothing_of_ours_and_nothing_of_a_successors(database: Database, path: Path) -> None:
    database.run(VALUE)
    database.run("PRAGMA journal_mode = DELETE")  # as `remove` does first; then, in between, another process:
    path.unlink()
    successor = Database(path)
    successor.run(VALUE)
    database.remove()
    assert successor.run("SELECT count(*) FROM meta").fetchone() == (1,)
    assert log_of(path).exists()
    successor.remove()
    assert list(path.parent.iterdir()) == []


def test_one_that_opens_what_is_being_removed_is_told_to_start_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Database(path).close()
    connect = sqlite3.connect

    def removed_meanwhile(*given: object, **more: object) -> sqlite3.Connection:
        connection = connect(*given, **more)  # type: ignore[call-overload]
        connection.execute("SELECT * FROM sqlite_schema").fetchall()
        path.unlink()
        return connection

    monkeypatch.setattr(sqlite3, "connect", removed_meanwhile)
    with pytest.raises(OutboxBusyError, match="start again"):
        Database(path)


def test_of_a_file_that_is_known_to_be_ours_no_database_means_damage(path: Path) -> None:
    problem = sqlite3.DatabaseError("file is not a database")
    problem.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    found = known(problem, path)
    assert isinstance(found, OutboxDamagedError)
    assert str(found) == f"outbox {path}: it is damaged (file is not a database)"
    full = sqlite3.OperationalError("full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert isinstance(known(full, path), DiskError)
    other = ZeroDivisionError("a fault")
    assert known(other, path) is other


def test_the_code_behind_an_error_of_ours_is_that_of_its_cause(path: Path) -> None:
    path.write_bytes(b"minutes of the meeting\n" * 200)
    with pytest.raises(OutboxError) as raised:
        Database(path)
    assert code_behind(raised.value) == sqlite3.SQLITE_NOTADB
    assert code_behind(OutboxError("without one")) == 0
