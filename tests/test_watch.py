"""What nobody sends a message about: silence is noticed and ended, a pause is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from streamer.load.shedding import Level
from streamer.session import Session
from streamer.watch import WATCH_S, Watch
from tests.nodes import closing, overload, ready, readyz, serve, url
from tests.streams import gauge


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Any]:
    """Run a node: `async with serving(server__max_calls=1) as server`."""
    return partial(serve, tmp_path)


async def test_a_silent_call_is_ended_but_a_paused_one_is_not(serving) -> None:
    async with (
        serving(audio__idle_s=0.6, audio__stall_ms=100) as server,
        connect(url(server)) as silent,
        connect(url(server)) as paused,
    ):
        await ready(silent)
        await ready(paused)
        await paused.send('{"type":"pause"}')
        assert json.loads(await silent.recv())["code"] == "idle"
        assert await closing(silent) == 1008
        await paused.send('{"type":"resume"}')
        await paused.send('{"type":"stop"}')
        assert json.loads(await paused.recv())["type"] == "ended"


async def test_a_stream_that_cannot_be_ended_does_not_bring_the_node_down(
    serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "expire", lambda *_: 1 / 0)
    async with serving(audio__idle_s=0.1) as server, connect(url(server)) as socket:
        with capture_logs() as logs:
            await ready(socket)
            while "a stream could not be ended" not in [log["event"] for log in logs]:
                await readyz(server)
            await socket.send('{"type":"stop"}')
            assert json.loads(await socket.recv())["type"] == "ended"
        assert await readyz(server) == "200 ready"


def looked(watch: Watch, lag_s: float, seconds: float, began_s: float = 0) -> float:
    """Have it look for so long at a loop with this lag; return when that was over."""
    looks = round(seconds / WATCH_S)
    for n in range(looks):
        watch.shed(began_s + n * WATCH_S, lag_s)
    return began_s + looks * WATCH_S


async def test_a_node_with_too_much_to_do_says_once_what_it_does_not_do_and_when_it_does_it_again(services) -> None:
    its = await services(limits__shed_lag_ms=100)
    watch = Watch(its, [])
    with capture_logs() as logs:
        now_s = looked(watch, 0.05, 60)
        assert (its.shedding.level, its.admission.overloaded) == (Level.ALL, False)
        now_s = looked(watch, 0.15, 60, now_s)
        assert (its.shedding.level, its.admission.overloaded) == (Level.NO_PARTIALS, False)
        now_s = looked(watch, 0.5, 60, now_s)
        assert (its.shedding.level, its.admission.overloaded) == (Level.NO_CALLS, True)
        assert gauge(its, "shedding_level") == 2
        looked(watch, 0, 60, now_s)
        assert (its.shedding.level, its.admission.overloaded) == (Level.ALL, False)
        assert gauge(its, "shedding_level") == 0
    assert [(log["level"], log["log_level"]) for log in logs] == [
        (1, "warning"),
        (2, "warning"),
        (1, "warning"),
        (0, "info"),
    ]
    assert logs[1]["lag_ms"] > 200
    assert "new calls are refused" in logs[1]["event"]


async def test_an_outbox_that_is_about_to_lose_events_is_given_no_new_calls(services) -> None:
    its = await services()
    watch = Watch(its, [])
    its.bus._outbox.strained = True
    watch.shed(0, 0)
    assert its.admission.overloaded
    its.bus._outbox.strained = False
    watch.shed(1, 0)
    assert not its.admission.overloaded


async def test_a_model_that_does_not_keep_up_sheds_as_well(services, monkeypatch: pytest.MonkeyPatch) -> None:
    its = await services(limits__shed_lag_ms=0, limits__shed_queue_ms=1000)
    monkeypatch.setattr(type(its.batcher), "waited_s", property(lambda _: 9.0))
    with capture_logs() as logs:
        looked(Watch(its, []), 0, 60)
    assert [(log["level"], log["queue_ms"]) for log in logs] == [(1, 9000), (2, 9000)]


async def test_an_overloaded_node_is_not_ready_and_says_so_to_a_caller_but_keeps_the_calls_it_has(serving) -> None:
    async with serving() as server, connect(url(server)) as live, connect(url(server)) as late:
        await ready(live)
        overload(server, Level.NO_CALLS)
        assert (await readyz(server)).startswith("503 overloaded")
        refused = await ready(late)
        assert refused["code"] == "overloaded"
        assert await closing(late) == 1013
        await live.send('{"type":"stop"}')
        assert json.loads(await live.recv())["type"] == "ended"
        overload(server, Level.ALL)
        assert await readyz(server) == "200 ready"
