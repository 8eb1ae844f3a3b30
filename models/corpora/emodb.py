"""EmoDB, the Berlin Database of Emotional Speech: ten actors, German, seven emotions, ten sentences. CC0 1.0.

`wav/03a01Fa.wav`: speaker, sentence, emotion by the first letter of its German name, version. Boredom has no class in
an event and keeps its own label. A reader of names, nothing else.
F. Burkhardt et al., Interspeech 2005. https://zenodo.org/records/7447302
"""

import re
from pathlib import Path
from typing import Final

from models.corpora.base import Clip, Reading, read_folder

NAME: Final = "emodb"
_LABELS: Final = {
    "W": "angry",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
_MEN: Final = frozenset({"03", "10", "11", "12", "15"})
_WOMEN: Final = frozenset({"08", "09", "13", "14", "16"})
_STEM: Final = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[WLEAFTN])(?P<version>[a-z]?)")


def read(folder: Path) -> Reading:
    """Read the corpus's folder; see `models.corpora.base.read_folder` for what is returned and raised."""
    return read_folder(folder, NAME, _parse)


def _parse(path: Path) -> Clip | str:
    match = _STEM.fullmatch(path.stem)
    if match is None or match["speaker"] not in _MEN | _WOMEN:
        return "no EmoDB name"
    return Clip(
        path=path,
        corpus=NAME,
        speaker=match["speaker"],
        gender="m" if match["speaker"] in _MEN else "f",
        label=_LABELS[match["label"]],
        sentence=match["sentence"],
    )
