"""SAVEE: one or two letters for the emotion."""

from pathlib import Path

import pytest

from models.corpora.savee import read


@pytest.mark.parametrize(
    ("letters", "label"),
    [
        ("a", "angry"),
        ("d", "disgust"),
        ("f", "fear"),
        ("h", "happy"),
        ("n", "neutral"),
        ("sa", "sad"),
        ("su", "surprise"),
    ],
)
@pytest.mark.parametrize("speaker", ["DC", "JE", "JK", "KL"])
def test_a_name_says_speaker_and_emotion(tmp_path: Path, letters: str, label: str, speaker: str) -> None:
    (tmp_path / f"{speaker}_{letters}13.wav").touch()
    (one,) = read(tmp_path).clips
    assert (one.speaker, one.gender, one.label, one.sentence) == (speaker, "m", label, f"{letters}13")


@pytest.mark.parametrize("stem", ["DC_s01", "DC_a1", "XX_a01", "DC_sad01"])
def test_what_no_name_of_the_corpus_is_is_left_out(tmp_path: Path, stem: str) -> None:
    (tmp_path / f"{stem}.wav").touch()
    (tmp_path / "DC_a01.wav").touch()
    assert [one.reason for one in read(tmp_path).left_out] == ["no SAVEE name"]
