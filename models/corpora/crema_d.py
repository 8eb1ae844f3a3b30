"""CREMA-D: 91 actors of many backgrounds, American English, six emotions, twelve sentences. ODbL 1.0 and DbCL 1.0.

`AudioWAV/1001_DFA_ANG_XX.wav`: actor, sentence, emotion, level (LO, MD, HI, or XX for none). Gender stands in
`VideoDemographics.csv` where the folder has it. Seven files are left out by name: one is silence, and three pairs are
the same bytes under two labels, of which nobody knows the right one. A reader of names, nothing else.
H. Cao et al., IEEE Transactions on Affective Computing 5(4), 2014. https://github.com/CheyneyComputerScience/CREMA-D
"""

import csv
import re
from pathlib import Path
from typing import Final

from models.corpora.base import Clip, Reading, read_folder

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
_DEFECTS: Final = {
    "1076_MTI_SAD_XX": "silence",
    "1006_TIE_HAP_XX": "same bytes under two labels",
    "1006_TIE_NEU_XX": "same bytes under two labels",
    "1013_WSI_DIS_XX": "same bytes under two labels",
    "1013_WSI_SAD_XX": "same bytes under two labels",
    "1017_IWW_ANG_XX": "same bytes under two labels",
    "1017_IWW_FEA_XX": "same bytes under two labels",
}


def read(folder: Path) -> Reading:
    """Read the corpus's folder; see `models.corpora.base.read_folder` for what is returned and raised."""
    genders = _genders(folder / "VideoDemographics.csv")
    return read_folder(folder, NAME, lambda path: _parse(path, genders))


def _genders(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["ActorID"]: {"Male": "m", "Female": "f"}.get(row["Sex"], "") for row in csv.DictReader(lines)}


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
