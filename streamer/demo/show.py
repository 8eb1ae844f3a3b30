"""The demo: broker, server, alert rules, dashboard and a call in real time, in one process, shown on the screen.

Everything in it is the real thing: the call goes through a real socket, the events through a real broker. Only the
voices are synthetic, made by `tools/make_demo_call.py`. This file must never take a short cut between the parts.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.text import Text
from streamer_client.alerts.rules import default_rules
from streamer_client.alerts.runner import run_alerts
from streamer_client.broker import Broker
from streamer_client.dashboard.access import Served
from streamer_client.dashboard.server import Running, dashboard
from streamer_client.events import AlertEvent, EndedEvent, StateEvent, UtteranceEvent
from streamer_client.pretty import style_event
from streamer_client.replay import replay
from streamer_client.subscribe import subscribe

from streamer import logs
from streamer.config import LogSettings, Settings, load
from streamer.demo.broker import RunningBroker, free_port, running_broker
from streamer.errors import StreamerError
from streamer.server import Server, node

CALL_ID = "demo"
KINDS = ("utterance", "state", "ended", "alert")
T = TypeVar("T")


class DemoError(StreamerError):
    """The demo did not come to its end."""


async def show(speed: float | None = 1.0, *, stay: bool = False) -> None:
    """Run the demo once.

    Parameters
    ----------
    speed
        How many times faster than life the call is played; None = as fast as possible.
    stay
        Keep broker, server, rules and pages running after the call, until cancelled.

    Raises
    ------
    StreamerError
        A part did not come up, or the call did not end as it should.
    """
    console = Console(soft_wrap=True, highlight=False)
    logs.configure(LogSettings(level="error"))  # the screen is for the events
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(running_broker())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="emotion-streamer-"))
        settings = load(
            None,
            {},
            {
                "node": "demo",
                "mqtt.url": broker.url,
                "outbox.path": str(Path(folder) / "outbox.sqlite"),
                "server.port": free_port(Settings().server.port),
                "server.admin_port": free_port(Settings().server.admin_port),
            },
        )
        server = await stack.enter_async_context(node(settings))
        page = await stack.enter_async_context(
            dashboard(served=Served(port=free_port(Served().port)), broker=Broker(broker.url))
        )
        _introduce(console, server, settings, broker, page)
        await _play(console, server, settings, speed, page, stay=stay)


async def _play(
    console: Console, server: Server, settings: Settings, speed: float | None, page: Running, *, stay: bool
) -> None:
    """Serve, follow and alert in the background while the call is played; then take it all down in order."""
    serving = asyncio.create_task(server.run(), name="demo server")
    followed = asyncio.Event()
    ended = asyncio.Event()
    background = [
        serving,
        asyncio.create_task(_follow(console, settings, followed, ended), name="demo watch"),
        asyncio.create_task(run_alerts(default_rules(), broker=Broker(settings.mqtt.url)), name="demo alerts"),
        asyncio.create_task(page.wait(), name="demo dashboard"),
    ]
    try:
        await _first(background, server.listening.wait())
        await _first(background, followed.wait())
        with resources.as_file(resources.files("streamer.demo") / "call.flac") as recording:
            played = await _first(
                background,
                replay(
                    [recording],
                    to=f"ws://{settings.server.host}:{server.port}/v1/stream",
                    speed=speed,
                    roles=("customer", "agent"),
                    call_id=CALL_ID,
                    notice=True,
                ),
            )
        if played[0].error is not None:
            raise DemoError(f"the call failed: {played[0].error}")
        await _first(background, ended.wait())
        _farewell(console)
        if stay:
            console.print("  All of it stays until Ctrl-C: speak into the softphone page yourself.")
            await _first(background, asyncio.Event().wait())
    finally:
        server.drain()
        server.drain()
        for task in background[1:]:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)


async def _first(background: list[asyncio.Task[None]], work: Coroutine[object, object, T]) -> T:
    """Wait for work; an error in the background ends the demo with its reason instead of a wait without end."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task, *background], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            for other in background:
                if other.done():
                    other.result()
            raise DemoError("a part of the demo ended before the call did")
        return task.result()
    finally:
        task.cancel()


async def _follow(console: Console, settings: Settings, followed: asyncio.Event, ended: asyncio.Event) -> None:
    def on_status(status: str, _reason: str) -> None:
        if status == "connected":
            followed.set()

    async for event in subscribe(settings.mqtt.url, kinds=KINDS, on_status=on_status):
        if isinstance(event, UtteranceEvent | AlertEvent | EndedEvent | StateEvent):
            console.print(style_event(event))
        if isinstance(event, EndedEvent):
            ended.set()


def _introduce(console: Console, server: Server, settings: Settings, broker: RunningBroker, page: Running) -> None:
    card = server.card
    console.print(Text("Emotion Streamer", "bold"), "a live call becomes emotion events", sep=" · ")
    console.print(f"  broker   {broker.software} at {broker.url}", style="dim")
    console.print(
        f"  server   ws://{settings.server.host}:{settings.server.port}/v1/stream   model {card.name} {card.version}",
        style="dim",
    )
    taken = "" if page.url.endswith(f":{Served().port}/") else f"   ({Served().port} is taken)"
    console.print(f"  look     {page.link}{taken}", style="dim")
    console.print(f"  speak    {page.url}softphone/   with your own microphone", style="dim")
    console.print(f"  watch    streamer watch --mqtt {broker.url}   in another terminal shows the same", style="dim")
    console.print("  call     two synthetic voices: a customer whose power is off, and an agent", style="dim")
    console.print()
    console.print("  A moment after the customer has stopped speaking the verdict is there. Ctrl-C stops all.")
    console.print()


def _farewell(console: Console) -> None:
    console.print()
    console.print("  That was a real socket, a real model and a real broker. Yours next:")
    console.print(
        "    streamer serve  ·  streamer watch  ·  streamer replay YOUR-CALL.wav --to ws://127.0.0.1:8765/v1/stream"
    )
