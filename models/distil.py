"""The command that trains a small network with a large one as its teacher.

    python -m models.distil telephone --data ../shared/data --out build/lab

The teacher of each fold is the network of `models.train` that left the same fold out. It hears every clip over the
plain line after all that its speaker says elsewhere in the corpus, which a pupil that judges first words does not; its
verdicts are a part of the pupil's targets over every line. Takes one core. It must never let a teacher or a pupil hear
the fold that is left out.
"""

import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models import whisper
from models.configuration import Configuration, ConfigurationError
from models.corpora import CorpusError
from models.dataset import Hearing, compute
from models.experiment import PLAIN, Table, Trained, load, save
from models.network import Packed, Statistics
from models.train import folds_of, parser_for, prepare, train_without
from models.training import encode


def verdicts(teacher: Trained, table: Table, heard: Hearing) -> NDArray[np.float32]:
    """Return the teacher's probabilities, float32[clips, labels + 1], after all other clips of the same speaker.

    Clips of the fold that the teacher left out are not judged: their rows are even, and nobody is taught by them.
    """
    labels = len(teacher.net.shape.labels) + 1
    net, found = teacher.net, np.full((len(table.clips), labels), 1.0 / labels, dtype=np.float32)
    for speaker in np.unique(table.speakers[table.folds != teacher.left_out_fold]):
        clips = np.flatnonzero(table.speakers == speaker)
        encoded = encode(net, [heard.frames(int(clip)) for clip in clips])
        said = [of for _, of in encoded]
        weight, total, squares = (
            torch.cat([getattr(one, name) for one in said]) for name in ("weight", "total", "squares")
        )
        others = 1.0 - torch.eye(len(clips))
        before = Statistics(weight, total, squares).mixed(others)
        with torch.inference_mode():
            for row, (tokens, _) in enumerate(encoded):
                one = slice(row, row + 1)
                packed = Packed(tokens, tokens, tokens, torch.tensor([len(tokens)]), tokens)
                own = Statistics(before.weight[one], before.total[one], before.squares[one])
                normalised = net.normalise(tokens, packed.owner, own, teacher.recipe.prior_weight)
                logits = net.classify(net.pool(normalised, packed))
                found[clips[row]] = torch.softmax(logits, dim=1)[0].numpy()
    return found


def distil_without(fold: int, table: Table, configuration: Configuration, data: Path, out: Path) -> Trained:
    """Return a pupil trained on all speakers but those of a fold; on all when the fold is 0."""
    path = out / configuration.teacher / f"fold-{fold}.pt"
    if not path.is_file():
        raise ConfigurationError(f"no teacher {path}: run models.train {configuration.teacher} --folds {fold} first")
    teacher = load(path)
    if teacher.net.shape.labels != configuration.shape.labels:
        theirs, ours = (", ".join(one) for one in (teacher.net.shape.labels, configuration.shape.labels))
        raise ConfigurationError(f"teacher {path} names {theirs}; {configuration.name} names {ours}")
    taught = verdicts(teacher, table, compute(table.clips, PLAIN, out / "features"))
    print(f"{configuration.teacher} has judged {len(taught)} clips", flush=True)
    return train_without(fold, table, configuration, data=data, cache=out / "features", taught=taught)


def main() -> None:
    """Run the command."""
    arguments = parser_for("distil", "Train a small model taught by a large one, fold by fold.").parse_args()
    try:
        configuration, table = prepare(arguments, taught=True)
        for fold in arguments.folds or folds_of(table):
            began = time.monotonic()
            print(f"distilling {'on all speakers' if fold == 0 else f'without speakers of fold {fold}'}", flush=True)
            path = arguments.out / configuration.name / f"fold-{fold}.pt"
            save(distil_without(fold, table, configuration, arguments.data, arguments.out), path)
            print(f"wrote {path} after {time.monotonic() - began:.0f} s", flush=True)
    except (ConfigurationError, CorpusError, whisper.WhisperError, msgspec.DecodeError, OSError) as problem:
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    main()
