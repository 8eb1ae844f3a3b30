"""Corpora of acted emotional speech: each reader turns a folder into clips with speaker and label."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from models.corpora import crema_d, emodb, ravdess, savee, tess
from models.corpora.base import Clip, CorpusError, Folds, LeftOut, Reading, classes

READERS: Final[dict[str, Callable[[Path], Reading]]] = {
    reader.NAME: reader.read for reader in (crema_d, emodb, ravdess, savee, tess)
}
"""Reader of each corpus, by the name of its folder."""

__all__ = ["READERS", "Clip", "CorpusError", "Folds", "LeftOut", "Reading", "classes"]
