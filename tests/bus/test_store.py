"""The outbox's file: what stays, what goes first, and what it refuses to touch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bus.cloudevents import Kind, Outgoing, cleared
from streamer.bus.store import APPLICATION_ID, SCHEMA_VERSION, OutboxError, Store, explain

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
puts = st.lists(st.tuples(kinds, st.floats(0, 100)), max_size=60)


def survivors(waiting: list[tuple[str, Kind, float]], max_rows: int, now_s: float, max_age_s: float) -> list[str]:
    """The policy in plain words: too old goes first; then partials, then the rest, oldest first; two kinds never."""
    never = {Kind.ALERT, Kind.CLEAR}
    left = [row for row in waiting if row[1] in never or row[2] >= now_s - max_age_s]
    for group in ({Kind.PARTIAL}, set(Kind) - never - {Kind.PARTIAL}):
        for row in [row for row in left if row[1] in group]:
            if len(left) > max_rows:
                left.remove(row)
    return [name for name, _, _ in left]


@settings(max_examples=60, deadline=None)
@given(puts, st.integers(1, 20), st.floats(1, 100))
def test_at_its_bounds_the_outbox_gives_up_what_the_policy_says(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[Kind, float]], max_rows: int, max_age_s: float
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "o.sqlite", max_rows, max_age_s)
    model: list[tuple[str, Kind, float]] = []
    now_s = 0.0
    for n, (kind, wait_s) in enumerate(arrivals):
        now_s += wait_s
        store.put([message(str(n), kind, call=f"call-{n}")], now_s)
        model.append((str(n), kind, now_s))
        kept = set(survivors(model, max_rows, now_s, max_age_s))
        model = [row for row in model if row[0] in kept]
        assert names(store) == [name for name, _, _ in model]
    assert store.depth == len(model)
    assert store.dropped.total() == len(arrivals) - len(model)
    assert not any(name.startswith(("alert/", "clear/")) for name in store.dropped)
    store.close()


def test_drops_are_counted_by_kind_and_reason(path: Path) -> None:
    store = Store(path, 1, 10)
    store.put([message("a"), message("b"), message("p", Kind.PARTIAL)], 0)
    store.put([message("c")], 100)
    assert store.dropped == {"partial/full": 1, "utterance/full": 1, "utterance/age": 1}
    store.close()


def test_a_second_server_on_the_same_file_is_refused_in_words(store: Store, path: Path) -> None:
    store.put([message("a")], 0)
    with pytest.raises(OutboxError, match="another running server uses it"):
        Store(path, 10, DAY_S)
    assert names(store) == ["a"]


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    content = b"minutes of the meeting\n" * 200
    path.write_bytes(content)
    with pytest.raises(OutboxError, match="not an SQLite database; nothing was changed"):
        Store(path, 10, DAY_S)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customers (name TEXT)")
    other.commit()
    other.close()
    content = path.read_bytes()
    with pytest.raises(OutboxError, match="database of another program; nothing was changed"):
        Store(path, 10, DAY_S)
    assert path.read_bytes() == content


def test_an_outbox_of_a_newer_version_is_refused(path: Path) -> None:
    Store(path, 10, DAY_S).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(OutboxError, match=f"schema version {SCHEMA_VERSION + 1}"):
        Store(path, 10, DAY_S)


def test_a_damaged_outbox_is_refused_in_words(path: Path) -> None:
    store = Store(path, 1000, DAY_S)
    store.put([message(str(n)) for n in range(200)], 0)
    store.close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(OutboxError, match="damaged"):
        Store(path, 10, DAY_S)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match=r"the folder .*missing does not exist"):
        Store(tmp_path / "missing" / "o.sqlite", 10, DAY_S)


def test_a_path_that_is_a_folder_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="it cannot be opened"):
        Store(tmp_path, 10, DAY_S)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_READONLY, "cannot be written"),
        (sqlite3.SQLITE_READONLY | 1 << 8, "cannot be written"),
        (sqlite3.SQLITE_IOERR, "disk does not answer"),
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


def test_every_commit_reaches_the_disk_before_it_is_said_to_be_done(store: Store) -> None:
    (synchronous,) = store._database.execute("PRAGMA synchronous").fetchone()
    (journal,) = store._database.execute("PRAGMA journal_mode").fetchone()
    (application,) = store._database.execute("PRAGMA application_id").fetchone()
    assert (synchronous, journal, application) == (2, "wal", APPLICATION_ID)
