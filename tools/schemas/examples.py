"""One message of each kind as an example for the documentation, made of the same types as the real ones."""

from __future__ import annotations

import json
from typing import Any, Final

from streamer_client import events
from streamer_client.events import CallRef, Cut, Event, Severity, Status

_NODE: Final = "/nodes/node-1"
_CALL: Final = CallRef(id="CA1", dialect="twilio", labels={"queue": "billing"})
_SCORES: Final = {"neutral": 0.08, "happy": 0.01, "sad": 0.02, "angry": 0.81, "fear": 0.03, "disgust": 0.05}


def _verdict(end_ms: int, cut: Cut | None) -> events.UtteranceData:
    return events.UtteranceData(
        call=_CALL,
        speaker=events.Speaker(role="customer", channel=0),
        utterance=events.Utterance(n=17, start_ms=61240, end_ms=end_ms, speech_ms=end_ms - 61500, cut=cut),
        emotion=events.Emotion(top="angry", confidence=0.81, uncertain=False, scores=_SCORES),
        quality=events.Quality(snr_db=18.2, clipped=0.0, lost_ms=0),
        model=events.ModelRef(name="telephone", version="1.0.0", sha256="5f" * 32),
        latency=events.Latency(hangover_ms=400 if cut else 0, queue_ms=1.2, compute_ms=2.9),
    )


EVENTS: Final[dict[str, Event]] = {
    "utterance": events.UtteranceEvent(
        id="01KAVP8B3J2V9W4M7Q6T5R1Y0A",
        source=_NODE,
        subject="CA1/customer/17",
        time="2026-11-22T10:15:04.210Z",
        sequence="0000000017",
        data=_verdict(64210, Cut.SILENCE),
    ),
    "partial": events.PartialEvent(
        id="01KAVP8A0G2V9W4M7Q6T5R1Y0A",
        source=_NODE,
        subject="CA1/customer/17",
        time="2026-11-22T10:15:01.040Z",
        sequence="0000000016.00001",
        data=_verdict(63240, None),
    ),
    "state": events.StateEvent(
        id="01KAVP6D5C2V9W4M7Q6T5R1Y0A",
        source=_NODE,
        subject="CA1",
        time="2026-11-22T10:14:00.970Z",
        data=events.StateData(
            call=_CALL, status="live", roles=("customer", "agent"), analysed=("customer",), notice=True
        ),
    ),
    "ended": events.EndedEvent(
        id="01KAVPC7Q82V9W4M7Q6T5R1Y0A",
        source=_NODE,
        subject="CA1",
        time="2026-11-22T10:17:12.520Z",
        data=events.EndedData(
            call=_CALL,
            duration_ms=191500,
            utterances=31,
            overlap_ms=2140,
            reason="stop",
            speakers=(
                events.SpeakerSummary(
                    role="customer",
                    channel=0,
                    analysed=True,
                    utterances=31,
                    talk_ms=88200,
                    silence_ms=103300,
                    loudness_dbfs=-22.4,
                    syllables_per_s=4.31,
                    lost_ms=0,
                    emotions={"neutral": 14, "angry": 6},
                ),
                events.SpeakerSummary(
                    role="agent",
                    channel=1,
                    analysed=False,
                    utterances=0,
                    talk_ms=71020,
                    silence_ms=120480,
                    loudness_dbfs=-25.0,
                    syllables_per_s=3.9,
                    lost_ms=0,
                ),
            ),
        ),
    ),
    "alert": events.AlertEvent(
        id="01KAVP8B4M2V9W4M7Q6T5R1Y0A",
        source="/alerts",
        subject="CA1",
        time="2026-11-22T10:15:04.240Z",
        data=events.AlertData(
            call=_CALL,
            rule="angry-customer",
            severity=Severity.WARNING,
            role="customer",
            message="The customer was angry twice within 60 s. Listen in.",
            utterances=("01KAVP7ZQ12V9W4M7Q6T5R1Y0A", "01KAVP8B3J2V9W4M7Q6T5R1Y0A"),
        ),
    ),
    "acknowledgement": events.AcknowledgementEvent(
        id="01KAVP96RS2V9W4M7Q6T5R1Y0A",
        source="/dashboard",
        subject="CA1",
        time="2026-11-22T10:15:32.500Z",
        data=events.AcknowledgementData(
            call=_CALL, alert="01KAVP8B4M2V9W4M7Q6T5R1Y0A", by="desk-2", note="Took the call over."
        ),
    ),
    "status": events.StatusEvent(
        id="01KAVP00002V9W4M7Q6T5R1Y0A",
        source=_NODE,
        subject="node-1",
        time="2026-11-22T10:10:32.000Z",
        data=events.StatusData(node="node-1", status=Status.ONLINE, version="0.1.0"),
    ),
}

_START: Final[dict[str, Any]] = {
    "type": "start",
    "version": 1,
    "call_id": "CA1",
    "channels": [{"role": "customer"}, {"role": "agent"}],
    "encoding": "pcm_s16le",
    "sample_rate": 8000,
    "labels": {"queue": "billing"},
    "events": True,
    "notice": True,
}
_TOO_LATE: Final = "'start' came twice; open one stream for each call"
NATIVE: Final[dict[str, dict[str, Any]]] = {
    "start": _START,
    "gap": {"type": "gap", "duration_ms": 1500},
    **{kind: {"type": kind} for kind in ("pause", "resume", "notice", "withdraw", "stop")},
    "ready": {"type": "ready", "session_id": "8f2c6a1be3d94507", "analysed": ["customer"]},
    "event": {"type": "event", "event": json.loads(events.encode(EVENTS["utterance"]))},
    "error": {"type": "error", "code": "start_twice", "message": _TOO_LATE},
    "ended": {"type": "ended", "utterances": 31},
}


def of(path: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the example for a schema's path, like ``event/utterance.json``."""
    folder, _, name = path.removesuffix(".json").partition("/")
    return json.loads(events.encode(EVENTS[name])) if folder == "event" else NATIVE[name]
