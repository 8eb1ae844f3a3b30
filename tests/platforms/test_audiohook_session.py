"""An AudioHook session in the server's own order: Genesys gives up on a call whose `opened` waits for anything slow."""

from __future__ import annotations

import asyncio
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import soundfile

from streamer.emotion.model import EmotionModel
from streamer.session import Session
from streamer.wire.audiohook import AudioHook
from streamer.wire.events import Message
from tests.streams import ADMITTED, ListPeer, LivePeer, served

ORGANIZATION = "d7934305-0972-4844-938e-9060eef73d05"
SESSION = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
L16 = {"type": "audio", "format": "L16", "channels": ["external", "internal"], "rate": 8000}
OPEN = {"organizationId": ORGANIZATION, "conversationId": "C1", "media": [L16]}


@pytest.fixture(scope="module")
def spoken() -> bytes:
    """Some of the demo call, interleaved."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return soundfile.read(path, dtype="int16", frames=10 * 8000)[0].tobytes()


def message(seq: int, kind: str, **parameters: Any) -> str:
    said = {"version": "2", "id": SESSION, "type": kind, "seq": seq, "serverseq": 0, "position": "PT0S"}
    return json.dumps({**said, "parameters": parameters})


def dialect() -> AudioHook:
    return AudioHook(SESSION, ORGANIZATION, wants_events=True)


async def test_opened_goes_out_before_outbox_and_model_are_asked(
    model: EmotionModel, tmp_path: Path, spoken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    class Peer(ListPeer):
        async def send(self, message: Message) -> None:
            await super().send(message)
            order.append(self.kinds()[-1])

    async with served(model, tmp_path) as make:
        its = await make()
        put, submit = its.bus.state, its.batcher.submit

        async def state(*given: Any) -> None:
            order.append("outbox")
            await put(*given)

        def judge(*given: Any, **named: Any) -> Any:
            order.append("model")
            return submit(*given, **named)

        monkeypatch.setattr(its.bus, "state", state)
        monkeypatch.setattr(its.batcher, "submit", judge)
        peer = Peer([message(1, "open", **OPEN), spoken, message(2, "ping"), message(3, "close", reason="end")])
        await Session(peer, dialect(), ADMITTED, its).run()
    assert order[:2] == ["opened", "outbox"]
    assert order.index("model") > 1
    assert order[-1] == "closed"
    assert [said["seq"] for said in peer.heard] == [*range(1, len(peer.heard) + 1)]


async def test_opened_does_not_wait_for_an_outbox_that_hangs(
    model: EmotionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(model, tmp_path) as make:
        its = await make()
        put, free = its.bus.state, asyncio.Event()

        async def state(*given: Any) -> None:
            await free.wait()
            await put(*given)

        monkeypatch.setattr(its.bus, "state", state)
        peer = LivePeer(message(1, "open", **OPEN))
        running = asyncio.create_task(Session(peer, dialect(), ADMITTED, its).run())
        await peer.until_told("opened")
        assert not free.is_set()
        free.set()
        peer.end_with(message(2, "close", reason="end"))
        await peer.until_told("closed")
        peer.hang_up()
        await running
    assert peer.kinds() == ["opened", "closed"]
