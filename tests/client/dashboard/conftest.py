"""What the dashboard's tests share: events placed in time, and a dashboard with a browser's session at it.

Waiting here is for what a page would be told, never for an amount of time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import httpx
import msgspec
import pytest
from streamer_client.broker import Broker
from streamer_client.dashboard.access import Served, Tokens
from streamer_client.dashboard.floor import Keep
from streamer_client.dashboard.model import Model
from streamer_client.dashboard.server import Running, dashboard
from streamer_client.dashboard.times import rfc3339
from streamer_client.events import (
    AcknowledgementData,
    AlertData,
    CallRef,
    Event,
    Severity,
    StatusEvent,
    encode,
)

from tests.client.conftest import TIME

TOKEN = "a-token-of-the-tests"
PATIENCE_S = 60
"""Only how long a broken test hangs."""
_TODAY = rfc3339(time.time())
BEGAN_S = 1_790_000_000.0
"""When the tests' calls begin, unless they say otherwise: 2026-09-21, 14:13:20 UTC."""


def at(event: Any, after_s: float = 0.0, *, name: str | None = None, source: str | None = None) -> Any:
    """Return an event as if it had happened so long after :data:`BEGAN_S`."""
    placed = msgspec.structs.replace(event, time=rfc3339(BEGAN_S + after_s))
    if name is not None:
        placed = msgspec.structs.replace(placed, id=name)
    return placed if source is None else msgspec.structs.replace(placed, source=source)


@pytest.fixture(name="at", scope="session")
def _at() -> Callable[..., Any]:
    return at


@pytest.fixture(scope="session")
def told() -> Callable[..., Any]:
    """Return a model that was told these events, ten minutes after :data:`BEGAN_S`."""

    def tell(*events: Event, keep: Keep | None = None) -> Model:
        model = Model(keep)
        for event in events:
            model.receive(event, BEGAN_S + 600)
        return model

    return tell


@pytest.fixture(scope="session")
def alert_of(make: Any) -> Callable[..., Any]:
    """Return the n-th alert of a call, so long after :data:`BEGAN_S`."""

    def raised(call: str, n: int, after_s: float) -> Any:
        data = AlertData(CallRef(id=call), "angry-customer", Severity.WARNING, "customer", "Listen in.", (f"u{n}",))
        return msgspec.structs.replace(at(make.alert(), after_s, name=f"{call}-alert-{n}"), data=data)

    return raised


@pytest.fixture(scope="session")
def taken_by(make: Any) -> Callable[..., Any]:
    """Return how somebody acknowledged an alert, so long after :data:`BEGAN_S`."""

    def taken(alert: Any, by: str, after_s: float) -> Any:
        data = AcknowledgementData(alert.data.call, alert.id, by, "")
        return msgspec.structs.replace(at(make.acknowledgement(), after_s, name=f"{alert.id}-{by}"), data=data)

    return taken


def topic(event: Event) -> str:
    """Return where an event belongs, as the contract says."""
    if isinstance(event, StatusEvent):
        return f"emotion/v1/nodes/{event.data.node}/status"
    data = event.data
    kind = type(event).__name__.removesuffix("Event").lower()
    tenant, call = data.call.tenant, data.call.id
    if kind == "alert":
        return f"emotion/v1/{tenant}/alerts/{data.severity}"
    if kind == "acknowledgement":
        return f"emotion/v1/{tenant}/acknowledgements"
    if kind in {"state", "ended"}:
        return f"emotion/v1/{tenant}/calls/{call}/{kind}"
    return f"emotion/v1/{tenant}/calls/{call}/{data.speaker.role}/{kind}"


def _of_today(event: Event) -> Event:
    """Move an event as the tests make them to the time of this run: on the real clock it is forgotten after a day."""
    return msgspec.structs.replace(event, time=_TODAY) if event.time == TIME else event


class Desk:
    """A dashboard, and somebody who is signed in at it."""

    def __init__(self, running: Running, http: httpx.AsyncClient, mqtt_port: int) -> None:
        self.running = running
        self.http = http
        self._mqtt_port = mqtt_port

    async def say(self, *events: Event) -> None:
        """Publish events as their senders would."""
        async with aiomqtt.Client("127.0.0.1", self._mqtt_port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            for event in map(_of_today, events):
                kept = type(event).__name__ in {"StateEvent", "StatusEvent"}
                await client.publish(topic(event), encode(event), qos=1, retain=kept)

    async def clear(self, call: str = "CA1") -> None:
        """Take the retained state of a call away."""
        async with aiomqtt.Client("127.0.0.1", self._mqtt_port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.publish(f"emotion/v1/default/calls/{call}/state", b"", qos=1, retain=True)

    async def snapshot(self) -> Any:
        """Return the snapshot."""
        answer = await self.http.get("/api/snapshot")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, enough: Callable[[Any], bool]) -> Any:
        """Return the snapshot once it is as wanted, looking again at each thing the stream says."""
        async with asyncio.timeout(PATIENCE_S):
            snapshot = await self.snapshot()
            async for _ in self.stream(snapshot["cursor"]):
                if enough(snapshot):
                    return snapshot
                snapshot = await self.snapshot()
        raise AssertionError("the stream ended")

    async def stream(self, cursor: int, **headers: str) -> AsyncIterator[tuple[str, str, Any]]:
        """Yield what the stream says: id, event and data; the opening and heartbeats have an empty event."""
        path = f"/api/stream?cursor={cursor}"
        async with self.http.stream("GET", path, headers=headers, timeout=PATIENCE_S) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            rest = ""
            async for text in answer.aiter_text():
                *blocks, rest = (rest + text).split("\n\n")
                for block in blocks:
                    fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
                    data = json.loads(fields["data"]) if "data" in fields else None
                    yield fields.get("id", ""), fields.get("event", ""), data


@asynccontextmanager
async def desk(mqtt: Any, *, name: str = "Ada", token: str = TOKEN, **options: Any) -> AsyncIterator[Desk]:
    """Run a dashboard at a broker, and sign in."""
    options.setdefault("served", Served(port=0))
    options.setdefault("tokens", Tokens({TOKEN: ""}))
    async with (
        dashboard(broker=Broker(mqtt.url), **options) as running,
        httpx.AsyncClient(base_url=running.url, timeout=PATIENCE_S) as http,
    ):
        answer = await http.post("/api/login", json={"token": token, "name": name})
        assert answer.status_code == 200, answer.text
        yield Desk(running, http, mqtt.port)


@pytest.fixture(name="desk", scope="session")
def _desk() -> Callable[..., Any]:
    return desk
