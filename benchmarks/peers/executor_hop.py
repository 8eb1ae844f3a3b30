"""Peer "executor_hop": every message goes through a thread pool and back before the next one is read.

The shape of the usual speech servers in Python. Vosk's WebSocket server (alphacep/vosk-server, websocket/asr_server.py)
awaits `loop.run_in_executor(pool, process_chunk, ...)` for each message, with as many threads as there are cores; the
voice agents (pipecat's input transport, LiveKit's silero plugin) await the executor for each chunk that their detector
hears. It keeps the event loop free of work, and costs two changes of thread, a future and a wake-up of the loop each
time, which for 20 ms of audio are dearer than the work.

Per message, in the pool: mu-law by table, the product's detector and segmentation, the product's own rolling MFCCs. One
hop for whatever a message holds: two legs and 100 ms cost one, too. At the end of an utterance: one run of the model.
The features are the product's, so the verdict must be the product's. This file must never hop more than once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np

from benchmarks.peers.legs import Features, FramedLeg, Leg, Rolled, Spoken, product_vad
from benchmarks.peers.shared import Shape, hear, main
from benchmarks.peers.wire import Sound
from streamer.emotion.model import EmotionModel
from streamer.speech.vad import RATE_HZ


class ExecutorHop(Shape):
    """A thread pool in the way of each message."""

    name: ClassVar[str] = "executor_hop"

    def __init__(self, model: EmotionModel) -> None:
        super().__init__(model)
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "speech")

    def leg(self, channel: int, *, is_linear: bool, is_analysed: bool) -> Leg:
        """Return a fresh leg; one thread at a time has it, for its socket is not read meanwhile."""
        gather = (lambda: Rolled(self.model.new_features())) if is_analysed else None
        return FramedLeg(channel, is_linear=is_linear, vad=product_vad(), gather=gather)

    async def hear(self, legs: Sequence[Leg], sound: Sound) -> list[Spoken]:
        """Do the work of a message in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, hear, legs, sound)

    def warm_up(self) -> Features:
        """Return the features of a second of silence."""
        gathered = Rolled(self.model.new_features())
        gathered.add(np.zeros(RATE_HZ, np.int16))
        return gathered.features(RATE_HZ)


if __name__ == "__main__":
    main(ExecutorHop)
