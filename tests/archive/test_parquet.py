from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.archive import parquet
from streamer.archive.analysis import Analysed
from streamer.archive.command import Wanted, analyse
from streamer.archive.parquet import COLUMNS, FOLDER, needs_parquet, write_parquet
from streamer.archive.report import ReportError
from streamer.archive.ways import Ways
from streamer.config import Settings
from tests.docs.reading import blocks, text

SaidOtherwise = Callable[..., Analysed]


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER).iterdir())


def table(folder: Path) -> Any:
    return pq.read_table(folder / FOLDER)


def test_a_row_is_what_the_event_says(tmp_path: Path, said_otherwise: SaidOtherwise, ways: Ways) -> None:
    analysed = msgspec.structs.replace(said_otherwise(call_id="=CA1", labels={"queue": "billing"}), started_s=1.5)
    assert write_parquet(tmp_path, [analysed], ways) == 3
    rows = table(tmp_path).to_pylist()
    for row, event in zip(rows, analysed.utterances, strict=True):
        data = event.data
        assert row["call_id"] == "=CA1", "nothing is changed for spreadsheets here"
        assert row["started_at"] == datetime.fromtimestamp(1.5, UTC)
        assert (row["role"], row["n"], row["cut"]) == ("customer", data.utterance.n, str(data.utterance.cut))
        assert {name: row[f"score_{name}"] for name in data.emotion.scores} == data.emotion.scores
        assert row["score_surprise"] is None
        assert row["confidence"] == data.emotion.confidence
        assert row["labels"] == [("queue", "billing")]
        assert row["event_id"] == event.id
        assert row["time"] == datetime.fromisoformat(event.time)


def test_the_schema_is_typed_and_says_how_it_was_judged(tmp_path: Path, analysed: Analysed, ways: Ways) -> None:
    write_parquet(tmp_path, [analysed], ways)
    schema = pq.read_schema(tmp_path / FOLDER / "part-00000.parquet")
    assert schema.names == [name for name, _ in COLUMNS]
    assert schema.field("start_ms").type == pa.int64()
    assert schema.field("confidence").type == pa.float64()
    assert schema.field("time").type == pa.timestamp("ms", tz="UTC")
    assert schema.field("uncertain").type == pa.bool_()
    assert schema.metadata[b"emotion-streamer"] == b"utterances.v1"
    assert msgspec.json.decode(schema.metadata[b"ways"], type=Ways) == ways
    assert table(tmp_path)["started_at"].null_count == 3


def test_the_same_results_give_the_same_bytes(tmp_path: Path, analysed: Analysed, ways: Ways) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_parquet(tmp_path / name, [analysed], ways)
    first, second = ((tmp_path / name / FOLDER / "part-00000.parquet").read_bytes() for name in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("rows", [(4, 100, 3), (1, 2, 5), (7, 3, 2), (100, 100, 1), (100, 1, 1)])
def test_a_large_archive_is_in_parts_that_end_with_a_call(
    tmp_path: Path,
    said_otherwise: SaidOtherwise,
    ways: Ways,
    monkeypatch: pytest.MonkeyPatch,
    rows: tuple[int, int, int],
) -> None:
    part_rows, batch_rows, count = rows
    monkeypatch.setattr(parquet, "_BATCH_ROWS", batch_rows)
    calls = [f"CA{n}" for n in range(5)]
    assert write_parquet(tmp_path, (said_otherwise(call_id=one) for one in calls), ways, part_rows=part_rows) == 15
    assert [row["call_id"] for row in table(tmp_path).to_pylist()] == [one for one in calls for _ in range(3)]
    seen: set[str] = set()
    for name in parts(tmp_path):
        held = set(pq.read_table(tmp_path / FOLDER / name)["call_id"].to_pylist())
        assert not held & seen
        seen |= held
    assert len(parts(tmp_path)) == count


def test_an_archive_without_an_utterance_is_a_table_without_a_row(tmp_path: Path, ways: Ways) -> None:
    assert write_parquet(tmp_path, [], ways) == 0
    assert parts(tmp_path) == ["part-00000.parquet"]
    assert table(tmp_path).num_rows == 0


def test_what_is_there_is_replaced_whole_and_only_if_it_is_ours(
    tmp_path: Path, said_otherwise: SaidOtherwise, ways: Ways
) -> None:
    results = [said_otherwise(call_id="CA1"), said_otherwise(call_id="CA2")]
    write_parquet(tmp_path, results, ways, part_rows=1)
    (tmp_path / f".{FOLDER}.new").mkdir()  # as a run that was killed leaves it
    (tmp_path / f".{FOLDER}.old").mkdir()
    write_parquet(tmp_path, results[:1], ways, part_rows=1)
    assert table(tmp_path)["call_id"].unique().to_pylist() == ["CA1"]
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]

    def broken() -> Any:
        yield results[1]
        raise OSError(28, "No space left on device")

    with pytest.raises(ReportError, match="No space left on device"):
        write_parquet(tmp_path, broken(), ways)
    assert table(tmp_path)["call_id"].unique().to_pylist() == ["CA1"]

    (tmp_path / FOLDER / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(ReportError, match=r"mine\.txt was not written by analyse"):
        write_parquet(tmp_path, results, ways)
    assert (tmp_path / FOLDER / "mine.txt").exists()


def test_the_example_of_the_guide_reads_it(
    tmp_path: Path,
    said_otherwise: SaidOtherwise,
    ways: Ways,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "out").mkdir()
    write_parquet(tmp_path / "out", [said_otherwise(top="angry")], ways)
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(text("docs/archives-ray.md"), "python")
    exec(compile(code, "docs/archives-ray.md", "exec"), {})  # noqa: S102 - our own example
    assert capsys.readouterr().out == "[{'role': 'customer', 'top': 'angry', 'n_count': 3}]\n"


def test_without_pyarrow_it_is_said_how_to_get_it(tmp_path: Path, ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ReportError, match=r"pip install 'emotion-streamer\[parquet\]'"):
        write_parquet(tmp_path, [], ways)


def test_a_report_has_it_sorted_by_call_and_a_later_run_never_leaves_an_old_one(
    tmp_path: Path, excerpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    for name in ("a/z.wav", "b/y.wav"):
        (archive / name).parent.mkdir(parents=True)
        shutil.copy(excerpt, archive / name)
    settings = Settings(node="any")
    analyse(Wanted((archive,), report=out, workers=1, parquet=True), settings)
    assert "6 utterances in" in capsys.readouterr().err
    assert table(out)["call_id"].to_pylist() == ["y"] * 3 + ["z"] * 3
    (archive / "b" / "y.wav").unlink()
    analyse(Wanted((archive,), report=out, workers=1, resume=True), settings)
    assert table(out)["call_id"].to_pylist() == ["z"] * 3
    assert needs_parquet(out, wanted=False)
    assert not needs_parquet(archive, wanted=False)
