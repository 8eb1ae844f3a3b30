"""The campaign as a program: figures, page and pictures are written, and drawn anew from the figures."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.calls_per_core import __main__ as program
from benchmarks.calls_per_core.found import Found
from tests.benchmarks.calls_per_core.test_page import FOUND


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(program, "RESULTS", tmp_path)
    monkeypatch.setattr(program, "PICTURES", tmp_path)
    return tmp_path


def test_what_was_found_is_written_as_figures_page_and_pictures(folder: Path) -> None:
    program.write(FOUND)
    assert msgspec.json.decode((folder / "calls_per_core.json").read_bytes(), type=Found) == FOUND
    assert "streamer" in (folder / "legs-per-core.svg").read_text(encoding="utf-8")
    assert (folder / "cost-per-leg.svg").exists()
    assert "# Calls per core" in (folder / "calls_per_core.md").read_text(encoding="utf-8")


def test_a_page_can_be_drawn_anew_from_its_figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write(FOUND)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    monkeypatch.setattr("sys.argv", ["calls_per_core", "--read", str(folder / "calls_per_core.json")])
    program.main()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_pictures_of_what_was_not_measured_are_not_drawn(folder: Path) -> None:
    program.write(Found("m", ()))
    assert not list(folder.glob("*.svg"))
