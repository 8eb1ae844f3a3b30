"""The command that says what there is to beat: the series' own networks, linear models, people, and chance.

    python -m models.baselines --data ../shared/data --out models/reports/baselines

Everything in the telephone band (8 kHz, G.711 mu-law and back), by one core. Writes `report.json` (every figure) and
`REPORT.md` (the table). This file must never tune anything: settings are the series' or defaults, fixed beforehand.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from models.baselines_crowd import judge_crowd, read_votes
from models.baselines_features import CLASSES
from models.baselines_linear import STATISTICS, Spoken, judge_constant, judge_linear
from models.baselines_report import render
from models.baselines_series import Material, judge_series, methods
from models.corpora import CorpusError
from streamer.emotion.model import LABELS


def measure(
    data: Path, cache: Path | None, folds: tuple[int, ...], epochs: tuple[int, int, int], seed: int
) -> dict[str, Any]:
    """Return all figures.

    Parameters
    ----------
    data
        Folder with savee, ravdess, tess, crema-d and folds.csv.
    cache
        For features, and verdicts of networks; None computes always.
    folds
        Which folds the networks are judged on by speaker.
    epochs
        Of the 1-D network, the augmented one and the 2-D one.
    seed
        Of every random number.

    Raises
    ------
    CorpusError
        When a corpus, `folds.csv` or the crowd's votes are missing.
    """
    votes = read_votes(data / "crema-d" / "processedResults" / "tabulatedVotes.csv")
    material = Material.read(data)
    print(f"the series' four corpora: {len(material.clips)} clips", flush=True)
    spoken = Spoken.read(data)
    return {
        "seed": seed,
        "clips": {"crema-d": len(spoken.stems), "series": len(material.clips)},
        "six": [
            *judge_constant(spoken.labels, LABELS, "accuracy_6"),
            *judge_crowd(spoken.stems, spoken.labels, votes),
            *(row for name in STATISTICS for row in judge_linear(spoken, name, seed)),
        ],
        "series": [
            *judge_constant(material.classes, CLASSES, "accuracy_14"),
            *judge_series(material, folds, methods(*epochs, seed), cache),
        ],
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.baselines",
        description="Measure the series' networks, linear models, people and chance; write report.json and REPORT.md.",
        epilog="example: python -m models.baselines --data ../shared/data --out models/reports/baselines",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with savee, ravdess, tess, crema-d, folds.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.json and REPORT.md")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/baselines"),
        help="features and verdicts of earlier runs (%(default)s)",
    )
    parser.add_argument(
        "--folds", type=int, nargs="+", default=[1, 2], help="folds the networks are judged on by speaker (%(default)s)"
    )
    parser.add_argument(
        "--epochs",
        type=int,
        nargs=3,
        default=[6, 3, 10],
        metavar=("1D", "AUGMENTED", "2D"),
        help="passes over the clips, half an hour of one core in all; 0 leaves a system out (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        report = measure(
            arguments.data, arguments.cache, tuple(arguments.folds), tuple(arguments.epochs), arguments.seed
        )
    except (CorpusError, OSError) as error:
        sys.exit(f"baselines: {error}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (arguments.out / "REPORT.md").write_text(render(report), encoding="utf-8")
    print(f"wrote {arguments.out / 'REPORT.md'} and report.json")


if __name__ == "__main__":
    main()
