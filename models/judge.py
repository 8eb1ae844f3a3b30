"""Verdicts on whole corpora, by the exported networks through the server's own code: VAD, features, ONNX Runtime.

What is judged here is what ships: 8-bit weights, one utterance a run, the caller's statistics kept by the streamer.
Each clip is judged by a network that has not heard its speaker. This file must never compute a figure, or let an
utterance count among its own earlier ones.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.configuration import Configuration
from models.dataset import Variant, hear
from models.experiment import Table, Trained
from models.serving import features_of, to_onnx
from models.telephone import RATE_HZ
from models.toml import to_toml
from streamer.emotion.model import CalibrationCard, EmotionModel, ModelCard, load
from streamer.features import Moments, Prior

EARLIER: Final = (0, 5, 10, 20, 40)
"""How many utterances a caller has said before; drawn at random among all of the same speaker."""


def as_served(trained: Trained, configuration: Configuration, folder: Path) -> EmotionModel:
    """Export a network with a card that does not calibrate yet, and load it as the server does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    to_onnx(trained.net, configuration, path)
    card = card_of(trained, configuration, path, version="0.0.0", calibration=CalibrationCard(1.0, 0.0), figures={})
    (folder / "model.toml").write_text(to_toml(msgspec_builtins(card), "Of models.judge."), encoding="utf-8")
    return load(folder, for_events=False)


def card_of(
    trained: Trained,
    configuration: Configuration,
    network: Path,
    *,
    version: str,
    calibration: CalibrationCard,
    figures: dict[str, float],
) -> ModelCard:
    """Return the card a program reads, for an exported network."""
    mean = trained.net.mean.double()
    std = (trained.net.squares.double() - mean * mean).clamp_min(1e-6).sqrt()
    return ModelCard(
        name=configuration.name,
        version=version,
        sha256=hashlib.sha256(network.read_bytes()).hexdigest(),
        licence=configuration.licence,
        commercial_use=configuration.commercial_use,
        labels=configuration.shape.labels,
        features=features_of(configuration),
        normalisation=Prior(tuple(mean.tolist()), tuple(std.tolist()), trained.recipe.prior_weight),
        calibration=calibration,
        figures=figures,
    )


class Hearing:
    """The clips of a table over one line, as features.

    Parameters
    ----------
    table
        The clips.
    variant
        How they are heard.
    model
        Whose features; all networks of a configuration take the same.
    longest_s
        Only so much of each utterance is heard; all when None.
    """

    def __init__(self, table: Table, variant: Variant, model: EmotionModel, longest_s: float | None = None) -> None:
        self.table = table
        self.features: list[NDArray[np.float32]] = []
        seconds = []
        for samples in self._audio(variant):
            heard = samples if longest_s is None else samples[: round(longest_s * RATE_HZ)]
            seconds.append(len(heard) / RATE_HZ)
            self.features.append(rows_of(model, heard))
        self.speech_s = np.array(seconds, dtype=np.float32)

    def _audio(self, variant: Variant) -> Iterator[NDArray[np.float32]]:
        for number, clip in enumerate(self.table.clips, start=1):
            yield hear(clip, variant)
            if number % 2000 == 0:
                print(f"heard {variant.name}: {number} of {len(self.table.clips)} clips", flush=True)


def rows_of(model: EmotionModel, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a model's features of one utterance, float32[frames, features]; a very short one is filled up."""
    front_end = model.new_features()
    least = model.card.features.parameters.n_fft
    front_end.push(np.pad(samples, (0, max(0, least - len(samples)))))
    return front_end.features()


def judge(
    models: dict[int, EmotionModel], hearing: Hearing, earlier: Sequence[int], seed: int = 0
) -> dict[int, NDArray[np.float32]]:
    """Return the logits of all clips, float32[clips, labels], by how many utterances the caller has said before.

    Parameters
    ----------
    models
        By the fold that was left out; with only fold 0, that network judges all.
    hearing
        The clips.
    earlier
        How many utterances of the same speaker come before.
    seed
        Of the draw.
    """
    table = hearing.table
    by_clip = [models[0] if set(models) == {0} else models[int(fold)] for fold in table.folds]
    cold, said = [], []
    for model, features in zip(by_clip, hearing.features, strict=True):
        logits, moments = model.run(features, *model.new_normaliser().statistics())
        cold.append(logits)
        said.append(moments)
    of_speaker = {speaker: np.flatnonzero(table.speakers == speaker) for speaker in np.unique(table.speakers)}
    found = {}
    for count in earlier:
        rng = np.random.default_rng([seed, count])
        found[count] = np.stack(
            [
                cold[index] if count == 0 else _after(model, hearing, said, of_speaker, index, count=count, rng=rng)
                for index, model in enumerate(by_clip)
            ]
        )
    return found


def _after(
    model: EmotionModel,
    hearing: Hearing,
    said: Sequence[Moments],
    of_speaker: dict[str, NDArray[np.int64]],
    index: int,
    *,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the logits of a clip after some others of its speaker, judged by the network that judges it."""
    others = of_speaker[hearing.table.speakers[index]]
    others = others[others != index]
    caller = model.new_normaliser()
    for one in rng.choice(others, min(count, len(others)), replace=False):
        caller.remember(said[one])
    logits, _ = model.run(hearing.features[index], *caller.statistics())
    return logits


def msgspec_builtins(card: ModelCard) -> dict[str, object]:
    """Return a card as plain values, for TOML."""
    plain: dict[str, object] = msgspec.to_builtins(card)
    return plain
