"""Verdicts that no network gave, for tests of reports and cards: clips of made-up speakers, logits from a generator."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.figures import Doubted, Judged
from streamer.emotion.model import LABELS

LINES = ("mulaw", "clean", "gsm", "opus-12", "noise-5", "untrimmed", "first-500ms", "first-1000ms")


def judged(
    corpora: tuple[str, ...] = ("crema-d", "emodb"),
    lines: tuple[str, ...] = LINES,
    labels: tuple[str, ...] = LABELS,
    seed: int = 0,
) -> Judged:
    """Ten speakers of twelve clips in each corpus; two speakers in each of five folds; women and men in turn."""
    rng = np.random.default_rng(seed)
    clips, truth, speakers, of_corpus, folds, genders = [], [], [], [], [], []
    for corpus in corpora:
        for speaker in range(10):
            for number in range(12):
                label = number % 6
                name = f"{1001 + speaker}_{number:03d}_{LABELS[label][:3].upper()}_XX"
                clips.append(SimpleNamespace(path=Path(corpus) / f"{name}.wav"))
                truth.append(labels.index(LABELS[label]))
                speakers.append(f"{corpus}/{1001 + speaker}")
                of_corpus.append(corpus)
                folds.append(1 + speaker // 2)
                genders.append("fm"[speaker % 2])
    table: Any = SimpleNamespace(
        clips=tuple(clips),
        labels=np.array(truth),
        speakers=np.array(speakers),
        corpora=np.array(of_corpus),
        folds=np.array(folds),
        genders=np.array(genders),
    )
    logits = {}
    for line in lines:
        for earlier in (0, 5, 10, 20, 40) if line == "mulaw" else (0, 10):
            scores = rng.normal(size=(len(clips), len(labels)))
            scores[np.arange(len(clips)), truth] += 2.0
            logits[line, earlier] = scores.astype(np.float32)
    return Judged(table, logits, rng.uniform(0.3, 4.0, len(clips)).astype(np.float32), np.arange(len(clips)))


def doubted(labels: tuple[str, ...] = LABELS) -> Doubted:
    """Forty sounds of two kinds, all scores nearly alike."""
    scores = np.random.default_rng(1).normal(size=(40, len(labels))) * 0.1
    return Doubted(("music", "silence") * 20, scores.astype(np.float32))


def demographics(folder: Path) -> Path:
    """Half of the actors are young."""
    path = folder / "VideoDemographics.csv"
    rows = [
        f'{1001 + n},{25 if n < 5 else 50},"Male","{"Asian" if n % 3 else "Unknown"}","Hispanic"' for n in range(10)
    ]
    path.write_text('"ActorID","Age","Sex","Race","Ethnicity"\n' + "\n".join(rows) + "\n")
    return path


def votes(folder: Path) -> Path:
    """Nine voters of each clip say angry, one what was meant; the first clip has a tie."""
    path = folder / "tabulatedVotes.csv"
    lines = ['"","A","D","F","H","N","S","fileName"']
    for row, clip in enumerate(judged(("crema-d",), ("mulaw",)).table.clips):
        angry = 1 if row == 0 else 9
        counts = {"A": angry, "D": 0, "F": 0, "H": 0, "N": 0, "S": 0}
        meant = {"NEU": "N", "HAP": "H", "SAD": "S", "ANG": "A", "FEA": "F", "DIS": "D"}[clip.path.stem.split("_")[2]]
        counts[meant] += 1
        lines.append(f'"{100000 + row}",' + ",".join(str(one) for one in counts.values()) + f',"{clip.path.stem}"')
    path.write_text("\n".join(lines) + "\n")
    return path
