"""What makes one model what it is: a committed file for each in `models/configurations`, read by every command.

Two runs of the same configuration on the same corpora and machine give the same network. This file must never train,
or read anything but configurations.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from models.corpora import READERS
from models.network import Shape
from models.training import Recipe

FOLDER: Final = Path(__file__).parent / "configurations"


class ConfigurationError(Exception):
    """A configuration cannot be used; the message names the file and what is wrong with it."""


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model."""

    name: str
    """In the store."""
    corpora: tuple[str, ...]
    """What it is trained on."""
    front_end: Literal["mfcc", "log-mel"]
    """Which features of the streamer the exported network takes."""
    weights: Literal["int8", "float16"]
    """How the exported network keeps and uses its weights."""
    licence: str
    commercial_use: bool
    """Whether the licences of its corpora allow its use at work."""
    shape: Shape
    recipe: Recipe
    calm_as_neutral: bool = False
    """Whether RAVDESS's calm counts as neutral; left out otherwise."""
    repeat: dict[str, int] = {}
    """How often an epoch hears a clip of a corpus, where more than once: small corpora count for little otherwise."""
    crowd_share: float = 0.0
    """How much the crowd's votes count in the targets of CREMA-D, 0 to 1; the actor's intention has the rest."""
    sounds: int = 0
    """How many sounds that are nobody's emotion are made, to be heard among the clips and doubted."""
    teacher: str = ""
    """The model whose verdicts on the same clips are part of the targets; none when empty."""
    teacher_share: float = 0.0
    """How much the teacher's verdicts count in the targets, 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, by ValueError."""
        unknown = [one for one in (*self.corpora, *self.repeat) if one not in READERS]
        if unknown or not self.corpora:
            raise ValueError(f"corpora must be some of {', '.join(READERS)}, got {', '.join(unknown) or 'none'}")
        if bool(self.teacher) != (self.teacher_share > 0):
            raise ValueError("a teacher needs a teacher_share above 0, and the other way round")


def names() -> list[str]:
    """Return the names of all configurations."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str, folder: Path = FOLDER) -> Configuration:
    """Return a configuration by its name.

    Raises
    ------
    ConfigurationError
        When there is none of that name, or it is wrong.
    """
    path = folder / f"{name}.toml"
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Configuration)
    except FileNotFoundError as error:
        known = ", ".join(sorted(one.stem for one in folder.glob("*.toml")))
        raise ConfigurationError(f"no configuration {name!r} in {folder}; there are {known or 'none'}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
