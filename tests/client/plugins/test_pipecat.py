from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what pipecat itself imports is its own affair
    from pipecat.frames.frames import (
        CancelFrame,
        Frame,
        InputAudioRawFrame,
        OutputAudioRawFrame,
        TextFrame,
        UserStartedSpeakingFrame,
    )
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.tests.utils import run_test
    from streamer_client.plugins.pipecat import EmotionFrame, EmotionProcessor

from streamer_client.errors import OptionError

NOBODY = "ws://127.0.0.1:1"
START_S = 60.0
"""Only how long a broken test hangs."""


def audio(value: int = 1, rate_hz: int = 16000) -> InputAudioRawFrame:
    samples = value.to_bytes(2, "little") * (rate_hz // 50)
    return InputAudioRawFrame(audio=samples, sample_rate=rate_hz, num_channels=1)


async def through(processor: FrameProcessor, *frames: Frame, **options: Any) -> list[Frame]:
    """Run a pipeline with a processor in it; return what came out below."""
    down, _ = await run_test(processor, frames_to_send=frames, start_timeout=START_S, **options)
    return list(down)


async def test_events_come_downstream_before_the_end(server: Any, make: Any) -> None:
    server.events = [make.utterance(1), make.utterance(2)]
    processor = EmotionProcessor(server.url, call_id="CA1", key="secret")
    down = await through(processor, *map(audio, range(1, 4)))
    assert [frame.event for frame in down if isinstance(frame, EmotionFrame)] == server.events
    assert server.calls[0].audio == b"".join(audio(value).audio for value in range(1, 4))
    assert server.calls[0].texts[-1] == {"type": "stop"}


async def test_every_frame_passes_as_it_is_and_in_order(server: Any) -> None:
    frames = [
        audio(1),
        UserStartedSpeakingFrame(),
        audio(2),
        TextFrame("hello"),
        OutputAudioRawFrame(audio=b"\1\0", sample_rate=8000, num_channels=1),
    ]
    down = await through(EmotionProcessor(server.url, call_id="CA1"), *frames)
    for kind in (InputAudioRawFrame, UserStartedSpeakingFrame, TextFrame, OutputAudioRawFrame):
        sent = [frame for frame in frames if isinstance(frame, kind)]
        passed = [frame for frame in down if isinstance(frame, kind)]
        assert list(map(id, passed)) == list(map(id, sent))
    assert server.calls[0].audio == audio(1).audio + audio(2).audio, "only what the user says goes out"


async def test_the_pipeline_goes_on_without_a_server() -> None:
    processor = EmotionProcessor(NOBODY, call_id="CA1", queue_s=0.1)
    frames = [audio() for _ in range(200)]
    assert await through(processor, *frames) == frames
    assert processor.feed.dropped_ms == 200 * 20 - 100


async def test_a_cancelled_pipeline_breaks_the_call_off(server: Any) -> None:
    processor = EmotionProcessor(server.url, call_id="CA1")
    await through(processor, audio(), CancelFrame(), send_end_frame=False)
    assert not any({"type": "stop"} in call.texts for call in server.calls)


async def test_the_guides_pipeline_runs(server: Any, make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server.events = [make.utterance(1), make.utterance(2, uncertain=True), make.ended()]
    code = (Path(__file__).parents[3] / "docs/plugins.md").read_text(encoding="utf-8").split("```python\n")[1]
    names: dict[str, Any] = {}
    exec(code.partition("```")[0].replace("ws://127.0.0.1:8765", server.url), names)  # noqa: S102 - our own document
    await through(names["pipeline"], audio())
    assert capsys.readouterr().out == "angry 0.8\n"
    assert server.calls[0].texts[0]["notice"] is True


def test_an_argument_that_cannot_be_right_is_refused() -> None:
    with pytest.raises(OptionError):
        EmotionProcessor(NOBODY, call_id="CA1", role="caller")
