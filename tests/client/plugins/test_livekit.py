from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc
from streamer_client.plugins.livekit import EmotionTap

NOBODY = "ws://127.0.0.1:1"


def frame(value: int = 1, rate_hz: int = 24000) -> rtc.AudioFrame:
    samples = rate_hz // 50
    return rtc.AudioFrame(value.to_bytes(2, "little") * samples, rate_hz, 1, samples)


async def said(*frames: rtc.AudioFrame) -> AsyncIterator[rtc.AudioFrame]:
    for one in frames:
        yield one


async def test_frames_pass_as_they_are_and_events_come_back(server: Any, make: Any) -> None:
    server.events = [make.utterance(1), make.utterance(2)]
    heard: list[Any] = []

    async def on_event(event: Any) -> None:
        heard.append(event)

    tap = EmotionTap(server.url, call_id="CA1", on_event=on_event)
    frames = [frame(value) for value in range(1, 4)]
    passed = [one async for one in tap.tap(said(*frames))]
    await tap.close()
    assert list(map(id, passed)) == list(map(id, frames))
    assert heard == server.events
    assert server.calls[0].texts[0]["sample_rate"] == 24000
    assert server.calls[0].audio == b"".join(bytes(one.data) for one in frames)


async def test_the_agent_goes_on_without_a_server() -> None:
    async def on_event(_event: Any) -> None: ...

    tap = EmotionTap(NOBODY, call_id="CA1", on_event=on_event, queue_s=0.1)
    frames = [frame() for _ in range(200)]
    assert [one async for one in tap.tap(said(*frames))] == frames
    assert tap.dropped_ms == 200 * 20 - 100
    await tap.close()


async def test_an_agent_hears_what_it_would_have_heard(server: Any) -> None:
    agents = pytest.importorskip("livekit.agents", reason="needs LiveKit Agents: pip install livekit-agents")

    async def on_event(_event: Any) -> None: ...

    class Caller(agents.Agent):
        def __init__(self) -> None:
            super().__init__(instructions="")
            self.emotions = EmotionTap(server.url, call_id="CA1", on_event=on_event)

        async def stt_node(self, audio: Any, model_settings: Any) -> AsyncIterator[Any]:  # noqa: ARG002 - the base's
            async for one in self.emotions.tap(audio):
                yield one

    caller = Caller()
    frames = [frame(value) for value in range(1, 4)]
    assert [one async for one in caller.stt_node(said(*frames), agents.ModelSettings())] == frames
    await caller.emotions.close()
    assert server.calls[0].audio == b"".join(bytes(one.data) for one in frames)


async def test_a_track_is_followed_beside_everything_else(server: Any) -> None:
    async def on_event(_event: Any) -> None: ...

    source = rtc.AudioSource(48000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    connected = asyncio.Event()
    tap = EmotionTap(server.url, call_id="CA1", on_event=on_event, on_status=lambda *_: connected.set())
    following = asyncio.create_task(tap.follow(track))
    while not connected.is_set():
        await source.capture_frame(frame(1000, 48000))
    following.cancel()
    await asyncio.wait([following])
    await tap.close()
    await source.aclose()
    assert server.calls[0].texts[0]["sample_rate"] == 48000


async def test_the_guides_agent_runs(
    server: Any, make: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = pytest.importorskip("livekit.agents", reason="needs LiveKit Agents: pip install livekit-agents")
    server.events = [make.utterance(1), make.utterance(2, uncertain=True), make.ended()]
    code = (Path(__file__).parents[3] / "docs/plugins.md").read_text(encoding="utf-8").split("```python\n")[2]
    names: dict[str, Any] = {}
    exec(code.partition("```")[0].replace("ws://127.0.0.1:8765", server.url), names)  # noqa: S102 - our own document
    # No speech recognition here: the default node hands on what it is given.
    monkeypatch.setattr(agents.Agent.default, "stt_node", lambda _agent, audio, _settings: audio)
    caller = names["Caller"]()
    frames = [frame(value) for value in range(1, 4)]
    assert [one async for one in caller.stt_node(said(*frames), agents.ModelSettings())] == frames
    await caller.on_exit()
    assert capsys.readouterr().out == "angry 0.8\n"
    assert server.calls[0].audio == b"".join(bytes(one.data) for one in frames)
