"""What one call adds to the figures: its audio as it comes, the work on it, and each verdict with what it took.

Audio is counted in steps while it comes: counted only at the end, an hour's call would be invisible for an hour and
then a cliff; counted at each scrape, a thousand calls would hold up the event loop all at once. This file must never
count anything twice, and never know a call's id: no figure has one.
"""

from __future__ import annotations

import math
from typing import Final

from prometheus_client import Counter
from streamer_client.events import UtteranceEvent

from streamer.call import Call
from streamer.emotion.batcher import Judged
from streamer.heard import Heard
from streamer.metrics import AudioFault, Metrics, Stage

COUNT_EVERY_S: Final = 10.0
"""Between two steps; less than the usual 15 s between two scrapes."""
LEAST_AUDIO_MS: Final = 1000
"""A party heard for less has no share of speech worth showing."""


class Tally:
    """The figures of one call.

    Parameters
    ----------
    metrics
        Where they are shown.
    call
        The call.
    """

    def __init__(self, metrics: Metrics, call: Call) -> None:
        self._metrics = metrics
        self._call = call
        self._counted: dict[tuple[Counter | str, ...], float] = {}
        self._counted_s = -math.inf
        self._work_s = 0.0

    def worked(self, work_s: float, now_s: float) -> None:
        """Take note of work on the call's audio and how long it took; count what has come if it is time for that."""
        self._work_s += work_s
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._counted_s = now_s
            self.count_audio()

    def take_work_s(self) -> float:
        """Return the time spent on audio since this was last asked, in s."""
        work_s, self._work_s = self._work_s, 0.0
        return work_s

    def ended_s(self, heard: Heard, now_s: float) -> float:
        """Return when the speech of an utterance that was heard just now ended, on the clock of `now_s`.

        What lies between is media time, the hangover above all; in a call at the speed of life they are the same.
        """
        behind_ms = self._call.legs[heard.channel].position_ms - heard.end_ms
        return now_s - max(0, behind_ms) / 1000

    def delivered(
        self, event: UtteranceEvent, judged: Judged, *, ended_s: float, work_s: float, judged_s: float, now_s: float
    ) -> None:
        """Count a verdict that has been handed to the outbox.

        Parameters
        ----------
        event
            The verdict.
        judged
            What the model took.
        ended_s
            When its speech ended, monotonic.
        work_s
            Time spent on the audio since the utterance before.
        judged_s
            When the verdict was there.
        now_s
            When the outbox had it.
        """
        emotion = event.data.emotion
        self._metrics.utterances.labels(emotion.top, str(emotion.uncertain).lower()).inc()
        stages = {
            Stage.AUDIO: work_s,
            Stage.QUEUE: judged.queue_ms / 1000,
            Stage.MODEL: judged.compute_ms / 1000,
            Stage.OUTBOX: now_s - judged_s,
        }
        for stage, seconds in stages.items():
            self._metrics.stage_latency.labels(stage).observe(seconds)
        self._metrics.event_latency.observe(now_s - ended_s)

    def count_audio(self) -> None:
        """Add what has come since the last time to the totals."""
        legs, metrics = self._call.legs, self._metrics
        counters = [leg.timeline.counters for leg in legs]
        lost_ms = sum(one.lost_ms for one in counters)
        late_ms = sum(one.late_ms for one in counters)
        duplicate_ms = sum(one.duplicate_ms for one in counters)
        dialect = self._call.identity.call.dialect
        self._count(metrics.audio, sum(leg.position_ms for leg in legs) / 1000)
        self._count(metrics.speech, sum(leg.activity.summary.talk_ms for leg in legs) / 1000)
        self._count(metrics.audio_faults, lost_ms / 1000, AudioFault.LOST)
        self._count(metrics.audio_faults, late_ms / 1000, AudioFault.LATE)
        self._count(metrics.audio_faults, duplicate_ms / 1000, AudioFault.DUPLICATE)
        self._count(metrics.messages_missing, self._call.missing_messages, dialect)

    def finish(self) -> None:
        """Add what is left at the end of the call, and what share of it was speech."""
        self.count_audio()
        for leg in self._call.legs:
            if leg.position_ms >= LEAST_AUDIO_MS:
                self._metrics.speech_ratio.observe(leg.activity.summary.talk_ms / leg.position_ms)

    def _count(self, counter: Counter, total: float, *labels: str) -> None:
        """Add to a counter by how much the call's own total has grown since it was last counted."""
        key: tuple[Counter | str, ...] = (counter, *labels)
        more = total - self._counted.get(key, 0.0)
        # Some totals go back a little: what seemed lost comes after all. A counter cannot, so it waits until then.
        if more > 0:
            self._counted[key] = total
            (counter.labels(*labels) if labels else counter).inc(more)
