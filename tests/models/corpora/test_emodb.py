"""EmoDB: German letters, ten speakers."""

from pathlib import Path

import pytest

from models.corpora.emodb import read


@pytest.mark.parametrize(
    ("letter", "label"),
    [
        ("W", "angry"),
        ("L", "boredom"),
        ("E", "disgust"),
        ("A", "fear"),
        ("F", "happy"),
        ("T", "sad"),
        ("N", "neutral"),
    ],
)
@pytest.mark.parametrize(("speaker", "gender"), [("03", "m"), ("08", "f"), ("15", "m"), ("16", "f")])
def test_a_name_says_speaker_sentence_and_emotion(
    tmp_path: Path, letter: str, label: str, speaker: str, gender: str
) -> None:
    (tmp_path / f"{speaker}b09{letter}d.wav").touch()
    (one,) = read(tmp_path).clips
    assert (one.speaker, one.gender, one.sentence, one.label) == (speaker, gender, "b09", label)


@pytest.mark.parametrize("stem", ["01a01Wa", "03a01Xa", "03c01Wa", "03a01waa"])
def test_what_no_name_of_the_corpus_is_is_left_out(tmp_path: Path, stem: str) -> None:
    (tmp_path / f"{stem}.wav").touch()
    (tmp_path / "03a01Wa.wav").touch()
    reading = read(tmp_path)
    assert len(reading.clips) == 1
    assert [one.reason for one in reading.left_out] == ["no EmoDB name"]
