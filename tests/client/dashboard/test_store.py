"""What a restart must not forget, and what nobody may find again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamer_client.dashboard import store as module
from streamer_client.dashboard.sessions import Session
from streamer_client.dashboard.store import Kept, Store
from streamer_client.dashboard.tally import Quarter
from streamer_client.errors import ClientError
from streamer_client.events import decode

KEY = ("default", "CA1")


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = await Store.open(path)
    try:
        yield store
    finally:
        await store.close()


async def kept(path: Path) -> Kept:
    async with opened(path) as store:
        return await store.load()


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def ids(found: Kept) -> list[str]:
    return [decode(payload).id for payload in found.events]


async def test_what_is_put_is_there_after_a_restart_in_its_order_and_once(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    events = [make.state(), make.utterance(1), make.alert(), make.acknowledgement(), make.status(), make.ended()]
    async with opened(path) as store:
        client_id = store.client_id
        for event in [*events, events[1]]:
            store.put(event)
        store.quarter(5, Quarter(calls=2, utterances={"angry": 1}))
    found = await kept(path)
    assert sorted(ids(found)) == sorted(event.id if event is not events[4] else "node-1-online" for event in events)
    assert ids(found)[0] == "CA1-state"
    assert found.quarters == {5: Quarter(calls=2, utterances={"angry": 1})}
    async with opened(path) as store:
        assert store.client_id == client_id
        store.quarter(5, None)
    assert (await kept(path)).quarters == {}
    assert path.stat().st_mode & 0o077 == 0


async def test_of_a_withdrawn_call_only_its_id_is_left_in_any_file(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    async with opened(path) as store:
        for event in (make.utterance(1, name="SECRET"), make.alert(), make.utterance(1, call="CA2")):
            store.put(event)
        store.lost(KEY)
        await store.flush()
        assert b"SECRET" in on_disk(tmp_path)
        store.withdrawn(KEY, 12.0)
        await store.flush()
        assert b"SECRET" not in on_disk(tmp_path)  # at once, not at the end
    found = await kept(path)
    assert ids(found) == ["default-CA2-customer-1"]
    assert (found.withdrawn, found.lost) == (((KEY, 12.0),), ())
    async with opened(path) as store:
        store.forget(13.0)
    assert (await kept(path)).withdrawn == ()


async def test_a_call_that_goes_leaves_the_alerts_that_are_spared(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    async with opened(path) as store:
        for event in (make.state(), make.utterance(1), make.alert(), make.acknowledgement()):
            store.put(event)
        store.evicted(KEY, iter(["CA1-alert"]))
    assert ids(await kept(path)) == ["CA1-alert", "CA1-acknowledgement"]
    async with opened(path) as store:
        store.dropped("CA1-alert")
    assert ids(await kept(path)) == []


async def test_a_lost_call_that_begins_anew_is_lost_no_more(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    async with opened(path) as store:
        store.lost(KEY)
    assert (await kept(path)).lost == (KEY,)
    async with opened(path) as store:
        store.put(make.state())
    assert (await kept(path)).lost == ()


async def test_a_session_is_there_after_a_restart_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    session = Session("Ada", b"a seal that nobody else has", 1.0, 2.0)
    async with opened(path) as store:
        store.session(b"digest", msgspec.structs.replace(session, used_s=1.0))
        store.session(b"digest", session)
    async with opened(path) as store:
        assert await store.sessions() == {b"digest": session}
        store.session(b"digest", None)
        await store.flush()
        assert session.seal not in on_disk(tmp_path)
        assert await store.sessions() == {}


async def test_a_file_of_before_sessions_were_kept_is_gone_on_with(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    async with opened(path) as store:
        store.put(make.state())
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE sessions")
    async with opened(path) as store:
        assert await store.sessions() == {}
        assert ids(await store.load()) == ["CA1-state"]


async def test_a_file_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.sqlite"
    wrong.write_bytes(b"this is no database, but it is long enough to be looked at" * 100)
    with pytest.raises(ClientError, match="is no state of a dashboard, or damaged"):
        await Store.open(wrong)
    with pytest.raises(ClientError, match=r"cannot open the dashboard's state .*give another place by --state"):
        await Store.open(tmp_path / "nowhere" / "state.sqlite")
    other = tmp_path / "other.sqlite"
    async with opened(other):
        with pytest.raises(ClientError, match="another dashboard has"):
            await Store.open(other)
    connection = sqlite3.connect(other)
    connection.execute("UPDATE about SET value = '99' WHERE name = 'format'")
    connection.commit()
    connection.close()
    with pytest.raises(ClientError, match="another version of the dashboard"):
        await Store.open(other)


async def test_a_disk_that_fails_is_said_once_and_nothing_is_forgotten(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.sqlite"
    caplog.set_level(logging.WARNING)

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with opened(path) as store:
        with monkeypatch.context() as broken:
            broken.setattr(Store, "_write", fail)
            for n in (1, 2):
                store.put(make.utterance(n))
                await store.flush()
            assert [record.getMessage().count("disk I/O error") for record in caplog.records] == [1]
        await store.flush()
        assert "is written to" in caplog.records[-1].getMessage()
    assert len((await kept(path)).events) == 2


async def test_who_waits_for_the_disk_waits_for_all_that_was_put_before(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.sqlite"
    let_go = threading.Event()
    write = Store._write

    def held(self: Store, *arguments: Any, **options: Any) -> None:
        let_go.wait()
        write(self, *arguments, **options)

    async with opened(path) as store:
        monkeypatch.setattr(Store, "_write", held)
        store.put(make.utterance(1))
        first = asyncio.create_task(store.flush())
        await asyncio.sleep(0)
        second = asyncio.create_task(store.flush())  # has nothing of its own to write
        await asyncio.sleep(0)
        assert not second.done()
        let_go.set()
        await asyncio.gather(first, second)
        assert len((await store.load()).events) == 1


async def test_while_the_disk_fails_memory_is_bounded_and_deletions_are_not_given_up(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.sqlite"
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    async with opened(path) as store:
        store.put(make.utterance(1))
        await store.flush()

        def fail(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as broken:
            broken.setattr(Store, "_write", fail)
            for n in range(2, 9):
                store.put(make.utterance(n))
            store.withdrawn(KEY, 1.0)
            await store.flush()
    found = await kept(path)
    assert (found.events, found.withdrawn) == ((), ((KEY, 1.0),))
