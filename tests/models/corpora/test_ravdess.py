"""RAVDESS: numbers, speech only, one take that stands there twice."""

from pathlib import Path

import pytest

from models.corpora.ravdess import read


@pytest.mark.parametrize(
    ("number", "label"),
    [
        ("01", "neutral"),
        ("02", "calm"),
        ("03", "happy"),
        ("04", "sad"),
        ("05", "angry"),
        ("06", "fear"),
        ("07", "disgust"),
        ("08", "surprise"),
    ],
)
@pytest.mark.parametrize(("actor", "gender"), [("01", "m"), ("24", "f")])
def test_a_name_says_emotion_statement_and_actor(
    tmp_path: Path, number: str, label: str, actor: str, gender: str
) -> None:
    (tmp_path / f"03-01-{number}-02-02-01-{actor}.wav").touch()
    (one,) = read(tmp_path).clips
    assert (one.speaker, one.gender, one.sentence, one.label, one.intensity) == (actor, gender, "02", label, "strong")


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("03-01-03-01-02-02-07", "same take as another repetition"),
        ("03-02-03-01-02-02-08", "song"),
        ("01-01-03-01-02-02-08", "with video"),
        ("03-01-09-01-02-02-08", "no RAVDESS name"),
    ],
)
def test_what_is_no_clip_is_left_out_with_its_reason(tmp_path: Path, stem: str, reason: str) -> None:
    (tmp_path / f"{stem}.wav").touch()
    (tmp_path / "03-01-03-01-02-01-07.wav").touch()
    reading = read(tmp_path)
    assert [one.path.stem for one in reading.clips] == ["03-01-03-01-02-01-07"]
    assert [one.reason for one in reading.left_out] == [reason]


def test_the_same_numbers_of_another_actor_are_a_take_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "03-01-03-01-02-02-09.wav").touch()
    assert len(read(tmp_path).clips) == 1
