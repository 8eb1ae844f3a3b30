"""What keeps the messages: whatever the disk does, none is lost unseen, none goes twice, and calls keep their order."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bus.cloudevents import Kind, Outgoing, cleared
from streamer.bus.database import DiskError, OutboxBusyError, OutboxError
from streamer.bus.keeper import Bounds, Keeper
from streamer.bus.store import Store
from tests.bus.broken_disks import (
    allow_writing,
    damage,
    fill,
    forbid_writing,
    make_room,
    no_file_may_grow,
    no_rights_to,
    pages,
)

NOW_S = 1_800_000_000.0


def message(name: str, kind: Kind = Kind.UTTERANCE, call: str = "call-1", size: int = 0) -> Outgoing:
    topic = f"emotion/v1/default/calls/{call}/{'state' if kind in {Kind.STATE, Kind.CLEAR} else kind}"
    return Outgoing(id=name, kind=kind, topic=topic, payload=name.encode() + bytes(size), call_key=call)


def do(keeper: Keeper, work: Callable[[], object], now_s: float = NOW_S) -> None:
    """Do something as the outbox does."""
    try:
        with keeper.transaction():
            work()
    except (sqlite3.Error, OutboxError) as problem:
        if not keeper.gives_in(problem, now_s):
            raise
        with keeper.transaction():
            work()


def put(keeper: Keeper, *messages: Outgoing, now_s: float = NOW_S) -> None:
    do(keeper, lambda: keeper.put(messages, now_s))


def waiting(keeper: Keeper, now_s: float = NOW_S) -> list[str]:
    found: list[str] = []
    do(keeper, lambda: found.extend(row.message.id for row in keeper.pending(0, 10_000, now_s)), now_s)
    return found


def deliver(keeper: Keeper, limit: int = 10_000) -> list[str]:
    """Give out what waits and acknowledge it, as the publisher does with a broker that takes all."""
    found: list[tuple[int, str]] = []
    do(keeper, lambda: found.extend((row.seq, row.message.id) for row in keeper.pending(0, limit, NOW_S)))
    do(keeper, lambda: keeper.acknowledge(seq for seq, _ in found))
    return [name for _, name in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def keeper(path: Path) -> Iterator[Keeper]:
    made = Keeper(path, Bounds(), NOW_S)
    yield made
    made.close()


def the_disk_of(keeper: Keeper) -> Store:
    assert keeper._disk is not None
    return keeper._disk


TROUBLES = {
    "full": (fill, make_room, "the disk is full"),
    "read-only": (forbid_writing, allow_writing, "cannot be written"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_comes_while_the_disk_fails_waits_in_memory_and_is_written_afterwards(path: Path, name: str) -> None:
    fail, heal, words = TROUBLES[name]
    keeper = Keeper(path, Bounds(), NOW_S)
    put(keeper, message("a"))
    fail(the_disk_of(keeper))
    put(keeper, message("b", size=100_000))
    put(keeper, message("c"))
    assert words in keeper.trouble
    assert keeper.in_memory == 2
    assert waiting(keeper) == ["a", "b", "c"]
    keeper.retry(NOW_S)
    assert words in keeper.trouble
    heal(the_disk_of(keeper))
    keeper.retry(NOW_S)
    assert (keeper.trouble, keeper.in_memory, keeper.depth) == ("", 0, 3)
    assert keeper.close() == {}
    store = Store(path, 10, 1e9)
    assert [row.message.id for row in store.pending(0, 10)] == ["a", "b", "c"]
    store.close()


def test_a_disk_that_does_not_answer_is_opened_again(keeper: Keeper) -> None:
    put(keeper, message("a"))
    with no_file_may_grow():
        put(keeper, message("b"))
        assert "does not answer" in keeper.trouble
        keeper.retry(NOW_S)
        assert "does not answer" in keeper.trouble
        assert deliver(keeper) == []  # nobody can read whether an older one of this call waits
    keeper.retry(NOW_S)
    assert keeper.trouble == ""
    assert deliver(keeper) == ["a", "b"]


def test_what_is_in_memory_leaves_at_once_where_nothing_older_can_wait_on_the_disk(keeper: Keeper) -> None:
    put(keeper, message("a"))
    assert deliver(keeper) == ["a"]
    with no_file_may_grow():
        put(keeper, message("b"))
        assert deliver(keeper) == ["b"]
    keeper.retry(NOW_S)
    assert keeper.depth == 0


def test_what_was_acknowledged_while_the_disk_failed_is_not_sent_again(keeper: Keeper, path: Path) -> None:
    put(keeper, message("a"))
    forbid_writing(the_disk_of(keeper))
    assert deliver(keeper) == ["a"]
    put(keeper, message("b"))
    assert keeper.depth == 1
    assert deliver(keeper) == ["b"]
    assert (keeper.depth, waiting(keeper)) == (0, [])
    allow_writing(the_disk_of(keeper))
    keeper.retry(NOW_S)
    keeper.close()
    store = Store(path, 10, 1e9)
    assert store.depth == 0
    store.close()


def test_an_objection_takes_what_is_in_memory_and_what_the_disk_cannot_let_go_of(keeper: Keeper) -> None:
    put(keeper, message("s", Kind.STATE), message("a"), message("other", call="call-2"))
    forbid_writing(the_disk_of(keeper))
    put(keeper, message("b"), message("other-2", call="call-2"))
    removed: list[int] = []
    do(keeper, lambda: removed.append(keeper.remove_call("call-1")))
    put(keeper, cleared(message("s", Kind.STATE)))
    assert removed == [3]
    assert waiting(keeper) == ["other", "other-2", "s-clear"]
    allow_writing(the_disk_of(keeper))
    keeper.retry(NOW_S)
    assert waiting(keeper) == ["other", "other-2", "s-clear"]


def test_an_objection_holds_on_a_disk_that_cannot_even_be_read(keeper: Keeper) -> None:
    put(keeper, message("a"), message("other", call="call-2"))
    with no_file_may_grow():
        put(keeper, message("b"))
        do(keeper, lambda: keeper.remove_call("call-1"))
        keeper.retry(NOW_S)
    assert waiting(keeper) == []  # said by nobody before the disk is read
    keeper.retry(NOW_S)
    assert waiting(keeper) == ["other"]


def test_the_same_message_waits_once_wherever_it_is(keeper: Keeper) -> None:
    put(keeper, message("a"))
    forbid_writing(the_disk_of(keeper))
    put(keeper, message("a"), message("b"))
    put(keeper, message("b"))
    assert waiting(keeper) == ["a", "b"]
    allow_writing(the_disk_of(keeper))
    keeper.retry(NOW_S)
    assert waiting(keeper) == ["a", "b"]


def test_memory_has_bounds_of_its_own_and_the_same_policy(path: Path) -> None:
    keeper = Keeper(path, Bounds(memory_rows=3), NOW_S)
    put(keeper, message("first"))
    forbid_writing(the_disk_of(keeper))
    put(keeper, message("alert", Kind.ALERT), message("a"), message("partial", Kind.PARTIAL))
    assert keeper.strained
    put(keeper, message("ended", Kind.ENDED), message("b"), message("c"))
    assert waiting(keeper) == ["first", "alert", "ended", "c"]
    assert keeper.take_dropped() == {"partial/memory": 1, "utterance/memory": 2}
    assert keeper.take_dropped() == {}
    put(keeper, *(message(f"alert-{n}", Kind.ALERT) for n in range(4)))
    assert keeper.overfull
    assert waiting(keeper) == ["first", "alert", "alert-0", "alert-1", "alert-2", "alert-3"]
    assert keeper.close() == {"alert": 5}


def test_bytes_in_memory_are_bounded(path: Path) -> None:
    keeper = Keeper(path, Bounds(memory_bytes=10_000), NOW_S)
    put(keeper, message("first"))
    forbid_writing(the_disk_of(keeper))
    put(keeper, *(message(str(n), size=3000) for n in range(5)))
    assert waiting(keeper) == ["first", "2", "3", "4"]
    assert keeper.strained
    keeper.close()


def test_a_state_that_began_in_memory_is_cleared_by_the_next_process(path: Path) -> None:
    keeper = Keeper(path, Bounds(), NOW_S)
    put(keeper, message("s1", Kind.STATE, "call-1"), message("s2", Kind.STATE, "call-2"))
    deliver(keeper)
    forbid_writing(the_disk_of(keeper))
    put(keeper, message("s3", Kind.STATE, "call-3"), message("s4", Kind.STATE, "call-4"))
    put(keeper, cleared(message("s1", Kind.STATE, "call-1")), cleared(message("s3", Kind.STATE, "call-3")))
    deliver(keeper)
    allow_writing(the_disk_of(keeper))
    keeper.retry(NOW_S)
    keeper.close()
    following = Keeper(path, Bounds(), NOW_S)
    do(following, lambda: following.clear_left_behind(NOW_S))
    assert waiting(following) == ["s2-clear", "s4-clear"]
    following.close()


def test_values_kept_while_the_disk_fails_are_there_at_once_and_for_good(keeper: Keeper, path: Path) -> None:
    forbid_writing(the_disk_of(keeper))
    do(keeper, lambda: keeper.set_meta("salt", "s"))
    put(keeper, message("a"))
    do(keeper, lambda: keeper.set_meta("salt", "t"))
    assert (keeper.meta("salt"), keeper.meta("other")) == ("t", None)
    allow_writing(the_disk_of(keeper))
    keeper.retry(NOW_S)
    keeper.close()
    store = Store(path, 10, 1e9)
    assert store.meta("salt") == "t"
    store.close()


def many(keeper: Keeper, count: int = 300) -> list[str]:
    names = [f"{n:04}" for n in range(count)]
    for name in names:
        put(keeper, message(name, size=600))
    return names


def written(keeper: Keeper) -> None:
    """Have everything in the file itself and nothing in SQLite's memory, as after a while of other work."""
    database = the_disk_of(keeper)._database
    database.run("PRAGMA wal_checkpoint(TRUNCATE)")
    database.run("PRAGMA cache_size = 1")
    database.run("PRAGMA shrink_memory")


def test_damage_while_serving_is_set_aside_and_what_can_be_read_goes_on(keeper: Keeper, path: Path) -> None:
    names = many(keeper)
    do(keeper, lambda: keeper.set_meta("salt", "s"))
    written(keeper)
    damage(path, pages(path) // 2)
    found = waiting(keeper)
    (news,) = keeper.news
    aside = Path(news.aside)
    assert aside.name == "outbox.sqlite.damaged-20270115T080000Z"
    assert b"\xff" * 4096 in aside.read_bytes()
    assert keeper.trouble == ""
    assert (news.saved, news.lost) == (len(found), len(names) - len(found))
    assert 0 < news.lost < 20
    assert found == [name for name in names if name in set(found)]
    put(keeper, message("next"))
    assert waiting(keeper) == [*found, "next"]
    assert keeper.meta("salt") == "s"


def test_a_message_whose_bytes_are_not_those_that_were_stored_is_damage(keeper: Keeper, path: Path) -> None:
    put(keeper, message("a"), message("b" * 200), message("c"))
    written(keeper)
    content = path.read_bytes()
    assert content.count(b"\xa2id\xd9\xc8") == 1  # MessagePack: the key "id", and a text of 200 bytes
    path.write_bytes(content.replace(b"\xa2id\xd9\xc8", b"\xff" * 5))
    assert waiting(keeper) == ["a", "c"]
    (news,) = keeper.news
    assert (news.saved, news.lost) == (2, 1)


def test_a_disk_that_damages_one_file_after_the_other_is_left_alone_for_a_while(keeper: Keeper, path: Path) -> None:
    many(keeper)
    written(keeper)
    damage(path, pages(path) // 2)
    kept = waiting(keeper)
    written(keeper)
    damage(path, pages(path) // 2)
    assert waiting(keeper) == []
    assert "the second time within 60 s: check the disk" in keeper.trouble
    put(keeper, message("next"))
    keeper.retry(NOW_S + 59)
    assert keeper.in_memory == 1
    keeper.retry(NOW_S + 60)
    assert keeper.trouble == ""
    found = waiting(keeper, NOW_S + 61)
    assert found[-1] == "next"
    assert len(kept) - 20 < len(found) <= len(kept)


def test_a_damaged_file_at_the_start_is_set_aside(path: Path) -> None:
    keeper = Keeper(path, Bounds(), NOW_S)
    names = many(keeper)
    keeper.close()
    damage(path, 4)  # an index that is read at the start
    keeper = Keeper(path, Bounds(), NOW_S)
    assert keeper.trouble == ""
    (news,) = keeper.news
    assert (news.saved, news.lost) == (len(names), 0)
    assert waiting(keeper) == names
    put(keeper, message("next"))
    assert waiting(keeper) == [*names, "next"]
    keeper.close()


def test_a_file_of_ours_with_nothing_to_be_read_in_it_is_set_aside_all_the_same(path: Path) -> None:
    keeper = Keeper(path, Bounds(), NOW_S)
    many(keeper, 5)
    keeper.close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    keeper = Keeper(path, Bounds(), NOW_S)
    (news,) = keeper.news
    assert Path(news.aside).read_bytes() == bytes(content)
    assert (keeper.trouble, waiting(keeper)) == ("", [])
    keeper.close()


def test_a_log_without_its_file_is_set_aside_and_not_deleted(path: Path) -> None:
    keeper = Keeper(path, Bounds(), NOW_S)
    put(keeper, message("a"))
    log = path.with_name("outbox.sqlite-wal").read_bytes()
    keeper.close()
    path.write_bytes(b"")
    path.with_name("outbox.sqlite-wal").write_bytes(log)
    keeper = Keeper(path, Bounds(), NOW_S)
    (news,) = keeper.news
    assert Path(f"{news.aside}-wal").read_bytes() == log
    keeper.close()


@pytest.mark.parametrize("content", [b"minutes of the meeting\n" * 200, b"SQLite format 3\0" + b"\xff" * 8000])
def test_somebody_elses_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(OutboxError, match="nothing was changed"):
        Keeper(path, Bounds(), NOW_S)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_somebody_has_moved_is_emptied_before_a_new_one_is_made(keeper: Keeper, path: Path) -> None:
    put(keeper, message("s", Kind.STATE, "call-2"))
    deliver(keeper)
    put(keeper, message("a"))
    path.rename(path.with_name("elsewhere"))
    keeper.look(NOW_S)
    put(keeper, message("b"))
    assert "moved or deleted" in keeper.trouble
    keeper.retry(NOW_S)
    assert "moved or deleted" in keeper.trouble
    assert not path.exists()
    assert deliver(keeper, 1) == ["a"]
    keeper.retry(NOW_S)
    assert keeper.trouble == ""
    assert path.exists()
    assert waiting(keeper) == ["b"]
    do(keeper, lambda: keeper.clear_left_behind(NOW_S))
    assert waiting(keeper) == ["b", "s-clear"]


def test_a_start_on_a_file_that_may_only_be_read_serves_from_memory(path: Path) -> None:
    first = Keeper(path, Bounds(), NOW_S)
    put(first, message("s", Kind.STATE), message("a"))
    first.close()
    with no_rights_to(path):
        keeper = Keeper(path, Bounds(), NOW_S)
        do(keeper, lambda: keeper.clear_left_behind(NOW_S))
        put(keeper, message("b", call="call-2"))
        assert "it cannot be written; check the rights" in keeper.trouble
        assert keeper.in_memory >= 1
        assert deliver(keeper) == ["b"]
        with pytest.raises(OutboxError):
            keeper.records(0, 1)
        put(keeper, message("c", call="call-2"))
    keeper.retry(NOW_S)
    assert keeper.trouble == ""
    assert waiting(keeper) == ["s", "a", "c", "s-clear"]
    keeper.close()


def test_a_start_where_no_file_can_be_made_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "outbox.sqlite"
    (folder / "outbox.sqlite-wal").touch()
    with no_rights_to(folder / "outbox.sqlite-wal"), pytest.raises(DiskError, match="cannot be"):
        Keeper(path, Bounds(), NOW_S)


def test_a_file_in_use_is_refused(keeper: Keeper, path: Path) -> None:
    with pytest.raises(OutboxBusyError):
        Keeper(path, Bounds(), NOW_S)
    put(keeper, message("a"))


def test_what_memory_alone_has_at_the_end_is_told_by_kind(path: Path) -> None:
    keeper = Keeper(path, Bounds(), NOW_S)
    forbid_writing(the_disk_of(keeper))
    put(keeper, message("a"), message("b"), message("x", Kind.ALERT))
    assert keeper.close() == {"utterance": 2, "alert": 1}


def test_an_error_that_is_not_the_disks_is_not_taken_for_one(keeper: Keeper) -> None:
    assert not keeper.gives_in(ZeroDivisionError("a fault"), NOW_S)
    assert not keeper.gives_in(sqlite3.ProgrammingError("a fault"), NOW_S)
    assert keeper.trouble == ""


def test_age_and_size_cover_both_places(keeper: Keeper) -> None:
    put(keeper, message("a"), now_s=NOW_S - 10)
    alone = keeper.bytes
    forbid_writing(the_disk_of(keeper))
    put(keeper, message("b"))
    assert keeper.oldest_s() == NOW_S - 10
    assert keeper.bytes == 2 * alone
    deliver(keeper, 1)
    assert keeper.oldest_s() == NOW_S


def test_rows_of_another_outbox_come_behind_and_say_whether_they_are_safe(keeper: Keeper, tmp_path: Path) -> None:
    other = Keeper(tmp_path / "other.sqlite", Bounds(), NOW_S)
    put(keeper, message("own"))
    put(other, message("a"), message("b"), message("c"))
    records = other.records(0, 2)
    assert keeper.keep(records, NOW_S)
    other.discard(record.seq for record in records)
    assert waiting(keeper) == ["own", "a", "b"]
    assert waiting(other) == ["c"]
    forbid_writing(the_disk_of(keeper))
    put(keeper, message("next"))
    assert not keeper.keep(other.records(0, 2), NOW_S)
    other.close()


def test_only_a_file_in_which_nothing_waits_is_removed(keeper: Keeper, path: Path) -> None:
    put(keeper, message("a"))
    with pytest.raises(OutboxError, match="1 messages wait in it"):
        keeper.remove_file()
    deliver(keeper)
    keeper.remove_file()
    assert list(path.parent.iterdir()) == []


def test_a_file_that_was_large_is_small_again_once_all_is_delivered(keeper: Keeper, path: Path) -> None:
    put(keeper, *(message(str(n), size=9_000_000) for n in range(8)))
    keeper.give_space_back()
    deliver(keeper)
    keeper.give_space_back()
    written(keeper)
    assert path.stat().st_size < 1_000_000


actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3)),
        st.tuples(st.just("deliver"), st.integers(1, 5)),
        st.tuples(st.just("object"), st.integers(0, 3)),
        st.tuples(st.just("fail"), st.sampled_from(["full", "read-only", "broken"])),
        st.tuples(st.just("heal"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(actions)
def test_whatever_the_disk_does_nothing_is_lost_doubled_out_of_order_or_sent_after_an_objection(  # noqa: C901
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int | str]]
) -> None:
    keeper = Keeper(tmp_path_factory.mktemp("keeper") / "o.sqlite", Bounds(), NOW_S)
    put_so_far: dict[int, list[str]] = {call: [] for call in range(4)}
    heard: list[str] = []
    objected: set[int] = set()

    with contextlib.ExitStack() as failing:

        def heal() -> None:
            failing.close()
            if keeper._disk is not None:
                make_room(keeper._disk)
                allow_writing(keeper._disk)
            keeper.retry(NOW_S)
            assert keeper.trouble == ""

        for n, (what, which) in enumerate(story):
            match what, which:
                case "put", int(call) if call not in objected:
                    name = f"{call}/{n}"
                    put(keeper, message(name, call=f"call-{call}"))
                    put_so_far[call].append(name)
                case "deliver", int(limit):
                    heard += deliver(keeper, limit)
                case "object", int(call):
                    do(keeper, lambda call=call: keeper.remove_call(f"call-{call}"))
                    objected.add(call)
                    put_so_far[call] = [name for name in put_so_far[call] if name in heard]
                case "fail", "full" if keeper._disk is not None:
                    fill(keeper._disk)
                case "fail", "read-only" if keeper._disk is not None:
                    forbid_writing(keeper._disk)
                case "fail", "broken":
                    failing.enter_context(no_file_may_grow())
                case "heal", _:
                    heal()
            keeper.retry(NOW_S)
        heal()
    while found := deliver(keeper, 3):
        heard += found
    assert len(heard) == len(set(heard))
    for call, names in put_so_far.items():
        assert [name for name in heard if name.startswith(f"{call}/")] == names
    assert keeper.close() == {}
