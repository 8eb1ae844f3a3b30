"""CREMA-D: names, levels, demographics, and the seven files that are no clips."""

from pathlib import Path

import pytest

from models.corpora.base import CorpusError
from models.corpora.crema_d import Actor, demographics, read


def made(folder: Path, *stems: str) -> Path:
    (folder / "AudioWAV").mkdir(exist_ok=True)
    for stem in stems:
        (folder / "AudioWAV" / f"{stem}.flac").touch()
    return folder


@pytest.mark.parametrize(
    ("code", "label"),
    [("ANG", "angry"), ("DIS", "disgust"), ("FEA", "fear"), ("HAP", "happy"), ("NEU", "neutral"), ("SAD", "sad")],
)
@pytest.mark.parametrize(("level", "intensity"), [("LO", "LO"), ("MD", "MD"), ("HI", "HI"), ("XX", ""), ("X", "")])
def test_a_name_says_actor_sentence_emotion_and_level(
    tmp_path: Path, code: str, label: str, level: str, intensity: str
) -> None:
    (one,) = read(made(tmp_path, f"1091_WSI_{code}_{level}")).clips
    assert (one.speaker, one.sentence, one.label, one.intensity) == ("1091", "WSI", label, intensity)


def test_gender_comes_from_the_demographics_where_they_are(tmp_path: Path) -> None:
    made(tmp_path, "1001_DFA_ANG_XX", "1002_DFA_ANG_XX", "1003_DFA_ANG_XX")
    assert [one.gender for one in read(tmp_path).clips] == ["", "", ""]
    (tmp_path / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n1002,21,"Female"\n')
    assert [one.gender for one in read(tmp_path).clips] == ["m", "f", ""]


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("1076_MTI_SAD_XX", "silence"),
        ("1006_TIE_HAP_XX", "same bytes under two labels"),
        ("1006_TIE_NEU_XX", "same bytes under two labels"),
        ("1013_WSI_DIS_XX", "same bytes under two labels"),
        ("1013_WSI_SAD_XX", "same bytes under two labels"),
        ("1017_IWW_ANG_XX", "same bytes under two labels"),
        ("1017_IWW_FEA_XX", "same bytes under two labels"),
        ("1001_DFA_SUR_XX", "no CREMA-D name"),
        ("2001_DFA_SAD_XX", "no CREMA-D name"),
    ],
)
def test_known_defects_and_unknown_names_are_left_out_with_their_reason(tmp_path: Path, stem: str, reason: str) -> None:
    reading = read(made(tmp_path, stem, "1006_TIE_SAD_XX"))
    assert [one.path.stem for one in reading.clips] == ["1006_TIE_SAD_XX"]
    assert [(one.path.stem, one.reason) for one in reading.left_out] == [(stem, reason)]


def test_the_demographics_say_age_gender_race_and_ethnicity_of_each_actor(tmp_path: Path) -> None:
    path = tmp_path / "VideoDemographics.csv"
    path.write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n1002,21,"Female","Asian","Hispanic"\n'
    )
    assert demographics(path) == {
        "1001": Actor(age=51, gender="m", race="Caucasian", ethnicity="Not Hispanic"),
        "1002": Actor(age=21, gender="f", race="Asian", ethnicity="Hispanic"),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ActorID,Age,Sex,Ethnicity\n1001,51,Male,Hispanic\n", "no column 'Race'; needs ActorID, Age, Sex"),
        ("ActorID,Age,Sex,Race,Ethnicity\n1001,old,Male,Asian,Hispanic\n", "an age that is no number"),
    ],
)
def test_demographics_that_cannot_be_read_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "VideoDemographics.csv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=problem):
        demographics(path)


def test_missing_demographics_are_refused_where_they_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no .*VideoDemographics\.csv"):
        demographics(tmp_path / "VideoDemographics.csv")
