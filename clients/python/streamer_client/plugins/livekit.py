"""For LiveKit Agents (https://docs.livekit.io/agents): a participant's audio goes to the server, its events come back.

Two ways in: :meth:`EmotionTap.tap` passes the frames of an agent's ``stt_node`` through, and :meth:`EmotionTap.follow`
listens to a track of a room beside everything else. Written against livekit 1.1 and livekit-agents 1.8. This file must
never make a frame wait for the server.
"""

# Where LiveKit is not installed, nothing is known of its classes.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

try:
    from livekit import rtc
except ImportError as problem:
    raise ImportError(f"{problem}; install LiveKit: pip install 'emotion-streamer-client[livekit]'") from problem

from streamer_client.plugins.feed import Feed


class EmotionTap(Feed):
    """Streams a participant's audio to an Emotion Streamer; takes what :class:`streamer_client.plugins.feed.Feed` does.

    End it by :meth:`close`, for instance in a shutdown callback of the job.
    """

    async def tap(self, audio: AsyncIterable[rtc.AudioFrame]) -> AsyncIterator[rtc.AudioFrame]:
        """Yield the frames as they come, each the very same."""
        async for frame in audio:
            self._take(frame)
            yield frame

    async def follow(self, track: rtc.Track) -> None:
        """Listen to an audio track until it ends."""
        stream = rtc.AudioStream(track)
        try:
            async for heard in stream:
                self._take(heard.frame)
        finally:
            await stream.aclose()

    def _take(self, frame: rtc.AudioFrame) -> None:
        self.push(bytes(frame.data), frame.sample_rate, frame.num_channels)
