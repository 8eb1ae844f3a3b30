"""The session's name and subscriptions, kept with the state, and the words when the broker has lost it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from streamer_client.alerts.disk import Disk
from streamer_client.alerts.session import Session
from streamer_client.alerts.state import MEMORY, State
from streamer_client.broker import Broker
from streamer_client.errors import OptionError
from streamer_client.share import Share


@pytest_asyncio.fixture
async def disk() -> AsyncIterator[Disk]:
    opened = Disk(State(MEMORY))
    yield opened
    opened.close()


def session(broker: Any, tenant: str = "default", share: str = "") -> Session:
    return Session(
        Broker(broker.url if broker else "mqtt://127.0.0.1:1"),
        tenant=tenant,
        base="emotion",
        share=Share.parse(share),
    )


async def stored(disk: Disk, key: str) -> str:
    return await disk(lambda state: state.get(key) or "")


async def test_a_name_is_made_up_once_and_kept(mosquitto: Any, disk: Disk) -> None:
    for resumed in (False, True):
        one = session(mosquitto)
        await one.keep("", disk)
        link = await one.connect()
        assert link.resumed is resumed
        await link.close()
    name = await stored(disk, "name")
    assert len(name) == 8
    assert one.fence is not None
    assert one.fence.topic == f"emotion/v1/services/emotion-alerts-{name}/fence"
    assert one.fence.topic in (await stored(disk, "filters")).split()


async def test_another_tenant_drops_the_subscriptions_of_the_first(mosquitto: Any, disk: Disk) -> None:
    first = session(mosquitto, tenant="+")
    await first.keep("a", disk)
    await (await first.connect()).close()
    assert "emotion/v1/+/alerts/+" in await stored(disk, "filters")
    second = session(mosquitto, tenant="acme")
    await second.keep("a", disk)
    await (await second.connect()).close()
    assert "emotion/v1/+/alerts/+" not in await stored(disk, "filters")
    assert "emotion/v1/acme/alerts/+" in await stored(disk, "filters")
    await asyncio.to_thread(mosquitto.wait_logged, r"Received UNSUBSCRIBE|unsubscribe|UNSUBSCRIBE")


async def test_another_name_is_told(mosquitto: Any, disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a", "b"):
        one = session(mosquitto)
        await one.keep(name, disk)
        await (await one.connect()).close()
    assert "the name was a and is b now" in caplog.records[0].getMessage()


async def test_a_broker_that_has_lost_the_session_is_told(
    mosquitto_with: Any, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    forgetful = mosquitto_with()
    one = session(forgetful)
    await one.keep("a", disk)
    await (await one.connect()).close()
    assert caplog.records == []
    await asyncio.to_thread(forgetful.stop)
    await asyncio.to_thread(forgetful.start)
    await (await one.connect()).close()
    assert "the broker has not kept the session emotion-alerts-a" in caplog.records[0].getMessage()


@pytest.mark.parametrize("name", ["a/b", "a b", "#", "x" * 65, "ä"])
async def test_a_name_that_cannot_be_right_is_refused(disk: Disk, name: str) -> None:
    with pytest.raises(OptionError, match="use letters, digits, - and _"):
        await session(None).keep(name, disk)


async def test_states_and_nodes_are_heard_whatever_the_rules_are(mosquitto: Any, disk: Disk) -> None:
    # An objection is nothing but a state that is taken away.
    one = session(mosquitto)
    await one.keep("a", disk)
    await (await one.connect()).close()
    filters = (await stored(disk, "filters")).split()
    assert {"emotion/v1/default/calls/+/state", "emotion/v1/nodes/+/status"} <= set(filters)


async def test_a_way_back_is_looked_for_until_there_is_one(mosquitto: Any) -> None:
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    one = Session(
        Broker(mosquitto.url),
        tenant="default",
        base="emotion",
        on_status=lambda *what: told.put_nowait(what),
    )
    await asyncio.to_thread(mosquitto.stop)
    back = asyncio.create_task(one.reconnect("it was lost"))
    assert await told.get() == ("lost", "it was lost")
    assert (await told.get())[0] == "lost"  # for another reason: nobody is there
    await asyncio.to_thread(mosquitto.start)
    await (await back).close()
    assert (await told.get())[0] == "connected"


async def test_a_state_is_of_one_share_for_good(disk: Disk) -> None:
    await session(None, share="2/3").keep("a", disk)
    await session(None, share="2/3").keep("a", disk)
    for other in ("", "1/3", "2/4"):
        with pytest.raises(OptionError, match="of share 2/3"):
            await session(None, share=other).keep("a", disk)


async def test_a_state_of_before_there_were_shares_is_that_of_all_calls(disk: Disk) -> None:
    await disk(lambda state: state.put("name", "a"))
    with pytest.raises(OptionError, match="of share 1/1"):
        await session(None, share="1/2").keep("a", disk)
    await session(None).keep("a", disk)
    assert await stored(disk, "share") == "1/1"
