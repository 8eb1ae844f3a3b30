"""Where the outbox lies: tried by a real transaction, of which nothing is left."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from streamer.bus.outbox import Outbox
from streamer.checks import disk
from streamer.checks.disk import LEAST_FREE_BYTES, SLOW_MS, Disk, bound_bytes, filesystem_of, judge, look
from streamer.checks.outcome import Level
from streamer.config import Settings, load
from streamer.errors import StreamerError


def settings(path: Path, **more: Any) -> Settings:
    return load(None, {}, {"outbox.path": str(path)} | more)


def test_a_folder_that_can_be_written_is_well_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert found.commit_ms > 0
    assert found.free_bytes > 0
    assert list(tmp_path.iterdir()) == []
    (outcome,) = disk.check(settings(tmp_path / "o.sqlite"))
    assert outcome.ok
    assert sqlite3.sqlite_version in outcome.says
    assert list(tmp_path.iterdir()) == []


GOOD = Disk(commit_ms=2, free_bytes=100 * 2**30, filesystem="ext4")


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (GOOD, Level.OK, "100.0 GiB free"),
        (Disk(2, LEAST_FREE_BYTES - 1, "ext4"), Level.WRONG, "make room"),
        (Disk(2, LEAST_FREE_BYTES, "ext4"), Level.WARN, "may grow to"),
        (Disk(2, 100 * 2**30, "nfs4"), Level.WARN, "network share (nfs4)"),
        (Disk(2, 100 * 2**30, "tmpfs"), Level.WARN, "gone when the machine stops"),
        (Disk(2, 100 * 2**30, "overlay"), Level.WARN, "mount a volume"),
        (Disk(SLOW_MS + 1, 100 * 2**30, "xfs"), Level.WARN, "slow disk"),
        (Disk(2, 100 * 2**30, ""), Level.OK, "can be written"),
    ],
)
def test_a_place_is_judged_and_it_is_said_what_to_do(found: Disk, level: Level, words: str) -> None:
    outcome = judge(load(None, {}, {}), found)
    assert outcome.level is level
    assert words in outcome.says


def test_the_bounds_of_the_outbox_say_how_large_it_may_become() -> None:
    few = load(None, {}, {"outbox.max_rows": 10})
    assert bound_bytes(few) == 10 * disk.ROW_BYTES
    small = load(None, {}, {"outbox.max_bytes": 3 * 2**20})
    assert bound_bytes(small) == 4 * 2**20


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreamerError, match=r"outbox\.path: cannot write to .*none: No such file"):
        disk.check(settings(tmp_path / "none" / "o.sqlite"))


def test_a_database_that_does_not_work_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(disk.sqlite3, "connect", full)
    with pytest.raises(StreamerError, match="disk is full"):
        look(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_an_outbox_that_is_in_use_is_well(tmp_path: Path, metrics: Any) -> None:
    path = tmp_path / "o.sqlite"
    outbox = await Outbox.open(path, metrics=metrics)
    try:
        (outcome,) = disk.check(settings(path))
        assert outcome.ok
    finally:
        await outbox.close()


def test_an_empty_file_will_become_one(tmp_path: Path) -> None:
    (tmp_path / "o.sqlite").touch()
    assert disk.check(settings(tmp_path / "o.sqlite"))[0].ok


def test_what_is_no_database_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "o.sqlite").write_bytes(b"dear diary, today")
    with pytest.raises(StreamerError, match="is no SQLite database, or a damaged one; move it away"):
        disk.check(settings(tmp_path / "o.sqlite"))


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StreamerError, match=r"outbox\.path: cannot read"):
        disk.check(settings(tmp_path))


MOUNTS = """\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:35 / /var rw - xfs /dev/vdb rw
41 40 0:36 / /var/lib/my\\040data rw master:2 - nfs4 server:/x rw
42 40 0:37 / /var/lib/my\\040data rw - tmpfs tmpfs rw
nonsense
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/home/streamer", "ext4"),
        ("/var", "xfs"),
        ("/variable", "ext4"),
        ("/var/lib", "xfs"),
        ("/var/lib/my data/outbox", "tmpfs"),
    ],
)
def test_a_folder_is_on_the_deepest_mount_that_holds_it_and_the_last_of_several(folder: str, kind: str) -> None:
    assert filesystem_of(PurePosixPath(folder), MOUNTS) == kind


def test_a_system_without_mountinfo_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(disk, "_MOUNTS", tmp_path / "none")
    assert disk.filesystem(tmp_path) == ""


def test_the_room_that_is_left_is_the_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(3, 2, 1))
    assert look(tmp_path).free_bytes == 1
