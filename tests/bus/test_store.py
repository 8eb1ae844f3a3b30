"""The outbox's file: what stays, what goes first, and what it refuses to touch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bus.cloudevents import Kind, Outgoing, cleared
from streamer.bus.database import OutboxDamagedError
from streamer.bus.store import Store
from tests.bus.broken_disks import without_syncs

DAY_S = 86_400.0


def message(name: str, kind: Kind = Kind.UTTERANCE, call: str = "call-1") -> Outgoing:
    topic = f"emotion/v1/default/calls/{call}/{'state' if kind in {Kind.STATE, Kind.CLEAR} else kind}"
    return Outgoing(id=name, kind=kind, topic=topic, payload=name.encode(), call_key=call)


def names(store: Store) -> list[str]:
    return [row.message.id for row in store.pending(0, 10_000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    made = Store(path, max_rows=1000, max_age_s=DAY_S)
    yield made
    made.close()


def test_messages_come_back_whole_and_in_the_order_of_puts(store: Store) -> None:
    sent = [message("b"), message("a", Kind.ALERT), message("c", Kind.STATE)]
    store.put(sent, 0)
    assert [row.message for row in store.pending(0, 10)] == sent
    assert store.depth == 3


def test_pending_goes_on_behind_a_number_and_stops_at_a_limit(store: Store) -> None:
    store.put([message(str(n)) for n in range(5)], 0)
    first = store.pending(0, 2)
    assert [row.message.id for row in store.pending(first[-1].seq, 2)] == ["2", "3"]


def test_the_same_event_is_kept_once(store: Store) -> None:
    store.put([message("a"), message("a")], 0)
    store.put([message("a")], 1)
    assert names(store) == ["a"]
    assert store.depth == 1


def test_a_number_is_never_given_twice(store: Store) -> None:
    """Else a late acknowledgement of the old message would delete the new one unsent."""
    store.put([message("a")], 0)
    (row,) = store.pending(0, 1)
    store.remove([row.seq])
    store.put([message("b")], 0)
    store.remove([row.seq])
    assert names(store) == ["b"]


def test_a_transaction_that_fails_leaves_nothing_and_counts_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            store.put([message("a")], 0)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert names(store) == []
    assert store.depth == 0


def test_an_objection_removes_all_of_its_call_and_of_no_other(store: Store) -> None:
    state = message("s", Kind.STATE)
    store.put([state, message("a"), message("x", Kind.ALERT), message("b", call="call-2")], 0)
    assert store.remove_call("call-1") == 3
    assert names(store) == ["b"]


def on_disk(path: Path) -> bytes:
    """All bytes of the files of a database, its log included."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


@settings(max_examples=25)
@given(data=st.data())
def test_after_an_objection_no_byte_of_the_call_is_in_the_files_any_more(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("store") / "outbox.sqlite"
    # Closed in any case: a draw may end the example.
    with contextlib.closing(Store(path, max_rows=1000, max_age_s=DAY_S)) as store:
        without_syncs(store)
        sizes = st.sampled_from([0, 100, 600, 3000, 9000])  # in a page, several to a page, over several pages
        for n in range(data.draw(st.integers(1, 40))):
            call = data.draw(st.sampled_from(["objects", "other", "third"]))
            one = msgspec.structs.replace(message(f"{call}-{n}", call=call), payload=bytes(data.draw(sizes)))
            with store.transaction():
                store.put([one], 0)
            if data.draw(st.integers(0, 3)) == 0:
                with store.transaction():
                    store.remove([row.seq for row in store.pending(0, data.draw(st.integers(0, 3)))])
        with store.transaction():
            store.put([message("other-last", call="other")], 0)
            store.remove_call("objects")
        store.tidy(idle=False)
        assert b"objects" not in on_disk(path)
        assert b"other-last" in on_disk(path)


def test_copies_of_what_was_delivered_go_when_there_is_time(store: Store, path: Path) -> None:
    with store.transaction():
        store.put([message("delivered")], 0)
    store.tidy(idle=True)
    assert b"delivered" in on_disk(path), "it waits"
    with store.transaction():
        store.remove([1])
    store.tidy(idle=False)
    assert b"delivered" in on_disk(path), "there is no time"
    store.tidy(idle=True)
    assert b"delivered" not in on_disk(path)


def test_an_objection_leaves_the_clearing_of_the_state(store: Store) -> None:
    state = message("s", Kind.STATE)
    store.put([state, cleared(state)], 0)
    store.remove_call("call-1")
    assert names(store) == ["s-clear"]


def test_a_state_left_by_a_dead_process_is_cleared_by_the_next(path: Path) -> None:
    first = Store(path, 1000, DAY_S)
    state = message("s", Kind.STATE)
    first.put([state], 0)
    first.remove([row.seq for row in first.pending(0, 10)])  # delivered
    first.close()

    second = Store(path, 1000, DAY_S)
    assert second.clear_left_behind(1) == 1
    assert [row.message for row in second.pending(0, 10)] == [cleared(state)]
    second.remove([row.seq for row in second.pending(0, 10)])
    assert second.clear_left_behind(2) == 0
    second.close()


def test_a_state_that_follows_its_clearing_is_live_again(store: Store) -> None:
    state = message("s", Kind.STATE)
    store.put([state, cleared(state), message("s2", Kind.STATE)], 0)
    store.remove([row.seq for row in store.pending(0, 10)])
    assert store.clear_left_behind(1) == 1


def test_values_are_kept_across_openings(path: Path) -> None:
    first = Store(path, 10, DAY_S)
    assert first.meta("salt") is None
    first.set_meta("salt", "one")
    first.set_meta("salt", "two")
    first.close()
    second = Store(path, 10, DAY_S)
    assert second.meta("salt") == "two"
    second.close()


kinds = st.sampled_from(list(Kind))
puts = st.lists(st.tuples(kinds, st.floats(0, 100), st.integers(0, 2000)), max_size=60)


def survivors(
    waiting: list[tuple[str, Kind, float, int]], max_rows: int, max_bytes: int, now_s: float, max_age_s: float
) -> list[str]:
    """The policy in plain words: too old goes first; then partials, then the rest, then summaries; two kinds never."""
    never = {Kind.ALERT, Kind.CLEAR}
    left = [row for row in waiting if row[1] in never or row[2] >= now_s - max_age_s]
    for group in ({Kind.PARTIAL}, {Kind.UTTERANCE, Kind.STATE, Kind.STATUS}, {Kind.ENDED}):
        for row in [row for row in left if row[1] in group]:
            if len(left) > max_rows or sum(size for *_, size in left) > max_bytes:
                left.remove(row)
    return [name for name, *_ in left]


def stored_size(one: Outgoing) -> int:
    return len(msgspec.msgpack.encode(one))


@settings(max_examples=60, deadline=None)
@given(puts, st.integers(1, 20), st.integers(1000, 20_000), st.floats(1, 100))
def test_at_its_bounds_the_outbox_gives_up_what_the_policy_says(
    tmp_path_factory: pytest.TempPathFactory,
    arrivals: list[tuple[Kind, float, int]],
    max_rows: int,
    max_bytes: int,
    max_age_s: float,
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "o.sqlite", max_rows, max_age_s, max_bytes)
    without_syncs(store)
    model: list[tuple[str, Kind, float, int]] = []
    now_s = 0.0
    for n, (kind, wait_s, size) in enumerate(arrivals):
        now_s += wait_s
        one = msgspec.structs.replace(message(str(n), kind, call=f"call-{n}"), payload=bytes(size))
        store.put([one], now_s)
        model.append((str(n), kind, now_s, stored_size(one)))
        kept = set(survivors(model, max_rows, max_bytes, now_s, max_age_s))
        model = [row for row in model if row[0] in kept]
        assert names(store) == [name for name, *_ in model]
    assert store.depth == len(model)
    assert store.bytes == sum(size for *_, size in model)
    assert store.overfull == (len(model) > max_rows or store.bytes > max_bytes)
    assert store.dropped.total() == len(arrivals) - len(model)
    assert not any(name.startswith(("alert/", "clear/")) for name in store.dropped)
    store.close()


def test_neither_bound_is_kept_by_reading_all_that_waits(store: Store) -> None:
    """With a million messages waiting, each put would be a second of the disk's time."""
    plans = []
    for statement in (
        "DELETE FROM outbox WHERE rank IN (0, 1, 2) AND stored_s < 5",
        "SELECT seq, bytes FROM outbox INDEXED BY outbox_by_rank WHERE rank IN (0, 1, 2) ORDER BY rank, seq",
        "SELECT count(*), coalesce(sum(bytes), 0) FROM outbox INDEXED BY outbox_by_rank",
    ):
        plans += [row[3] for row in store._database.run(f"EXPLAIN QUERY PLAN {statement}")]
    assert plans == [
        "SEARCH outbox USING INDEX outbox_by_age (rank=? AND stored_s<?)",
        "SEARCH outbox USING COVERING INDEX outbox_by_rank (rank=?)",
        "SCAN outbox USING COVERING INDEX outbox_by_rank",
    ]


def test_sizes_are_known_again_after_an_opening(path: Path) -> None:
    store = Store(path, 10, DAY_S)
    sent = [message("a"), message("b" * 1000, Kind.ALERT)]
    store.put(sent, 0)
    store.close()
    store = Store(path, 10, DAY_S)
    assert (store.depth, store.bytes) == (2, sum(map(stored_size, sent)))
    store.remove([1])
    assert (store.depth, store.bytes) == (1, stored_size(sent[1]))
    store.close()


def test_a_transaction_that_fails_gives_nothing_up(path: Path) -> None:
    store = Store(path, 2, DAY_S)
    store.put([message("a"), message("b")], 0)
    before = store.bytes

    def fail() -> None:
        with store.transaction():
            store.put([message("c")], 0)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert (names(store), store.depth, store.bytes, store.dropped) == (["a", "b"], 2, before, {})
    store.close()


def test_rows_move_to_another_store_whole_in_order_and_once(store: Store, tmp_path: Path) -> None:
    store.put([message("a"), message("s", Kind.STATE), message("b", Kind.ALERT)], 7)
    other = Store(tmp_path / "other.sqlite", 10, DAY_S)
    other.put([message("own"), message("b", Kind.ALERT)], 8)
    other.keep(store.records(0, 2), 9, numbered=False)
    other.keep(store.records(2, 2), 9, numbered=False)
    assert names(other) == ["own", "b", "a", "s"]
    assert other.oldest_s() == 8
    assert [row.message for row in other.pending(2, 9)] == [row.message for row in store.pending(0, 2)]
    assert other.kinds() == {"utterance": 2, "alert": 1, "state": 1}
    store.discard(record.seq for record in store.records(0, 9))
    assert store.depth == 0
    other.close()


def test_rows_may_keep_their_numbers(store: Store, tmp_path: Path) -> None:
    store.put([message("a"), message("b")], 7)
    other = Store(tmp_path / "other.sqlite", 10, DAY_S)
    other.keep(store.records(1, 9), 9, numbered=True)
    other.put([message("c")], 9)
    assert [(row.seq, row.message.id) for row in other.pending(0, 9)] == [(2, "b"), (3, "c")]
    assert (other.has(2), other.has(1)) == (True, False)
    assert (other.has_message(message("c")), other.has_message(message("d"))) == (3, 0)
    other.close()


def test_states_that_may_stand_can_be_told_to_another_store(store: Store, tmp_path: Path) -> None:
    store.put([message("s", Kind.STATE)], 0)
    other = Store(tmp_path / "other.sqlite", 10, DAY_S)
    other.keep_live(store.lives())
    assert other.clear_left_behind(1) == 1
    assert names(other) == ["s-clear"]
    assert other.cleared_by(1) == message("s", Kind.STATE).topic
    other.forget_live(other.cleared_by(1), 0)
    assert len(other.lives()) == 1
    other.forget_live(other.cleared_by(1), 2)
    assert other.lives() == []
    other.close()


def test_what_an_objection_would_remove_is_known_by_number(store: Store) -> None:
    state = message("s", Kind.STATE)
    store.put([state, message("a"), cleared(state), message("b", call="call-2")], 0)
    assert store.seqs_of_call("call-1") == [1, 2]


def test_a_message_that_cannot_be_understood_is_damage(store: Store) -> None:
    store.put([message("a")], 0)
    for damaged in (b"\xff", b"\x81\xa2id\xa1\xff"):
        store._database.run("UPDATE outbox SET message = ?", (damaged,))
        with pytest.raises(OutboxDamagedError, match="a message in it is damaged"):
            store.pending(0, 1)


def test_a_file_that_was_large_is_small_again_once_all_is_delivered(store: Store, path: Path) -> None:
    store.put([msgspec.structs.replace(message(str(n)), payload=bytes(9_000_000)) for n in range(8)], 0)
    store.give_space_back()
    store.remove(range(1, 9))
    store.give_space_back()
    store.close()
    assert path.stat().st_size < 1_000_000


def test_drops_are_counted_by_kind_and_reason(path: Path) -> None:
    store = Store(path, 1, 10)
    store.put([message("a"), message("b"), message("p", Kind.PARTIAL)], 0)
    store.put([message("c")], 100)
    assert store.dropped == {"partial/full": 1, "utterance/full": 1, "utterance/age": 1}
    store.close()
