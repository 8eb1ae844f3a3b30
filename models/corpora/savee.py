"""SAVEE, Surrey Audio-Visual Expressed Emotion: four men, British English, seven emotions. Research only.

`ALL/DC_sa01.wav`: speaker, emotion, number of the sentence within the emotion. A reader of names, nothing else.
http://kahlan.eps.surrey.ac.uk/savee/
"""

import re
from pathlib import Path
from typing import Final

from models.corpora.base import Clip, Reading, read_folder

NAME: Final = "savee"
_LABELS: Final = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
_STEM: Final = re.compile(r"(?P<speaker>DC|JE|JK|KL)_(?P<label>sa|su|[adfhn])(?P<sentence>\d\d)")


def read(folder: Path) -> Reading:
    """Read the corpus's folder; see `models.corpora.base.read_folder` for what is returned and raised."""
    return read_folder(folder, NAME, _parse)


def _parse(path: Path) -> Clip | str:
    match = _STEM.fullmatch(path.stem)
    if match is None:
        return "no SAVEE name"
    return Clip(
        path=path,
        corpus=NAME,
        speaker=match["speaker"],
        gender="m",
        label=_LABELS[match["label"]],
        sentence=match["label"] + match["sentence"],
    )
