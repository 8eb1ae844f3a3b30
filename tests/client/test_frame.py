from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.errors import ClientError, RecordingError
from streamer_client.events import EMOTIONS, CallRef, SpeakerSummary, encode
from streamer_client.frame import calls_to_frame, read_events, to_frame

from tests.client.conftest import Make

MAKE = Make()


def labelled(event: Any, **labels: str) -> Any:
    call = CallRef(id=event.data.call.id, labels=labels)
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, call=call))


def speaker(role: str, **said: Any) -> SpeakerSummary:
    known: dict[str, Any] = {
        "channel": 0,
        "analysed": role == "customer",
        "utterances": 1,
        "silence_ms": 10,
        "lost_ms": 0,
    }
    return SpeakerSummary(role=role, **(known | {"loudness_dbfs": None, "syllables_per_s": None, "talk_ms": 0} | said))


def with_speakers(event: Any, *speakers: SpeakerSummary) -> Any:
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, speakers=speakers))


def shape(frame: Any) -> list[tuple[str, str]]:
    return [(name, str(dtype)) for name, dtype in frame.dtypes.items()]


def recorded(folder: Path, *lines: bytes) -> Path:
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@settings(max_examples=30)  # a frame takes milliseconds
@given(
    tops=st.lists(st.tuples(st.sampled_from(EMOTIONS), st.floats(0, 1), st.booleans()), max_size=8),
    again=st.lists(st.integers(0, 7), max_size=5),
)
def test_there_is_one_row_per_utterance_with_the_same_columns_and_dtypes_whatever_came(tops: Any, again: Any) -> None:
    events = [
        MAKE.utterance(n, top=top, confidence=confidence, uncertain=uncertain)
        for n, (top, confidence, uncertain) in enumerate(tops, 1)
    ]
    frame = to_frame([*events, MAKE.ended(), *(events[i] for i in again if i < len(events)), MAKE.status()])
    found = list(zip(frame["emotion"], frame["confidence"], frame["uncertain"], strict=True))
    assert found == tops
    assert shape(frame) == shape(to_frame([]))


def test_a_row_says_everything_about_its_utterance(make: Any) -> None:
    (row,) = to_frame([labelled(make.utterance(17), queue="billing")]).to_dict("records")
    assert {name: value for name, value in row.items() if not name.startswith("score_")} == {
        "event_id": "default-CA1-customer-17",
        "time": pd.Timestamp("2026-11-22T10:15:04.210Z"),
        "call_id": "CA1",
        "tenant": "default",
        "dialect": "native",
        "role": "customer",
        "n": 17,
        "start_ms": 1000,
        "end_ms": 3000,
        "speech_ms": 2000,
        "cut": "silence",
        "emotion": "angry",
        "confidence": 0.8,
        "uncertain": False,
        "snr_db": 18.2,
        "clipped": 0.0,
        "lost_ms": 0,
        "model": "telephone",
        "model_version": "1.0.0",
        "hangover_ms": 400,
        "queue_ms": 1.0,
        "compute_ms": 2.0,
        "label_queue": "billing",
    }
    assert row["score_angry"] == 0.8
    assert pd.isna(row["score_surprise"])


def test_the_dtypes_are_the_documented_ones(make: Any) -> None:
    dtypes = {
        name: str(dtype) for name, dtype in to_frame([labelled(make.utterance(), queue="billing")]).dtypes.items()
    }
    assert dtypes["time"] == "datetime64[ms, UTC]"
    assert {dtypes[name] for name in ("event_id", "call_id", "label_queue")} == {"string"}
    assert {dtypes[name] for name in ("role", "emotion", "cut", "model")} == {"category"}
    assert {dtypes[name] for name in ("n", "start_ms", "lost_ms")} == {"int64"}
    assert {dtypes[name] for name in ("confidence", "score_surprise", "snr_db")} == {"float64"}
    assert dtypes["uncertain"] == "bool"
    assert list(to_frame([])["emotion"].cat.categories) == list(EMOTIONS)


def test_a_call_is_one_row_with_both_parties_and_its_alerts(make: Any) -> None:
    parties = (
        speaker("customer", talk_ms=60_000, loudness_dbfs=-20.0, emotions={"angry": 2, "neutral": 1}),
        speaker("agent", talk_ms=90_000, loudness_dbfs=-24.0, syllables_per_s=4.5),
    )
    calls = [with_speakers(make.ended(), *parties), with_speakers(make.ended("CA2"), speaker("customer"))]
    one, two = calls_to_frame([make.alert(), make.alert(), make.utterance(), *calls, calls[0]]).to_dict("records")
    assert (one["call_id"], one["alerts"], one["said_angry"], one["said_fear"]) == ("CA1", 1, 2, 0)
    assert (one["customer_talk_ms"], one["agent_talk_ms"], one["agent_syllables_per_s"]) == (60_000, 90_000, 4.5)
    assert (two["call_id"], two["alerts"]) == ("CA2", 0)
    assert pd.isna(two["agent_talk_ms"])
    assert pd.isna(two["customer_loudness_dbfs"])


def test_two_customers_of_a_call_are_weighed_by_how_long_they_spoke(make: Any) -> None:
    both = (
        speaker("customer", talk_ms=1000, loudness_dbfs=-30.0),
        speaker("customer", talk_ms=3000, loudness_dbfs=-10.0),
    )
    frame = calls_to_frame([with_speakers(make.ended(), *both)])
    assert list(frame["customer_loudness_dbfs"]) == [-15.0]
    assert list(frame["customer_talk_ms"]) == [4000]


def test_a_table_of_calls_has_the_same_columns_whatever_came(make: Any) -> None:
    assert shape(calls_to_frame([])) == shape(calls_to_frame([make.ended()]))


def test_a_file_of_json_lines_is_read_like_the_events(make: Any, tmp_path: Path) -> None:
    stranger = b'{"type":"emotion-streamer.laughter.v1","id":"9"}'
    events = [make.utterance(1), make.utterance(2), make.ended()]
    path = recorded(tmp_path, *map(encode, events), b"", stranger)
    pd.testing.assert_frame_equal(to_frame(path), to_frame(events))
    pd.testing.assert_frame_equal(calls_to_frame(str(path)), calls_to_frame(events))
    assert list(read_events(path)) == events


def test_a_line_that_is_no_event_is_named(make: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"events\.jsonl, line 2: got 6 bytes that are no emotion-streamer event"):
        to_frame(recorded(tmp_path, encode(make.utterance()), b"hello"))
    with pytest.raises(RecordingError, match="cannot read the events in nowhere: No such file"):
        to_frame("nowhere")


def test_without_pandas_the_error_names_the_package(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in (to_frame, calls_to_frame):
        with pytest.raises(ClientError, match=r"pip install emotion-streamer-client\[pandas\]"):
            table([make.utterance()])
