"""Which outbox a worker gets: the first that nobody has."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from streamer.bus.orphans import orphans_of
from streamer.workers.files import free_place, of_place, places_beside

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA locking_mode = EXCLUSIVE")
database.execute("PRAGMA journal_mode = WAL")
database.execute("CREATE TABLE t (x)")
print("held", flush=True)
sys.stdin.read()
"""


def test_places_are_files_beside_the_outbox_that_a_later_node_recognises(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    assert of_place(str(path), 2) == str(tmp_path / "outbox-w2.sqlite")
    Path(of_place(str(path), 2)).touch()
    assert orphans_of(path) == [tmp_path / "outbox-w2.sqlite"]
    assert places_beside(str(path)) == {2}


def test_the_first_place_that_no_worker_has_is_free(tmp_path: Path) -> None:
    path = str(tmp_path / "outbox.sqlite")
    assert free_place(path, ()) == 1
    assert free_place(path, {1, 2, 4}) == 3


def test_a_file_that_nobody_has_open_is_free(tmp_path: Path) -> None:
    path = str(tmp_path / "outbox.sqlite")
    database = sqlite3.connect(of_place(path, 1))
    database.execute("CREATE TABLE t (x)")
    database.close()
    assert free_place(path, ()) == 1


def test_a_file_that_a_worker_of_a_killed_supervisor_still_has_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "outbox.sqlite")
    command = [sys.executable, "-c", HOLD, of_place(path, 1)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert free_place(path, ()) == 2
        holder.communicate()
    assert free_place(path, ()) == 1
