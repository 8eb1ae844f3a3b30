"""Events as tables: pandas frames, one row per utterance or one per call, with the same columns whatever came.

Needs the extra ``pandas``. This file must never subscribe, and never show of anyone what the events do not carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer_client.errors import ClientError, RecordingError
from streamer_client.events import (
    EMOTIONS,
    AlertEvent,
    CallRef,
    Cut,
    EndedEvent,
    Event,
    EventError,
    SpeakerSummary,
    UnknownEvent,
    UtteranceEvent,
    decode,
)

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

Source = Iterable[Event] | str | PathLike[str]

_UTTERANCES = {
    "event_id": "string",
    "time": "time",
    "call_id": "string",
    "tenant": "category",
    "dialect": "category",
    "role": "category",
    "n": "int64",
    "start_ms": "int64",
    "end_ms": "int64",
    "speech_ms": "int64",
    "cut": "cut",
    "emotion": "emotion",
    "confidence": "float64",
    "uncertain": "bool",
    **{f"score_{emotion}": "float64" for emotion in EMOTIONS},
    "snr_db": "float64",
    "clipped": "float64",
    "lost_ms": "int64",
    "model": "category",
    "model_version": "category",
    "hangover_ms": "int64",
    "queue_ms": "float64",
    "compute_ms": "float64",
}
_ROLES = ("customer", "agent")
_MEASURES = {"talk_ms": "Int64", "silence_ms": "Int64", "loudness_dbfs": "float64", "syllables_per_s": "float64"}
_CALLS = {
    "event_id": "string",
    "time": "time",
    "call_id": "string",
    "tenant": "category",
    "dialect": "category",
    "reason": "category",
    "duration_ms": "int64",
    "utterances": "int64",
    "overlap_ms": "int64",
    "alerts": "int64",
    **{f"{role}_{measure}": dtype for role in _ROLES for measure, dtype in _MEASURES.items()},
    **{f"said_{emotion}": "int64" for emotion in EMOTIONS},
}


def to_frame(source: Source) -> pd.DataFrame:
    """Return the utterances as a table, one row each, in the order in which they came.

    Parameters
    ----------
    source : iterable of events, or path
        Events of any kind, or a file of JSON lines as ``watch --json`` writes it. What is no utterance is passed
        over, and an event that comes again counts once.

    Returns
    -------
    pandas.DataFrame
        Columns, the same whatever came: ``event_id``, ``call_id`` (string); ``time`` (UTC, of the event);
        ``tenant``, ``dialect``, ``role``, ``model``, ``model_version``, ``cut``, ``emotion`` (category; ``emotion``
        knows all names there are); ``n``, ``start_ms``, ``end_ms``, ``speech_ms``, ``lost_ms``, ``hangover_ms``
        (int64; places are on the call's media clock); ``confidence`` and ``score_<emotion>`` (float64, 0 to 1; NaN
        for an emotion that the model does not know); ``uncertain`` (bool: treat ``emotion`` as no verdict);
        ``snr_db``, ``clipped``, ``queue_ms``, ``compute_ms`` (float64). Behind them ``label_<name>`` (string) for
        every label that occurs.

    Raises
    ------
    ClientError
        pandas is not installed.
    RecordingError
        The file cannot be read, or a line of it is no event.
    """
    return _table(map(_utterance, _each_once(source, UtteranceEvent)), _UTTERANCES)


def calls_to_frame(source: Source) -> pd.DataFrame:
    """Return the calls that have ended as a table, one row each, in the order in which they ended.

    Parameters
    ----------
    source : iterable of events, or path
        As :func:`to_frame` takes it; ``ended`` events make the rows, ``alert`` events are counted for them.

    Returns
    -------
    pandas.DataFrame
        Columns: ``event_id``, ``call_id`` (string); ``time`` (UTC, of the end); ``tenant``, ``dialect``, ``reason``
        (category); ``duration_ms``, ``utterances``, ``overlap_ms``, ``alerts`` (int64); for ``customer`` and
        ``agent``, where on the call, ``<role>_talk_ms``, ``<role>_silence_ms`` (Int64, <NA> if not),
        ``<role>_loudness_dbfs``, ``<role>_syllables_per_s`` (float64, NaN if not); ``said_<emotion>`` (int64): certain
        verdicts of everyone who was analysed, by default the customer alone. Behind them ``label_<name>`` (string).

    Raises
    ------
    ClientError
        pandas is not installed.
    RecordingError
        The file cannot be read, or a line of it is no event.
    """
    alerts: dict[tuple[str, str], int] = {}
    ended = []
    for event in _each_once(source, EndedEvent | AlertEvent):
        if isinstance(event, EndedEvent):
            ended.append(event)
        else:
            key = (event.data.call.tenant, event.data.call.id)
            alerts[key] = alerts.get(key, 0) + 1
    return _table((_call(event, alerts) for event in ended), _CALLS)


def read_events(path: str | PathLike[str]) -> Iterator[Event]:
    """Yield the events of a file of JSON lines, in order; those of unknown types are left out.

    Raises
    ------
    RecordingError
        The file cannot be read, or a line of it is no event.
    """
    try:
        with Path(path).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    event = decode(line)
                except EventError as problem:
                    raise RecordingError(f"{path}, line {number}: {problem}") from problem
                if not isinstance(event, UnknownEvent):
                    yield event
    except OSError as problem:
        raise RecordingError(f"cannot read the events in {path}: {problem.strerror}") from problem


def _each_once(source: Source, kinds: Any) -> Iterator[Any]:  # noqa: ANN401 - classes, or a union of them
    seen = set()
    for event in read_events(source) if isinstance(source, str | PathLike) else source:
        if isinstance(event, kinds) and event.id not in seen:
            seen.add(event.id)
            yield event


def _utterance(event: UtteranceEvent) -> dict[str, Any]:
    data = event.data
    return {
        **_common(event.id, event.time, data.call),
        "role": data.speaker.role,
        "n": data.utterance.n,
        "start_ms": data.utterance.start_ms,
        "end_ms": data.utterance.end_ms,
        "speech_ms": data.utterance.speech_ms,
        "cut": data.utterance.cut and data.utterance.cut.value,
        "emotion": data.emotion.top,
        "confidence": data.emotion.confidence,
        "uncertain": data.emotion.uncertain,
        **{f"score_{emotion}": score for emotion, score in data.emotion.scores.items() if emotion in EMOTIONS},
        "snr_db": data.quality.snr_db,
        "clipped": data.quality.clipped,
        "lost_ms": data.quality.lost_ms,
        "model": data.model.name,
        "model_version": data.model.version,
        "hangover_ms": data.latency.hangover_ms,
        "queue_ms": data.latency.queue_ms,
        "compute_ms": data.latency.compute_ms,
    }


def _call(event: EndedEvent, alerts: dict[tuple[str, str], int]) -> dict[str, Any]:
    data = event.data
    row = {
        **_common(event.id, event.time, data.call),
        "reason": data.reason,
        "duration_ms": data.duration_ms,
        "utterances": data.utterances,
        "overlap_ms": data.overlap_ms,
        "alerts": alerts.get((data.call.tenant, data.call.id), 0),
        **{f"said_{emotion}": sum(one.emotions.get(emotion, 0) for one in data.speakers) for emotion in EMOTIONS},
    }
    for role in _ROLES:
        speakers = [one for one in data.speakers if one.role == role]
        if speakers:
            row[f"{role}_talk_ms"] = sum(one.talk_ms for one in speakers)
            row[f"{role}_silence_ms"] = sum(one.silence_ms for one in speakers)
            for measure in ("loudness_dbfs", "syllables_per_s"):
                row[f"{role}_{measure}"] = _mean(speakers, measure)
    return row


def _mean(speakers: list[SpeakerSummary], measure: str) -> float | None:
    """Return the mean over several of one role, each by how long it spoke."""
    known = [(getattr(one, measure), one.talk_ms) for one in speakers if getattr(one, measure) is not None]
    total_ms = sum(talk_ms for _value, talk_ms in known)
    return sum(value * talk_ms for value, talk_ms in known) / total_ms if total_ms else None


def _common(event_id: str, time: str, call: CallRef) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "time": time,
        "call_id": call.id,
        "tenant": call.tenant,
        "dialect": call.dialect,
        **{f"label_{name}": value for name, value in call.labels.items()},
    }


def _table(rows: Iterable[dict[str, Any]], columns: dict[str, str]) -> pd.DataFrame:
    try:
        import pandas as pd  # noqa: PLC0415 - an extra, and half a second
    except ImportError as problem:
        raise ClientError(
            "tables need pandas; install it with: pip install emotion-streamer-client[pandas]"
        ) from problem
    listed = list(rows)
    labels = sorted({name for row in listed for name in row if name.startswith("label_")})
    dtypes = columns | dict.fromkeys(labels, "string")
    known = {
        "time": pd.DatetimeTZDtype("ms", "UTC"),
        "cut": pd.CategoricalDtype([cut.value for cut in Cut]),
        "emotion": pd.CategoricalDtype(EMOTIONS),
    }
    frame = pd.DataFrame.from_records(listed, columns=list(dtypes))
    frame["time"] = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
    return frame.astype({name: known.get(dtype, dtype) for name, dtype in dtypes.items()})
