"""RAVDESS: 24 actors, North American English, eight emotions, two sentences. CC BY-NC-SA 4.0: research only.

`Actor_07/03-01-05-02-01-01-07.wav`: modality, channel, emotion, intensity, statement, repetition, actor. About a second
of silence stands at both ends of each clip; who computes features cuts it off. A reader of names, nothing else.
S. R. Livingstone, F. A. Russo, PLoS ONE 13(5), 2018. https://zenodo.org/records/1188976
"""

import re
from pathlib import Path
from typing import Final

from models.corpora.base import Clip, Reading, read_folder

NAME: Final = "ravdess"
_LABELS: Final = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_STEM: Final = re.compile(
    r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<label>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>\d\d)"
)
_SAME_TAKE: Final = "03-01-03-01-02-02-07"
"""Actor 07's second repetition is the very recording of the first."""


def read(folder: Path) -> Reading:
    """Read the corpus's folder; see `models.corpora.base.read_folder` for what is returned and raised."""
    return read_folder(folder, NAME, _parse)


def _parse(path: Path) -> Clip | str:
    match = _STEM.fullmatch(path.stem)
    if match is None:
        return "no RAVDESS name"
    if match["modality"] != "03":
        return "with video"
    if match["channel"] != "01":
        return "song"
    if path.stem == _SAME_TAKE:
        return "same take as another repetition"
    return Clip(
        path=path,
        corpus=NAME,
        speaker=match["actor"],
        gender="m" if int(match["actor"]) % 2 else "f",
        label=_LABELS[match["label"]],
        sentence=match["statement"],
        intensity={"01": "normal", "02": "strong"}[match["intensity"]],
    )
