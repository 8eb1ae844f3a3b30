"""Open files against calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.checks import files
from streamer.checks.files import BACKLOG, judge, waiting_connections
from streamer.checks.outcome import Level
from streamer.config import load
from streamer.descriptors import needed

SETTINGS = load(None, {}, {"server.max_calls": 1000})
WANTED = needed(SETTINGS)


@pytest.mark.parametrize(
    ("soft", "hard", "backlog", "level", "words"),
    [
        (WANTED, WANTED, 4096, Level.OK, f"{WANTED} open files are allowed; 1000 calls need {WANTED}"),
        (1024, 524_288, None, Level.OK, "to which the server raises its 1024"),
        (1024, float("inf"), 4096, Level.OK, "inf open files"),
        (1024, WANTED - 1, 4096, Level.WARN, "raise the hard limit (LimitNOFILE="),
        (1024, 1063, 4096, Level.WRONG, "lower server.max_calls"),
        (WANTED, WANTED, BACKLOG - 1, Level.WARN, f"set it to {BACKLOG} or more"),
    ],
)
def test_limits_are_held_against_the_calls(
    soft: float, hard: float, backlog: int | None, level: Level, words: str
) -> None:
    found = judge(SETTINGS, soft, hard, backlog)
    assert found.level is level
    assert words in found.says


def test_this_machine_is_looked_at() -> None:
    (found,) = files.check(SETTINGS)
    assert found.what == "files"


def test_a_system_without_that_file_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "_SOMAXCONN", tmp_path / "none")
    assert waiting_connections() is None
    (tmp_path / "some").write_text("128\n", encoding="ascii")
    monkeypatch.setattr(files, "_SOMAXCONN", tmp_path / "some")
    assert waiting_connections() == 128
