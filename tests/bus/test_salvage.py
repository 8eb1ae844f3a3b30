"""A damaged outbox: nothing of it is deleted, and all of it that can be read is found."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.salvage import Salvaged, Wreck, set_aside, take_over
from streamer.bus.store import Record, Store
from tests.bus.broken_disks import damage, pages, without_syncs

NOW_S = 1_800_000_000.0


def message(name: str, kind: Kind = Kind.UTTERANCE) -> Outgoing:
    return Outgoing(id=name, kind=kind, topic=f"calls/{kind}", payload=name.encode() + bytes(500), call_key="c")


def outbox(path: Path, count: int) -> list[Record]:
    """Make one and return what is in it."""
    store = Store(path, 10_000, 1e12)
    without_syncs(store)
    store.put([message("s", Kind.STATE), *(message(str(n)) for n in range(count))], NOW_S)
    store.remove([3, 4])
    store.set_meta("salt", "s")
    records = store.records(0, 10_000)
    store.close()
    return records


def test_a_file_and_its_log_get_a_name_that_says_when(tmp_path: Path) -> None:
    path, log = tmp_path / "o.sqlite", tmp_path / "o.sqlite-wal"
    for n, name in enumerate(("o.sqlite.damaged-20270115T080000Z", "o.sqlite.damaged-20270115T080000Z-1")):
        path.write_text(f"file {n}")
        log.write_text(f"log {n}")
        aside = set_aside(path, NOW_S)
        assert aside == tmp_path / name
        assert aside.read_text() == f"file {n}"
        assert (tmp_path / f"{name}-wal").read_text() == f"log {n}"
        assert not path.exists()
        assert not log.exists()
    path.write_text("without a log")
    assert set_aside(path, NOW_S).read_text() == "without a log"


def test_what_cannot_be_set_aside_is_still_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        set_aside(tmp_path / "missing", NOW_S)


def test_of_a_whole_file_everything_is_found(tmp_path: Path) -> None:
    records = outbox(tmp_path / "o.sqlite", 50)
    with contextlib.closing(Wreck(tmp_path / "o.sqlite")) as wreck:
        assert list(wreck.records()) == records
        assert wreck.depth() == len(records)
        assert [live.topic for live in wreck.lives()] == ["calls/state"]
        assert wreck.metas() == {"salt": "s"}


@settings(max_examples=12)
@given(st.data())
def test_wherever_the_damage_is_what_is_found_is_as_it_was_and_little_is_missing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("wreck") / "o.sqlite"
    records = outbox(path, 200)
    broken = data.draw(st.sets(st.integers(2, pages(path)), min_size=1, max_size=3))
    for page in broken:
        damage(path, page)
    with contextlib.closing(Wreck(path)) as wreck:
        found = list(wreck.records())
    numbers = {record.seq: record for record in records}
    assert [record.seq for record in found] == sorted(record.seq for record in found)
    assert all(numbers[record.seq] == record for record in found)
    # A leaf of 4096 bytes has no more than seven of these rows; the root of the table has them all.
    assert not found or len(records) - len(found) <= 7 * len(broken)


def test_a_row_whose_columns_and_message_disagree_is_not_taken_for_whole(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    outbox(path, 6)
    store = Store(path, 10_000, 1e12)
    store._database.run("UPDATE outbox SET topic = 'calls/other' WHERE seq = 2")
    store._database.run("UPDATE outbox SET message = x'ff' WHERE seq = 5")
    store._database.run("UPDATE outbox SET message = x'81a26964a1ff' WHERE seq = 6")
    store.close()
    with contextlib.closing(Wreck(path)) as wreck:
        assert [record.seq for record in wreck.records()] == [1, 7]


def test_a_file_of_which_nothing_can_be_read_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    outbox(path, 5)
    damage(path, 1)
    with contextlib.closing(Wreck(path)) as wreck:
        assert (list(wreck.records()), wreck.depth(), wreck.lives(), wreck.metas()) == ([], 0, [], {})


def test_the_log_of_an_empty_file_is_not_deleted_by_looking(tmp_path: Path) -> None:
    path, log = tmp_path / "o.sqlite", tmp_path / "o.sqlite-wal"
    path.touch()
    log.write_bytes(b"the only copy")
    with contextlib.closing(Wreck(path)) as wreck:
        assert list(wreck.records()) == []
    assert log.read_bytes() == b"the only copy"


def test_what_is_taken_over_keeps_its_numbers_and_twice_is_once(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    records = outbox(path, 20)
    store = Store(tmp_path / "new.sqlite", 10_000, 1e12)
    for _ in range(2):
        found = take_over(path, store, NOW_S, expected=0, wanted=lambda record: record.seq != 7)
        assert found == Salvaged(str(path), saved=len(records) - 1, lost=0)
    assert store.records(0, 100) == [record for record in records if record.seq != 7]
    assert (store.meta("salt"), len(store.lives())) == ("s", 1)
    store.close()


def test_what_was_expected_and_not_found_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    outbox(path, 20)
    damage(path, 1)
    store = Store(tmp_path / "new.sqlite", 10_000, 1e12)
    found = take_over(path, store, NOW_S, expected=19, wanted=lambda _: True)
    assert found == Salvaged(str(path), saved=0, lost=19)
    store.close()
