"""The guide to archives: every command in it runs, and says what the guide says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamer_client.recordings.metadata import COLUMNS, LABEL

from streamer.archive import parquet
from tests.docs.reading import ROOT, command_lines, rows, text
from tests.docs.running import arguments, run

GUIDE = "docs/archives.md"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A working folder as the guide assumes it: a call, an archive of two, a table."""
    demo = ROOT / "streamer" / "demo" / "call.flac"
    (tmp_path / "archive" / "monday").mkdir(parents=True)
    for name in ("call.wav", "archive/42.flac", "archive/monday/43.flac"):
        shutil.copy(demo, tmp_path / name)
    (tmp_path / "calls.csv").write_text(
        "file,started_at,label.queue\narchive/42.flac,2026-11-22T10:15:00+01:00,billing\n43.flac,,sales\n",
        encoding="utf-8",
    )
    return tmp_path


def test_every_command_of_the_guide_runs_and_leaves_what_it_promises(archive: Path) -> None:
    guide = text(GUIDE)
    lines = command_lines(guide, "streamer")
    assert len(lines) == 5
    done = [run(arguments(line), archive) for line in lines]
    assert [(one.returncode, one.stderr) for one in done if one.returncode] == []
    assert "customer" in done[0].stdout
    assert done[1].stdout.startswith('{"type":')
    assert "2 recordings done before and not analysed again" in done[3].stderr
    for _, (name, _) in (row for row in rows(guide) if row[0] == "What comes out"):
        for file in name.replace("`", "").split(", "):
            assert list((archive / "out").glob(file)), file


def test_the_guide_names_every_column_of_the_table() -> None:
    named = [cells[0].strip("`") for heading, cells in rows(text(GUIDE)) if heading == "The table"]
    assert named == [*COLUMNS, f"{LABEL}NAME"]


def test_the_guide_is_short_and_its_picture_is_there_and_small() -> None:
    assert len(text(GUIDE).splitlines()) < 200
    assert (ROOT / "docs" / "pictures" / "call-report.png").stat().st_size < 250_000


def test_the_guide_to_ray_names_every_column_of_the_parquet_table_with_its_type() -> None:
    named: list[tuple[str, str]] = []
    for heading, (columns, types, _) in rows(text("docs/archives-ray.md")):
        if heading == "Parquet":
            names = [name.strip("` ") for name in columns.split(", ")]
            kinds = [kind.split()[0] for kind in types.removesuffix(", ms, UTC").split(", ")]
            named += zip(names, kinds if len(kinds) > 1 else kinds * len(names), strict=True)
    assert named == list(parquet.COLUMNS)
