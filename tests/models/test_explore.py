"""The command looks at what is there, says what is not, and writes a report with its pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("matplotlib", reason="the laboratory's group of dependencies is not installed")

from models.corpora import READERS, Clip, CorpusError
from models.explore import main, read_present
from models.explore_measure import MFCC, Measured
from models.explore_pictures import draw_spectra, emotions_of, examples, spectrum
from models.explore_report import render, shares


def write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(8000) / 8000
    tone = sum(np.sin(2 * np.pi * n * (110 + 7 * seed) * time) / n for n in range(1, 6))
    noise = np.random.default_rng(seed).normal(size=8000) * 0.01
    soundfile.write(path, 0.2 * tone * (1 + np.sin(2 * np.pi * 4 * time)) / 2 + noise, 8000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for seed, name in enumerate(
        (
            "emodb/wav/03a01Wa.wav",
            "emodb/wav/03a01La.wav",
            "emodb/wav/08a01Wa.wav",
            "emodb/wav/08a02Fa.wav",
            "tess/OAF_angry/OAF_back_angry.wav",
            "tess/OAF_sad/OAF_back_sad.wav",
            "tess/OAF_sad/notes.wav",
        )
    ):
        write(tmp_path / "data" / name, seed)
    return tmp_path / "data"


def run(monkeypatch: pytest.MonkeyPatch, data: Path, out: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["explore", "--data", str(data), "--out", str(out)])
    main()


def test_any_subset_is_explored_and_the_rest_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, data, tmp_path / "out")
    report = (tmp_path / "out" / "REPORT.md").read_text()
    assert "emodb: 4 clips of 2 speakers" in report
    assert "- crema-d: not here, skipped" in report
    assert "`notes`: no TESS name" in report
    # Speakers, happy, sad, angry, boredom, all: women/men.
    assert "| emodb | 1/1 | 1/0 |  | 1/1 | 0/1 | 4 |" in report
    pictures = {path.name for path in (tmp_path / "out").iterdir()} - {"REPORT.md"}
    assert "mel-and-mfcc-emodb.png" in pictures
    assert all(f"({name})" in report for name in pictures)
    assert "savee: not in" in capsys.readouterr().out


def test_no_corpus_at_all_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"explore: no corpus in .*expected one or more of the folders crema-d"):
        run(monkeypatch, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_clip_of_its_corpus_is_an_error(data: Path) -> None:
    (data / "savee").mkdir()
    with pytest.raises(CorpusError, match="no clip of savee"):
        read_present(data)


def clip(speaker: str, label: str, sentence: str, gender: str = "f") -> Clip:
    return Clip(Path(f"{speaker}-{label}-{sentence}.wav"), "crema-d", speaker, gender, label, sentence)


def test_examples_are_one_voice_and_one_sentence_where_there_is_one() -> None:
    clips = [
        clip("1", "sad", "A"),
        clip("2", "sad", "A"),
        clip("2", "angry", "B"),
        clip("2", "sad", "B"),
        clip("2", "happy", "C"),
        clip("3", "fear", "B", "m"),
    ]
    found = examples(clips, "f")
    assert {label: (one.speaker, one.sentence) for label, one in found.items()} == {
        "happy": ("2", "C"),
        "sad": ("2", "B"),
        "angry": ("2", "B"),
    }
    assert examples(clips[:5], "m") == {}
    assert emotions_of(clips) == ["happy", "sad", "angry", "fear"]


def test_spectra_are_drawn_also_where_a_corpus_has_one_gender(data: Path, tmp_path: Path) -> None:
    clips = READERS["tess"](data / "tess").clips
    assert draw_spectra("tess", clips, tmp_path / "tess.png").stat().st_size > 1000
    rows, coefficients = spectrum(clips[0])
    assert rows.shape == (len(coefficients), MFCC.n_mels)


def measured(speaker: str, label: str, value: float) -> Measured:
    one = Clip(Path(f"{label}.wav"), "crema-d", speaker, "f", label, "s")
    return Measured(one, 2.0, 0.5, 1.0, 0.5, -20.0, 0, 200.0, np.full(MFCC.n_mfcc, value, dtype=np.float32))


def test_shares_tell_the_speaker_from_the_emotion() -> None:
    # The speaker moves the mean by 10, the emotion by 1: of what the speaker leaves, all is the emotion's.
    of = [measured(s, e, 10.0 * (s == "b") + (e == "angry")) for s in "ab" for e in ("sad", "angry")]
    found = shares(of)
    assert found["speaker"] == pytest.approx(100.0 * 100.0 / 101.0)
    assert found["emotion"] == pytest.approx(100.0 / 101.0)
    assert found["emotion_own"] == pytest.approx(100.0)


def test_a_report_has_the_lengths_that_were_measured(data: Path) -> None:
    readings, missing = read_present(data)
    found = [measured(s, e, float(n)) for n, s in enumerate("ab") for e in ("sad", "angry")]
    lengths = ["2.00 / 2.00 / **2.00** / 2.00 / 2.00", "1.00 / 1.00 / **1.00** / 1.00 / 1.00", "0.50", "0.50", "0"]
    assert f"| emodb | {' | '.join(lengths)} |" in render(readings, missing, {"emodb": found})
