"""The guide to training: its programs run in its order, its reader reads, its configuration has the right keys."""

from __future__ import annotations

import csv
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile

from models.corpora import Folds
from tests.docs.reading import ROOT, blocks, command_lines, text
from tests.docs.running import arguments, run

GUIDE = text("docs/training.md")
CUT, MEASURE, READER = blocks(GUIDE, "python")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first step was taken, with the demo's call as the only recording."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "recordings").mkdir()
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    soundfile.write(folder / "recordings/demo.wav", samples, rate_hz)
    line = command_lines(GUIDE, "streamer")[0].partition(" > ")[0]
    done = run(arguments(line), folder)
    assert done.returncode == 0, done.stderr
    (folder / "calls.jsonl").write_text(done.stdout, encoding="utf-8")
    perform(CUT, folder)
    return folder


def perform(code: str, folder: Path) -> str:
    (folder / "program.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sheet(folder: Path) -> list[dict[str, str]]:
    with (folder / "own/labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def vote(folder: Path, *votes: tuple[str, str, str]) -> list[str]:
    """Let three listeners vote on the first clips of the sheet; return the names of these clips."""
    rows = sheet(folder)
    with (folder / "own/labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for at, row in enumerate(rows):
            three = votes[at] if at < len(votes) else ("", "", "")
            writer.writerow(row | dict(zip(("first", "second", "third"), three, strict=True)))
    return [row["clip"] for row in rows[: len(votes)]]


def test_the_customers_utterances_are_cut_out_as_long_as_their_events_say(cut: Path) -> None:
    rows = sheet(cut)
    assert {row["clip"] for row in rows} == {path.name for path in (cut / "own").glob("*.wav")}
    assert len(rows) == 7
    assert {row["speaker"] for row in rows} == {"demo"}
    assert all(soundfile.info(cut / "own" / row["clip"]).duration > 1 for row in rows)
    assert [row["clip"] for row in rows] != sorted(row["clip"] for row in rows)


def test_what_people_agree_on_is_compared_with_the_models_verdicts(cut: Path) -> None:
    vote(cut, ("angry", "angry", ""), ("sad", "happy", "fear"), ("", "", ""), ("neutral", "angry", "neutral"))
    lines = perform(MEASURE, cut).splitlines()
    assert sorted(line.split()[1] for line in lines) == ["angry", "neutral"]
    assert sum(int(line.split()[-1]) for line in lines) == 2


def test_the_reader_takes_what_two_agree_on_and_says_why_it_leaves_out_the_rest(cut: Path) -> None:
    first, second, third = vote(cut, ("angry", "angry", "sad"), ("sad", "happy", "fear"), ("", "fear", "fear"))
    (cut / "own.py").write_text(READER, encoding="utf-8")
    soundfile.write(cut / "own/stray.wav", [0.0] * 800, 8000)
    reading = runpy.run_path(str(cut / "own.py"))["read"](cut / "own")
    (cut / "own/stray.wav").unlink()
    assert {clip.path.name: clip.label for clip in reading.clips} == {first: "angry", third: "fear"}
    reasons = {one.path.name: one.reason for one in reading.left_out}
    assert (reasons[second], reasons["stray.wav"]) == ("no two listeners agree", "not in labels.csv")

    (cut / "folds.csv").write_text("corpus,speaker,gender,fold\nown,demo,,3\n", encoding="utf-8")
    assert Folds.read(cut / "folds.csv").of(reading.clips[0]) == 3


def test_the_configuration_has_the_keys_of_those_in_use() -> None:
    (own,) = (tomllib.loads(block) for block in blocks(GUIDE, "toml"))
    used = tomllib.loads(text("models/configurations/telephone-large.toml"))
    assert own.keys() == used.keys()
    assert own["shape"] == used["shape"]
    assert own["recipe"] == used["recipe"]
