"""The command that judges: every figure of a model's card, from networks that have not heard the speaker.

    python -m models.evaluate telephone --data ../shared/data --networks build/lab

Networks are exported and run as the server runs them (`models.judge`). Each clip of the corpora a model was trained on
is judged by the network that left its speaker's fold out; other corpora by the one trained on all speakers, who are
none of theirs. This file must never choose a setting by what it measures.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models import judge
from models.configuration import Configuration, ConfigurationError, names, read
from models.corpora import READERS, CorpusError
from models.dataset import Variant
from models.experiment import PLAIN, Table, Trained, gather, load
from models.figures import Doubted, Judged, report
from models.lessons import sounds
from models.telephone import NAMED
from models.train import VOTES
from streamer.emotion.model import EmotionModel

OTHERS: Final = (0, 10)
"""Earlier utterances on lines other than the plain one."""
SHORT_S: Final = {"first-500ms": 0.5, "first-1000ms": 1.0}
SOUNDS: Final = 390
DEMOGRAPHICS: Final = Path("crema-d/VideoDemographics.csv")


def on_all_lines(models: dict[int, EmotionModel], table: Table, lines: dict[str, Variant], one_in: int = 1) -> Judged:
    """Return the verdicts on a table over the plain line and others, and on its utterances' beginnings.

    Parameters
    ----------
    models
        By the fold that was left out.
    table
        The clips.
    lines
        Besides the plain one.
    one_in
        Over these, and for the beginnings, only one in so many of each speaker's clips is heard.
    """
    some = next(iter(models.values()))
    plain = judge.Hearing(table, PLAIN, some)
    logits = {("mulaw", count): found for count, found in judge.judge(models, plain, judge.EARLIER).items()}
    print("judged mulaw", flush=True)
    sampled = sample(table, one_in)
    fewer = table.only(sampled)
    for name, variant in lines.items():
        heard = judge.Hearing(fewer, variant, some)
        logits |= {(name, count): found for count, found in judge.judge(models, heard, OTHERS).items()}
        print(f"judged {name}", flush=True)
    for name, longest_s in SHORT_S.items() if lines else ():
        heard = judge.Hearing(fewer, PLAIN, some, longest_s)
        logits |= {(name, count): found for count, found in judge.judge(models, heard, OTHERS).items()}
    return Judged(table=table, logits=logits, speech_s=plain.speech_s, sampled=sampled)


def sample(table: Table, one_in: int) -> NDArray[np.int64]:
    """Return the indices of one in so many clips of each speaker, at least one, drawn by a fixed seed."""
    rng = np.random.default_rng(0)
    chosen = [
        rng.choice(own, -(-len(own) // one_in), replace=False)
        for speaker in np.unique(table.speakers)
        for own in [np.flatnonzero(table.speakers == speaker)]
    ]
    return np.sort(np.concatenate(chosen))


def lines() -> dict[str, Variant]:
    """Return every line of the report but the plain one."""
    named = {
        name: Variant(name, condition, seed=100 + number)
        for number, (name, condition) in enumerate(NAMED.items())
        if name != "mulaw"
    }
    return named | {"untrimmed": Variant("untrimmed", trim=False, seed=15)}


def doubted(model: EmotionModel) -> Doubted:
    """Return the verdicts on sounds that are nobody's emotion, none of which training has heard."""
    kinds, heard = sounds(SOUNDS, "test", seed=0)
    statistics = model.new_normaliser().statistics()
    logits: NDArray[np.float32] = np.stack([model.run(judge.rows_of(model, one), *statistics)[0] for one in heard])
    return Doubted(kinds=tuple(kinds), logits=logits)


def served(configuration: Configuration, networks: Path, folds: tuple[int, ...]) -> dict[int, EmotionModel]:
    """Return the networks of some folds as the server runs them."""
    folder = networks / configuration.name
    found: dict[int, Trained] = {}
    for fold in folds:
        path = folder / f"fold-{fold}.pt"
        if not path.is_file():
            raise ConfigurationError(f"no network {path}; run models.train or models.distil first")
        found[fold] = load(path)
    return {fold: judge.as_served(trained, configuration, folder / f"served-{fold}") for fold, trained in found.items()}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate",
        description="Judge the networks of a model by speaker and write MODEL/report.json.",
        epilog="example: python -m models.evaluate telephone --data ../shared/data --networks build/lab",
    )
    parser.add_argument("model", choices=names(), help="which configuration of models/configurations")
    parser.add_argument("--data", type=Path, required=True, help="folder with the corpora and folds.csv")
    parser.add_argument("--networks", type=Path, required=True, help="folder with MODEL/fold-0.pt to fold-5.pt")
    parser.add_argument("--plain-only", action="store_true", help="leave out all lines but the plain one")
    parser.add_argument(
        "--one-in", type=int, default=3, metavar="N", help="other lines hear one in N clips of a speaker (%(default)s)"
    )
    parser.add_argument("--no-final", action="store_true", help="judge by fold only: no other corpora, no sounds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = arguments.data
    try:
        configuration = read(arguments.model)
        labels = configuration.shape.labels
        table = gather(data, configuration.corpora, labels=labels, calm_as_neutral=configuration.calm_as_neutral)
        by_fold = served(configuration, arguments.networks, tuple(int(fold) for fold in np.unique(table.folds)))
        others_too = {} if arguments.plain_only else lines()
        held_out = on_all_lines(by_fold, table, others_too, arguments.one_in)
        others, doubt = {}, None
        if not arguments.no_final:
            final = served(configuration, arguments.networks, (0,))
            for corpus in READERS:
                if corpus not in configuration.corpora:
                    strangers = gather(data, (corpus,), labels=labels)
                    others[corpus] = on_all_lines(final, strangers, {})
                    print(f"judged {corpus}, never trained on", flush=True)
            doubt = doubted(final[0])
    except (ConfigurationError, CorpusError, OSError) as problem:
        sys.exit(f"error: {problem}")
    figures = report(held_out, others, doubt, labels, data / DEMOGRAPHICS, data / VOTES)
    figures["read"] = table.summaries
    figures["configuration"] = msgspec.to_builtins(configuration)
    path = arguments.networks / configuration.name / "report.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")
    for name, value in figures["headline"].items():
        print(f"{name} = {value:.4f}")


if __name__ == "__main__":
    main()
