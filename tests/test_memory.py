"""What a server holds of a call dies with the call: audio, features, what is known of the caller's voice.

However a call ends, nothing may be left that refers to any of it. That no file ever had it is seen from outside, in
`end_to_end/test_planted_values.py`.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest
import soundfile

from streamer import call as call_module
from streamer import conversation
from streamer.session import Services, Session
from streamer.wire.native import Native
from tests.streams import ADMITTED, STOP, ListPeer, NativePart, start

WITHDRAW = '{"type":"withdraw"}'


@pytest.fixture(scope="module")
def spoken() -> bytes:
    """Half a minute of the demo call."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return soundfile.read(path, dtype="int16", frames=30 * 8000)[0].tobytes()


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """What is left must go at once, not when cycles are next looked for, which may be minutes later."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Watch:
    """Weak references to all that is made of a call, by what it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, its: Services) -> None:
        self._seen: list[tuple[str, weakref.ref[Any]]] = []
        for module, name in ((conversation, "Call"), (call_module, "Leg")):
            monkeypatch.setattr(module, name, self._watched(getattr(module, name), name))
        submit = its.batcher.submit

        def seen(features: Any, caller: Any, **more: Any) -> Any:
            self._see("features", features)
            self._see("caller", caller)
            return submit(features, caller, **more)

        monkeypatch.setattr(its.batcher, "submit", seen)

    @property
    def kinds(self) -> set[str]:
        """What has been seen."""
        return {name for name, _ in self._seen}

    def left(self) -> list[str]:
        """Return what is still there."""
        return sorted(name for name, reference in self._seen if reference() is not None)

    def _watched(self, make: Callable[..., Any], name: str) -> Callable[..., Any]:
        def made(*given: Any, **named: Any) -> Any:
            one = make(*given, **named)
            self._see(name, one)
            return one

        return made

    def _see(self, name: str, one: Any) -> None:
        self._seen.append((name, weakref.ref(one)))


async def ended(its: Services, dialect: Native, *says: str | bytes) -> None:
    await Session(ListPeer(says), dialect, ADMITTED, its).run()


@pytest.mark.parametrize(
    "last",
    [[STOP], [], ['{"type":"no such"}'], [WITHDRAW, STOP], [WITHDRAW], ['{"type":"pause"}', b"\x00"]],
    ids=["stopped", "cut off", "nonsense", "withdrawn", "withdrawn and cut off", "in the middle of a sample"],
)
@pytest.mark.parametrize("dialect", [Native, NativePart])
async def test_of_a_call_that_is_over_nothing_is_left(
    services: Any, spoken: bytes, monkeypatch: pytest.MonkeyPatch, last: list[str | bytes], dialect: type[Native]
) -> None:
    its = await services(audio__join_grace_s=0, emotion__partial_every_ms=500)
    watch = Watch(monkeypatch, its)
    await ended(its, dialect(), start(), spoken, *last)
    assert watch.kinds == {"Call", "Leg", "features", "caller"}
    await asyncio.wait_for(its.batcher.close(), 60)  # its thread has let go of the last job
    assert watch.left() == []


async def test_while_a_call_is_live_its_legs_are_there_to_be_found(
    services: Any, spoken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    its = await services()
    watch = Watch(monkeypatch, its)
    peer = ListPeer([start(), spoken], stays=True)
    session = Session(peer, Native(), ADMITTED, its)
    running = asyncio.create_task(session.run())
    await peer.until_told("event")
    assert {"Call", "Leg", "caller"} <= set(watch.left())
    await peer.close(1000, "")
    await running
    del session, running
    assert watch.left() == []
