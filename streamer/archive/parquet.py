"""The utterances as Parquet, for data frames and query engines: a row each, typed, sorted by call and by number.

A folder `utterances.parquet` of parts, as pandas, Polars, DuckDB and Spark read a data set. It is written beside and
takes the place of the old one when it is whole; the same results give the same bytes. This file must never delete what
it did not write, nor need pyarrow where no Parquet is wanted.
"""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from streamer_client.events import EMOTIONS

from streamer.archive.analysis import Analysed
from streamer.archive.report import ReportError
from streamer.archive.ways import Ways

Arrow = Any
"""The package, or an object of it: where it is not installed there are no types of it either."""
FOLDER: Final = "utterances.parquet"
PART_ROWS: Final = 1_000_000
"""A part ends with the call that fills it."""
_BATCH_ROWS: Final = 65_536
"""Rows of a row group, which are in memory at once."""
_PART: Final = re.compile(r"part-\d{5}\.parquet")

COLUMNS: Final = (
    ("call_id", "string"),
    ("started_at", "timestamp"),
    ("role", "dictionary"),
    ("channel", "int32"),
    ("n", "int32"),
    ("start_ms", "int64"),
    ("end_ms", "int64"),
    ("speech_ms", "int64"),
    ("cut", "dictionary"),
    ("top", "dictionary"),
    ("confidence", "double"),
    ("uncertain", "bool"),
    *((f"score_{name}", "double") for name in EMOTIONS),
    ("snr_db", "double"),
    ("clipped", "double"),
    ("lost_ms", "int64"),
    ("labels", "map"),
    ("model", "dictionary"),
    ("model_version", "dictionary"),
    ("model_sha256", "dictionary"),
    ("event_id", "string"),
    ("time", "timestamp"),
)
"""Name and type of each column: docs/archives.md says what they mean. `timestamp` is in milliseconds, UTC; `dictionary`
a text of which there are few; `map` from text to text."""


def needs_parquet(folder: Path, *, wanted: bool) -> bool:
    """Whether Parquet is to be written: it is wanted, or an earlier run's would say what is no longer so."""
    return wanted or (folder / FOLDER).is_dir()


def prove_parquet() -> None:
    """Refuse Parquet where it cannot be written.

    Raises
    ------
    ReportError
        pyarrow is not installed.
    """
    _arrow()


def write_parquet(folder: Path, results: Iterable[Analysed], ways: Ways, *, part_rows: int = PART_ROWS) -> int:
    """Write `utterances.parquet`; return how many rows it has.

    Parameters
    ----------
    folder
        Of the report.
    results
        In the order of the calls' ids.
    ways
        How they were judged; goes into each part's metadata.
    part_rows
        When a new part begins.

    Raises
    ------
    ReportError
        pyarrow is missing, the folder cannot be written, or something that is not ours lies where the parts go.
    """
    arrow, parquet = _arrow()
    place = folder / FOLDER
    beside, old = (place.with_name(f".{FOLDER}.{word}") for word in ("new", "old"))
    rows = 0
    try:
        _only_ours(place)
        for left in (beside, old):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        beside.mkdir(mode=0o700)
        schema = _schema(arrow, ways)
        sorting = parquet.SortingColumn.from_ordering(schema, [("call_id", "ascending")])
        for number, batches in enumerate(_parts(results, part_rows)):
            path = beside / f"part-{number:05}.parquet"
            with parquet.ParquetWriter(path, schema, compression="zstd", sorting_columns=sorting) as writer:
                for batch in batches:
                    writer.write_table(arrow.Table.from_pylist(batch, schema), row_group_size=_BATCH_ROWS)
                    rows += len(batch)
        if place.exists():
            place.rename(old)
        beside.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as problem:
        raise ReportError(f"cannot write {place}: {problem.strerror or problem}") from problem
    return rows


def utterance_records(analysed: Analysed) -> list[dict[str, Any]]:
    """Return the rows of a call, in the order of roles and numbers."""
    started = None if analysed.started_s is None else datetime.fromtimestamp(analysed.started_s, UTC)
    records: list[dict[str, Any]] = []
    for event in sorted(analysed.utterances, key=lambda one: (one.data.speaker.role, one.data.utterance.n)):
        data, spoken, emotion = event.data, event.data.utterance, event.data.emotion
        records.append(
            {
                "call_id": data.call.id,
                "started_at": started,
                "role": data.speaker.role,
                "channel": data.speaker.channel,
                "n": spoken.n,
                "start_ms": spoken.start_ms,
                "end_ms": spoken.end_ms,
                "speech_ms": spoken.speech_ms,
                "cut": str(spoken.cut),
                "top": emotion.top,
                "confidence": emotion.confidence,
                "uncertain": emotion.uncertain,
                **{f"score_{name}": emotion.scores.get(name) for name in EMOTIONS},
                "snr_db": data.quality.snr_db,
                "clipped": data.quality.clipped,
                "lost_ms": data.quality.lost_ms,
                "labels": sorted(data.call.labels.items()),
                "model": data.model.name,
                "model_version": data.model.version,
                "model_sha256": data.model.sha256,
                "event_id": event.id,
                "time": datetime.fromisoformat(event.time),
            }
        )
    return records


def _parts(results: Iterable[Analysed], part_rows: int) -> Iterator[Iterator[list[dict[str, Any]]]]:
    """Yield parts, each as batches of rows; there is one part at least. A part is to be used up before the next."""
    calls = iter(results)
    ahead = [next(calls, None)]

    def batches() -> Iterator[list[dict[str, Any]]]:
        batch: list[dict[str, Any]] = []
        in_part = 0
        while ahead[0] is not None and in_part < part_rows:
            found = utterance_records(ahead[0])
            ahead[0] = next(calls, None)
            batch += found
            in_part += len(found)
            if len(batch) >= _BATCH_ROWS:
                yield batch
                batch = []
        if batch:
            yield batch

    yield batches()
    while ahead[0] is not None:
        yield batches()


def _schema(arrow: Arrow, ways: Ways) -> Arrow:
    types = {
        "timestamp": arrow.timestamp("ms", tz="UTC"),
        "dictionary": arrow.dictionary(arrow.int32(), arrow.string()),
        "map": arrow.map_(arrow.string(), arrow.string()),
        "string": arrow.string(),
        "double": arrow.float64(),
        "bool": arrow.bool_(),
        "int32": arrow.int32(),
        "int64": arrow.int64(),
    }
    may_be_missing = {"started_at", "snr_db"} | {f"score_{name}" for name in EMOTIONS}
    fields = [arrow.field(name, types[kind], nullable=name in may_be_missing) for name, kind in COLUMNS]
    return arrow.schema(
        fields, metadata={"emotion-streamer": "utterances.v1", "ways": msgspec.json.encode(ways, order="sorted")}
    )


def _only_ours(place: Path) -> None:
    """Raise ReportError where what is replaced holds something that this file did not write."""
    for path in place.iterdir() if place.is_dir() else ():
        if not _PART.fullmatch(path.name):
            raise ReportError(f"{path} was not written by analyse; take it away, for {place} is written anew")


def _arrow() -> tuple[Arrow, Arrow]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as problem:
        raise ReportError(
            f"Parquet needs pyarrow, which is not installed here ({problem}): pip install 'emotion-streamer[parquet]'"
        ) from problem
