"""TESS: two women, and a surprise that is a pleasant one."""

from pathlib import Path

import pytest

from models.corpora.tess import read


@pytest.mark.parametrize("word", ["angry", "disgust", "fear", "happy", "neutral", "sad"])
@pytest.mark.parametrize("speaker", ["OAF", "YAF"])
def test_a_name_says_speaker_word_and_emotion(tmp_path: Path, word: str, speaker: str) -> None:
    (tmp_path / f"{speaker}_love_{word}.wav").touch()
    (one,) = read(tmp_path).clips
    assert (one.speaker, one.gender, one.sentence, one.label) == (speaker, "f", "love", word)


def test_ps_is_pleasant_surprise_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "YAF_love_ps.wav").touch()
    assert [one.label for one in read(tmp_path).clips] == ["pleasant surprise"]


def test_the_one_misspelt_name_of_the_original_is_the_older_womans(tmp_path: Path) -> None:
    (tmp_path / "OA_bite_neutral.wav").touch()
    assert [one.speaker for one in read(tmp_path).clips] == ["OAF"]


def test_what_no_name_of_the_corpus_is_is_left_out(tmp_path: Path) -> None:
    for name in ("MAF_love_sad.wav", "YAF_love.wav", "YAF_love_sad.wav"):
        (tmp_path / name).touch()
    reading = read(tmp_path)
    assert len(reading.clips) == 1
    assert {one.reason for one in reading.left_out} == {"no TESS name"}
