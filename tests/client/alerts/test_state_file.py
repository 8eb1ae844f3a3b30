"""The state's file: found, recognised and locked, or refused in words."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from streamer_client.alerts.state_file import MEMORY, StateError, StateFile


def test_a_new_file_is_for_its_owner_alone_and_survives_the_loss_of_power(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    file = StateFile(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = {name: file.run(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert settings == {"journal_mode": "wal", "synchronous": 2}
    assert file.run("PRAGMA secure_delete").fetchone() == (1,)
    file.close()
    StateFile(path).close()


def test_two_services_cannot_use_one_state(tmp_path: Path) -> None:
    first = StateFile(tmp_path / "alerts.sqlite")
    with pytest.raises(StateError, match=r"another alert service uses the state .*--state and a --name of its own"):
        StateFile(tmp_path / "alerts.sqlite")
    first.close()
    StateFile(tmp_path / "alerts.sqlite").close()


def test_a_person_may_look_into_the_state_of_a_running_service(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "alerts.sqlite")
    with sqlite3.connect(tmp_path / "alerts.sqlite") as tool:
        assert tool.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
    tool.close()
    file.close()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "crm.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE customers (name)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match="is a database of another program"):
        StateFile(path)
    assert path.read_bytes() == before


def test_a_state_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "alerts.sqlite")
    file.run("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(StateError, match="of version 99, this program knows 1; start the newer program"):
        StateFile(tmp_path / "alerts.sqlite")


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and long enough to be seen as none " * 20)
    with pytest.raises(StateError, match=r"notes\.txt cannot be used: file is not a database"):
        StateFile(tmp_path / "notes.txt")
    with pytest.raises(StateError, match=r"the folder of the alert state .* does not exist"):
        StateFile(tmp_path / "nowhere" / "alerts.sqlite")
    with pytest.raises(StateError, match="unable to open database file"):
        StateFile(tmp_path)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "alerts.sqlite")

    def fill() -> None:
        with file.transaction() as run:
            run("INSERT INTO meta VALUES ('a', 'b')")
            run("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StateError, match="cannot be used: no such table"):
        fill()
    assert file.run("SELECT * FROM meta").fetchall() == []
    file.close()


def test_a_state_in_memory_needs_no_file() -> None:
    first, second = StateFile(MEMORY), StateFile(MEMORY)
    first.close()
    second.close()
