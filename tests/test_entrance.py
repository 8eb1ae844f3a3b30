"""What is asked of a request before its upgrade, without any socket: in which order, and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamer import entrance as entrance_module
from streamer.access.doors import THROTTLED, Doors
from streamer.auth import Pass, Refusal
from streamer.config import load
from streamer.entrance import Entrance, Sorry, Welcome, address_of, count_refusal
from streamer.load.guarded import Guard
from streamer.load.pacing import Turnstile
from streamer.load.strangers import Strangers
from streamer.metrics import Metrics
from tests.nodes import AS_CRM, CRM


class Asking:
    """An entrance, and what it counts."""

    def __init__(self, **flags: Any) -> None:
        settings = load(None, {}, {name.replace("__", "."): value for name, value in flags.items()})
        self.metrics = Metrics(CollectorRegistry())
        self.cut: list[str] = []
        self.doors = Doors(settings)
        guard = Guard(Strangers(9), self.cut.append)
        self.turnstile = Turnstile(0, lambda: 0.0)
        self.entrance = Entrance(settings, self.doors, self.metrics, guard, self.turnstile)

    async def ask(self, target: str = "/v1/stream", headers: Iterable[tuple[str, str]] = ()) -> Welcome | Sorry:
        return await self.entrance.decide(target, headers, "192.0.2.1", None)

    def refused(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("streamer_auth_failures_total", {"reason": reason}) or 0.0


async def test_who_is_let_in_is_told_what_his_platform_allows() -> None:
    asking = Asking(server__max_message_bytes=5000, dialects__twilio__max_message_bytes=2000, server__ping_interval_s=7)
    native, twilio = await asking.ask(), await asking.ask("/twilio?x=1")
    assert isinstance(native, Welcome)
    assert isinstance(twilio, Welcome)
    assert (native.max_message_bytes, native.ping_interval_s, native.dialect.name) == (5000, 7, "native")
    assert (twilio.max_message_bytes, twilio.dialect.name) == (2000, "twilio")
    assert "emotion-streamer.v1" in native.subprotocols


async def test_each_stream_gets_a_dialect_of_its_own() -> None:
    asking = Asking()
    one, other = await asking.ask(), await asking.ask()
    assert isinstance(one, Welcome)
    assert isinstance(other, Welcome)
    assert one.dialect is not other.dialect


async def test_a_path_that_is_none_is_told_the_others_before_anything_else_is_asked() -> None:
    asking = Asking(keys=[CRM], server__require_key=True)
    found = await asking.ask("/nowhere")
    assert isinstance(found, Sorry)
    assert found.status == HTTPStatus.NOT_FOUND
    assert "/v1/stream" in found.text


async def test_headers_are_read_whatever_their_case_and_one_that_comes_twice_is_both() -> None:
    asking = Asking(keys=[CRM], server__require_key=True)
    key = AS_CRM["Authorization"]
    found = await asking.ask(headers=[("aUTHORIZATION", key)])
    assert isinstance(found, Welcome)
    assert found.admitted == Pass("acme", "crm")
    twice = await asking.ask(headers=[("Authorization", key), ("authorization", key)])
    assert isinstance(twice, Sorry)
    assert twice.status == HTTPStatus.UNAUTHORIZED


async def test_a_refusal_is_counted_and_said_but_a_flood_of_them_is_not_said() -> None:
    asking = Asking(keys=[CRM], server__require_key=True, server__auth_failures_per_minute=1)
    with capture_logs() as logs:
        found = [await asking.ask() for _ in range(3)]
    assert [sorry.status for sorry in found if isinstance(sorry, Sorry)] == [401, 429, 429]
    assert len(logs) == 1
    assert asking.refused(THROTTLED.reason) == 2


async def test_where_too_many_connect_at_once_one_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking()

    async def enter() -> bool:
        return False

    monkeypatch.setattr(asking.turnstile, "enter", enter)
    found = await asking.ask()
    assert isinstance(found, Sorry)
    assert found.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert asking.cut == ["storm"]


async def test_who_is_refused_never_takes_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(keys=[CRM], server__require_key=True)
    monkeypatch.setattr(asking.turnstile, "enter", None)
    assert isinstance(await asking.ask(), Sorry)


async def test_a_refusal_that_waits_is_forgotten_when_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking()
    late = Refusal(HTTPStatus.UNAUTHORIZED, "wrong", "no", after_s=1000)
    monkeypatch.setattr(asking.doors, "knock", lambda *_: late)
    monkeypatch.setattr(entrance_module, "WAITING_REFUSALS", 1)
    waiting = asyncio.create_task(asking.ask())
    while not asking.entrance.refusals_waiting:  # noqa: ASYNC110 - nothing there could tell us
        await asyncio.sleep(0)
    hurried = await asking.ask()
    assert isinstance(hurried, Sorry)
    assert hurried.status == HTTPStatus.TOO_MANY_REQUESTS
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asking.entrance.refusals_waiting == 0


def test_what_is_said_of_a_refusal_has_no_empty_words() -> None:
    asking = Asking()
    with capture_logs() as logs:
        count_refusal(asking.metrics, Refusal(HTTPStatus.UNAUTHORIZED, "wrong", "no"), "native", certificate=None)
    assert "certificate" not in logs[0]


@pytest.mark.parametrize(("name", "address"), [(("192.0.2.1", 5), "192.0.2.1"), (("::1", 5, 0, 0), "::1"), ("", "")])
def test_an_address_is_that_of_the_sockets_other_end(name: object, address: str) -> None:
    assert address_of(name) == address
