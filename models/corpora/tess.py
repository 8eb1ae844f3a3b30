"""TESS, Toronto Emotional Speech Set: two women, 200 words in a carrier phrase, seven emotions. Non-commercial.

`OAF_angry/OAF_back_angry.wav`: speaker, word, emotion; `ps` is *pleasant* surprise and is kept apart from surprise.
One file of the original is called `OA_bite_neutral`. A reader of names, nothing else.
K. Dupuis, M. K. Pichora-Fuller, 2010. https://doi.org/10.5683/SP2/E8H2MF
"""

import re
from pathlib import Path
from typing import Final

from models.corpora.base import Clip, Reading, read_folder

NAME: Final = "tess"
_LABELS: Final = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "pleasant surprise",
    "sad": "sad",
}
_STEM: Final = re.compile(rf"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<label>{'|'.join(_LABELS)})", re.IGNORECASE)


def read(folder: Path) -> Reading:
    """Read the corpus's folder; see `models.corpora.base.read_folder` for what is returned and raised."""
    return read_folder(folder, NAME, _parse)


def _parse(path: Path) -> Clip | str:
    match = _STEM.fullmatch(path.stem)
    if match is None:
        return "no TESS name"
    speaker = match["speaker"].upper()
    return Clip(
        path=path,
        corpus=NAME,
        speaker="OAF" if speaker == "OA" else speaker,
        gender="f",
        label=_LABELS[match["label"].lower()],
        sentence=match["word"].lower(),
    )
