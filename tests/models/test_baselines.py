"""The command measures all baselines on whatever is small enough, and its report says what was not as published."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")
pytest.importorskip("sklearn", reason="the laboratory's group of dependencies is not installed")

from models.baselines import main
from models.baselines_report import render

CREMA_D = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


def names() -> list[str]:
    clips = [f"{actor}_{text}_{label}" for actor in (1001, 1002) for text in ("DFA", "IEO") for label in CREMA_D]
    found = [f"crema-d/AudioWAV/{clip}_XX.wav" for clip in clips]
    found += [f"savee/ALL/{speaker}_{label}01.wav" for speaker in ("DC", "JE") for label in ("a", "su")]
    found += [f"ravdess/Actor_{n}/03-01-0{label}-01-01-01-{n}.wav" for n in ("01", "02") for label in (2, 8)]
    return [*found, "tess/OAF_sad/OAF_back_sad.wav", "tess/YAF_ps/YAF_back_ps.wav"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(11)
    folder = tmp_path / "data"
    for number, name in enumerate(names()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = np.sin(2 * np.pi * (120 + 9 * number) * np.arange(8000) / 8000) * 0.3
        soundfile.write(path, tone * (1 + np.sin(np.arange(8000) / 300)) / 2 + rng.normal(size=8000) * 0.01, 8000)
    (folder / "crema-d" / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex"\n1001,51,"Male"\n1002,21,"Female"\n'
    )
    votes = folder / "crema-d" / "processedResults" / "tabulatedVotes.csv"
    votes.parent.mkdir()
    votes.write_text('"","A","D","F","H","N","S","fileName"\n"100001",7,0,0,0,3,0,"1001_DFA_ANG_XX"\n')
    speakers = ["crema-d,1001,m,1", "crema-d,1002,f,2", "savee,DC,m,1", "savee,JE,m,2", "ravdess,01,m,1"]
    speakers += ["ravdess,02,f,2", "tess,OAF,f,1", "tess,YAF,f,2"]
    (folder / "folds.csv").write_text("\n".join(["corpus,speaker,gender,fold", *speakers, ""]))
    return folder


def run(monkeypatch: pytest.MonkeyPatch, data: Path, out: Path) -> None:
    arguments = ["--data", str(data), "--out", str(out), "--cache", str(out / "cache"), "--epochs", "1", "1", "1"]
    monkeypatch.setattr(sys, "argv", ["baselines", *arguments])
    main()


def test_one_command_measures_everything_and_writes_it_down(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, data, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["clips"] == {"crema-d": 24, "series": 34}
    assert [row["split"] for row in report["series"]] == ["none needed"] * 2 + ["random", "by speaker"] * 3
    methods = [row["method"] for row in report["six"]]
    assert methods[1:4] == ["chance", "people, voice only: one listener", "people, voice only: majority of about ten"]
    assert len(methods) == 4 + 2 * 7
    text = (tmp_path / "out" / "REPORT.md").read_text()
    assert render(report) == text
    assert "Only part of each corpus was here" in text
    assert "| by speaker (2 folds) |" in text
    assert "| 7 emotions, by corpus | split | crema-d | ravdess | savee | tess |" in text
    assert "copies of most judged clips" in " ".join(text.split())
    assert str(tmp_path) not in text


def test_what_is_missing_is_one_clear_line(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "savee").rename(data / "elsewhere")
    with pytest.raises(SystemExit, match=r"baselines: no folder .*savee"):
        run(monkeypatch, data, tmp_path / "out")
    assert not (tmp_path / "out" / "report.json").exists()
