"""A processor for pipecat (https://docs.pipecat.ai): the caller's audio goes to the server, its events go downstream.

Put it behind the transport's input. Every frame passes unchanged and at once; each emotion event is pushed downstream
as an :class:`EmotionFrame`. Written against pipecat-ai 1.14. This file must never make a frame wait for the server,
but for the one that ends the pipeline, which waits some seconds for the last events.
"""

# Where pipecat is not installed, nothing is known of its classes.
# mypy: disable-error-code="import-not-found,misc"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

try:
    from pipecat.frames.frames import CancelFrame, EndFrame, Frame, InputAudioRawFrame, SystemFrame
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
except ImportError as problem:
    raise ImportError(f"{problem}; install pipecat: pip install 'emotion-streamer-client[pipecat]'") from problem

from streamer_client.events import Event
from streamer_client.plugins.feed import Feed, OnStatus


@dataclass
class EmotionFrame(SystemFrame):
    """An emotion event; a system frame, so that the caller's barging in does not throw it away."""

    event: Event


class EmotionProcessor(FrameProcessor):
    """Streams the input audio to an Emotion Streamer and pushes its events downstream.

    Parameters
    ----------
    url, call_id, role, key, labels, notice, queue_s, on_status
        As :class:`streamer_client.plugins.feed.Feed` takes them.
    close_s : float
        How long the end of the pipeline waits for the last events.

    Raises
    ------
    OptionError
        An argument that cannot be right.
    """

    def __init__(
        self,
        url: str,
        *,
        call_id: str,
        role: str = "customer",
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        notice: bool = False,
        queue_s: float = 2.0,
        on_status: OnStatus | None = None,
        close_s: float = 5.0,
        **options: Any,  # noqa: ANN401 - of the base class
    ) -> None:
        super().__init__(**options)
        self._close_s = close_s
        self.feed = Feed(
            url,
            call_id=call_id,
            on_event=self._said,
            role=role,
            key=key,
            labels=labels,
            notice=notice,
            queue_s=queue_s,
            on_status=on_status,
        )
        """Where the audio goes; its `dropped_ms` tells what was left out."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass a frame on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.feed.push(frame.audio, frame.sample_rate, frame.num_channels)
        elif isinstance(frame, EndFrame):
            await self.feed.close(self._close_s)
        elif isinstance(frame, CancelFrame):
            await self.feed.abort()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Leave nothing behind."""
        await self.feed.abort()
        await super().cleanup()

    async def _said(self, event: Event) -> None:
        await self.push_frame(EmotionFrame(event))
