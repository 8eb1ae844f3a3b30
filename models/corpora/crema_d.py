"""CREMA-D: 91 actors of many backgrounds, American English, six emotions, twelve sentences. ODbL 1.0 and DbCL 1.0.

`AudioWAV/1001_DFA_ANG_XX.wav`: actor, sentence, emotion, level (LO, MD, HI, or XX for none). Age, sex, race and
ethnicity of the actors stand in `VideoDemographics.csv` where the folder has it: for figures by group, nothing else.
Seven files are left out by name: one is silence, and three pairs are the same bytes under two labels, of which nobody
knows the right one. A reader of names, nothing else.
H. Cao et al., IEEE Transactions on Affective Computing 5(4), 2014. https://github.com/CheyneyComputerScience/CREMA-D
"""

import csv
import re
from pathlib import Path
from typing import Final

import msgspec

from models.corpora.base import Clip, CorpusError, Reading, read_folder

NAME: Final = "crema-d"
_LABELS: Final = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_STEM: Final = re.compile(r"(?P<actor>1\d{3})_(?P<sentence>[A-Z]{3})_(?P<label>[A-Z]{3})_(?P<level>LO|MD|HI|XX?)")
_GENDERS: Final = {"Male": "m", "Female": "f"}
_DEFECTS: Final = {
    "1076_MTI_SAD_XX": "silence",
    "1006_TIE_HAP_XX": "same bytes under two labels",
    "1006_TIE_NEU_XX": "same bytes under two labels",
    "1013_WSI_DIS_XX": "same bytes under two labels",
    "1013_WSI_SAD_XX": "same bytes under two labels",
    "1017_IWW_ANG_XX": "same bytes under two labels",
    "1017_IWW_FEA_XX": "same bytes under two labels",
}


class Actor(msgspec.Struct, frozen=True):
    """What the corpus's makers wrote down of an actor. Never an input of a model."""

    age: int
    """In years."""
    gender: str
    """`f`, `m`, or nothing where it is not stated."""
    race: str
    """In the makers' words."""
    ethnicity: str
    """In the makers' words."""


def read(folder: Path) -> Reading:
    """Read the corpus's folder; see `models.corpora.base.read_folder` for what is returned and raised."""
    genders = _genders(folder / "VideoDemographics.csv")
    return read_folder(folder, NAME, lambda path: _parse(path, genders))


def demographics(path: Path) -> dict[str, Actor]:
    """Return what `VideoDemographics.csv` says of each actor, by the actor's number.

    Raises
    ------
    CorpusError
        When there is no such file, a column is missing, or an age is no number.
    """
    if not path.is_file():
        raise CorpusError(f"no {path}: the actors' ages and races come with CREMA-D")
    with path.open(newline="", encoding="utf-8") as lines:
        try:
            return {
                row["ActorID"]: Actor(
                    age=int(row["Age"]),
                    gender=_GENDERS.get(row["Sex"], ""),
                    race=row["Race"],
                    ethnicity=row["Ethnicity"],
                )
                for row in csv.DictReader(lines)
            }
        except KeyError as error:
            raise CorpusError(f"{path} has no column {error}; needs ActorID, Age, Sex, Race, Ethnicity") from error
        except ValueError as error:
            raise CorpusError(f"{path} has an age that is no number: {error}") from error


def _genders(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["ActorID"]: _GENDERS.get(row["Sex"], "") for row in csv.DictReader(lines)}


def _parse(path: Path, genders: dict[str, str]) -> Clip | str:
    if path.stem in _DEFECTS:
        return _DEFECTS[path.stem]
    match = _STEM.fullmatch(path.stem)
    if match is None or match["label"] not in _LABELS:
        return "no CREMA-D name"
    return Clip(
        path=path,
        corpus=NAME,
        speaker=match["actor"],
        gender=genders.get(match["actor"], ""),
        label=_LABELS[match["label"]],
        sentence=match["sentence"],
        intensity="" if match["level"].startswith("X") else match["level"],
    )
