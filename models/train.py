"""The command that trains: five networks, each without the speakers of one fold, and one on all speakers.

    python -m models.train --data ../shared/data --out build/lab

Takes one core; see `--help`. It must never look at the fold it leaves out; `models.evaluate` does.
"""

import argparse
import time
from pathlib import Path

import msgspec
import numpy as np
import torch

from models.callers import Callers, prior_of
from models.dataset import compute
from models.experiment import HEARD, MFCC, PRIOR_WEIGHT_FRAMES, TRAINED_ON, Table, Trained, gather, save
from models.network import Shape
from models.training import Recipe, fit


def train_without(fold: int, table: Table, cache: Path | None, recipe: Recipe) -> Trained:
    """Return a network trained on all speakers but those of a fold; on all when the fold is 0."""
    indices = np.flatnonzero(table.folds != fold)
    heard = [compute(table.clips, variant, MFCC, cache) for variant in HEARD]
    prior = prior_of(heard, indices, PRIOR_WEIGHT_FRAMES)
    callers = [Callers(utterances, table.speakers, table.labels) for utterances in heard]
    shape = Shape(n_mfcc=MFCC.n_mfcc)
    net = fit(callers, indices, table.labels, prior=prior, shape=shape, recipe=recipe)
    return Trained(net, prior, MFCC, recipe, fold)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train",
        description="Train the telephone model on CREMA-D and EmoDB: one network a fold, and one on all speakers.",
        epilog="example: python -m models.train --data ../shared/data --out build/lab --folds 1 2 3 4 5 0",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with crema-d, emodb and folds.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for fold-N.pt; features are cached in it")
    parser.add_argument(
        "--folds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 0], help="folds to leave out in turn; 0 leaves out none"
    )
    parser.add_argument("--epochs", type=int, default=Recipe().epochs, help="passes over the clips (%(default)s)")
    parser.add_argument("--seed", type=int, default=Recipe().seed, help="of all random numbers (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="cores to use (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = msgspec.structs.replace(Recipe(), epochs=arguments.epochs, seed=arguments.seed)
    table = gather(arguments.data, TRAINED_ON)
    for corpus, summary in table.summaries.items():
        print(f"{corpus}: {summary}")
    for fold in arguments.folds:
        began = time.monotonic()
        print(f"training {'on all speakers' if fold == 0 else f'without the speakers of fold {fold}'}", flush=True)
        path = arguments.out / f"fold-{fold}.pt"
        save(train_without(fold, table, arguments.out / "features", recipe), path)
        print(f"wrote {path} after {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
