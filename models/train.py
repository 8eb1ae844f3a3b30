"""The command that trains: five networks, each without the speakers of one fold, and one on all speakers.

    python -m models.train telephone-large --data ../shared/data --out build/lab

Takes one core; see `--help`. It must never look at the fold it leaves out; `models.evaluate` does. A model with a
teacher is trained by `models.distil`.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models import whisper
from models.configuration import Configuration, ConfigurationError, names, read
from models.corpora import CorpusError
from models.experiment import Table, Trained, gather, save
from models.heads import fit_head
from models.lessons import lesson_without
from models.network import EmotionNet, begin_with_whisper
from models.training import fit

VOTES = Path("crema-d/processedResults/tabulatedVotes.csv")


def train_without(
    fold: int,
    table: Table,
    configuration: Configuration,
    *,
    data: Path,
    cache: Path,
    taught: NDArray[np.float32] | None = None,
) -> Trained:
    """Return a network trained on all speakers but those of a fold; on all when the fold is 0.

    Parameters
    ----------
    fold
        Whose speakers stay unheard.
    table
        All clips.
    configuration
        Of the model.
    data
        Folder of the corpora, for the crowd's votes.
    cache
        Folder of log-mels.
    taught
        The teacher's probabilities, float32[clips, labels + 1], where there is a teacher.
    """
    lesson = lesson_without(fold, table, configuration, cache=cache, votes=data / VOTES, taught=taught)
    torch.manual_seed(configuration.recipe.seed)
    net = EmotionNet(configuration.shape)
    begin_with_whisper(net, whisper.read(whisper.find()))
    recipe = configuration.recipe
    print(f"last layer on Whisper's features: loss {fit_head(net, lesson, recipe, recipe.before):.3f}", flush=True)
    net = fit(net, lesson, recipe)
    print(f"last layer on what was learnt: loss {fit_head(net, lesson, recipe, recipe.after):.3f}", flush=True)
    return Trained(net, recipe, fold)


def parser_for(command: str, description: str) -> argparse.ArgumentParser:
    """Return the arguments that training and distilling have in common."""
    parser = argparse.ArgumentParser(
        prog=f"python -m models.{command}",
        description=description,
        epilog=f"example: python -m models.{command} telephone --data ../shared/data --out build/lab --folds 1 2 0",
    )
    parser.add_argument("model", choices=names(), help="which configuration of models/configurations")
    parser.add_argument("--data", type=Path, required=True, help="folder with the corpora and folds.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for MODEL/fold-N.pt; log-mels are cached in it")
    parser.add_argument(
        "--folds", type=int, nargs="+", default=[], help="folds to leave out in turn, 0 leaves out none (all, and 0)"
    )
    parser.add_argument("--recipe", default="{}", help="fields of the recipe to change, as JSON, for experiments")
    parser.add_argument("--change", default="{}", help="fields of the configuration to change, as JSON, likewise")
    parser.add_argument("--threads", type=int, default=1, help="cores to use (%(default)s)")
    return parser


def prepare(arguments: argparse.Namespace, *, taught: bool) -> tuple[Configuration, Table]:
    """Return what the arguments ask for; set the threads.

    Parameters
    ----------
    arguments
        Of `parser_for`.
    taught
        Whether the command trains models with a teacher; otherwise those without.

    Raises
    ------
    ConfigurationError
        When the model is the other command's.
    CorpusError, OSError, msgspec.DecodeError
        When there is no such corpus or table of folds, or what is to be changed is wrong.
    """
    torch.set_num_threads(arguments.threads)
    asked = msgspec.to_builtins(read(arguments.model)) | msgspec.json.decode(arguments.change, type=dict[str, Any])
    asked["recipe"] |= msgspec.json.decode(arguments.recipe, type=dict[str, Any])
    configuration = msgspec.convert(asked, Configuration)
    if taught and not configuration.teacher:
        raise ConfigurationError(f"{configuration.name} has no teacher: use models.train")
    if configuration.teacher and not taught:
        raise ConfigurationError(f"{configuration.name} has the teacher {configuration.teacher}: use models.distil")
    table = gather(
        arguments.data,
        configuration.corpora,
        labels=configuration.shape.labels,
        calm_as_neutral=configuration.calm_as_neutral,
    )
    for corpus, summary in table.summaries.items():
        print(f"{corpus}: {summary}")
    return configuration, table


def folds_of(table: Table) -> list[int]:
    """Return every fold of a table, and 0, which leaves out none."""
    return [*(int(fold) for fold in np.unique(table.folds)), 0]


def main() -> None:
    """Run the command."""
    arguments = parser_for("train", "Train a model: one network a fold, and one on all speakers.").parse_args()
    try:
        configuration, table = prepare(arguments, taught=False)
        for fold in arguments.folds or folds_of(table):
            began = time.monotonic()
            print(f"training {'on all speakers' if fold == 0 else f'without the speakers of fold {fold}'}", flush=True)
            path = arguments.out / configuration.name / f"fold-{fold}.pt"
            save(train_without(fold, table, configuration, data=arguments.data, cache=arguments.out / "features"), path)
            print(f"wrote {path} after {time.monotonic() - began:.0f} s", flush=True)
    except (ConfigurationError, CorpusError, whisper.WhisperError, msgspec.DecodeError, OSError) as problem:
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    main()
