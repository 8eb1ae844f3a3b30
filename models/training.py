"""Fit one network to some speakers, on one core. Torch only; the commands are `models.train` and `models.distil`.

A batch holds several callers; each is one speaker heard over one line, with a dozen utterances. Each utterance is
judged after a drawn number of the caller's others, as in a call, so that one network serves a caller's first words and
their fortieth, and the network learns through the statistics it will be given. Deterministic by seed on one machine.
This file must never see a clip that is not among the indices it is given, or choose anything by looking at held-out
speakers: the number of epochs is fixed beforehand and the last averaged weights are the result.
"""

import copy
import time
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.dataset import Hearing
from models.network import EmotionNet, Packed, Statistics, pack

_FOLLOW = 0.02
"""Share by which the prior follows each batch."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a network is trained."""

    epochs: int = 5
    """Passes over the clips."""
    callers: int = 8
    """Callers in a batch."""
    utterances: int = 12
    """Utterances of a caller in a batch, about."""
    rate: float = 6e-5
    """Highest learning rate of Whisper's layers in the one-cycle schedule."""
    head_rate: float = 5e-4
    """The same of the layers behind them."""
    ridge: float = 0.04
    """Weight of the squared weights where the last layer is solved for."""
    before: tuple[int, ...] = (0, 3)
    """Which hearings the last layer is solved on before all layers learn."""
    after: tuple[int, ...] = (0, 1, 3, 4, 7)
    """The same, afterwards."""
    decay: float = 0.05
    """Weight decay of AdamW."""
    smoothing: float = 0.1
    """Label smoothing."""
    mixup: float = 0.0
    """Alpha of the beta distribution by which pooled utterances and their labels are mixed; 0 for none."""
    time_mask: float = 0.0
    """Longest share of an utterance that one of two masks hides."""
    band_mask: int = 0
    """Most neighbouring mel bands that one of two masks hides."""
    level: float = 0.25
    """How far a caller's log-mels are moved up or down, in Whisper's units (1 is 40 dB)."""
    level_within: float = 0.05
    """How far an utterance's are moved besides: within a call, loudness tells."""
    cut: float = 0.3
    """Share of utterances of which only a piece is heard."""
    cold: float = 0.3
    """Share of utterances that are judged as a caller's first."""
    prior_weight: float = 600.0
    """How many of a caller's tokens weigh as much as the corpus's statistics; 50 are a second."""
    averaging: float = 0.99
    """How much of the averaged weights a step keeps."""
    seed: int = 1


class Lesson(msgspec.Struct, frozen=True, eq=False):
    """What is trained on."""

    hearings: Sequence[Hearing]
    """The same clips over several lines; a caller is heard over one of them, drawn each time."""
    speakers: NDArray[np.str_]
    """Of each clip."""
    indices: NDArray[np.integer]
    """Which clips may be heard."""
    targets: NDArray[np.float32]
    """float32[clips, labels + 1]: how likely each label is for each clip, last nobody's; rows sum to 1."""


class _Batch(msgspec.Struct, frozen=True, eq=False):
    packed: Packed
    targets: Tensor
    before: Tensor
    """float32[utterances, utterances]: how often each counts as said before another."""


def fit(net: EmotionNet, lesson: Lesson, recipe: Recipe) -> EmotionNet:
    """Train a network.

    Parameters
    ----------
    net
        Where training begins, its last layer solved for by `models.heads`; it is changed.
    lesson
        What is heard.
    recipe
        Of the training.

    Returns
    -------
    EmotionNet
        With averaged weights, in evaluation mode; prior and last layer are to be solved for again.
    """
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    averaged = copy.deepcopy(net)
    fresh = {id(one) for layer in (net.attend, net.weigh, net.pooled_norm, net.head) for one in layer.parameters()}
    optimiser = torch.optim.AdamW(
        [
            {"params": [one for one in net.parameters() if id(one) not in fresh], "lr": recipe.rate},
            {"params": [one for one in net.parameters() if id(one) in fresh], "lr": recipe.head_rate},
        ],
        weight_decay=recipe.decay,
    )
    per_epoch = len(_callers(lesson, recipe, np.random.default_rng(0)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [recipe.rate, recipe.head_rate], total_steps=recipe.epochs * per_epoch, pct_start=0.15
    )
    step = 0
    for epoch in range(recipe.epochs):
        began, losses = time.monotonic(), []
        net.train()
        net.pooled_norm.eval()  # a standardisation that was solved for, not one by batch
        for batch in _batches(lesson, recipe, rng):
            loss = _loss(net, batch, recipe, rng)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            _average(averaged, net, min(recipe.averaging, 1 - 1 / (1 + step)))
            losses.append(loss.item())
        print(
            f"epoch {epoch + 1}/{recipe.epochs}: loss {np.mean(losses):.3f}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    averaged.eval()
    return averaged


def _callers(lesson: Lesson, recipe: Recipe, rng: np.random.Generator) -> list[list[NDArray[np.int64]]]:
    """Return one epoch: for each batch its callers, for each caller its clips, none twice."""
    callers: list[NDArray[np.int64]] = []
    speakers = lesson.speakers[lesson.indices]
    for speaker in np.unique(speakers):
        known, times = np.unique(lesson.indices[speakers == speaker], return_counts=True)
        # A clip that is heard several times an epoch is heard by another caller each time: never before itself.
        for turn in range(int(times.max())):
            clips = rng.permutation(known[times > turn]).astype(np.int64)
            callers += np.array_split(clips, max(1, round(len(clips) / recipe.utterances)))
    order = rng.permutation(len(callers))
    return [
        [callers[i] for i in order[start : start + recipe.callers]] for start in range(0, len(order), recipe.callers)
    ]


def _batches(lesson: Lesson, recipe: Recipe, rng: np.random.Generator) -> Iterator[_Batch]:
    for callers in _callers(lesson, recipe, rng):
        heard, loudest, clips = [], [], []
        for caller in callers:
            hearing = lesson.hearings[int(rng.integers(len(lesson.hearings)))]
            level = float(rng.uniform(-recipe.level, recipe.level))
            for clip in caller:
                rows = hearing.frames(int(clip))
                shift = level + float(rng.uniform(-recipe.level_within, recipe.level_within))
                loudest.append(float(rows.max()) + shift)
                heard.append(_augment(rows, recipe, rng) + np.float32(shift))
            clips.append(caller)
        targets = torch.from_numpy(lesson.targets[np.concatenate(clips)])
        before = torch.from_numpy(_before([len(one) for one in clips], recipe, rng))
        yield _Batch(pack(heard, loudest), targets, before)


def _before(sizes: Sequence[int], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw for each utterance which others of its caller came before it; up to thrice as many as there are."""
    shares = np.zeros((sum(sizes), sum(sizes)), dtype=np.float32)
    start = 0
    for size in sizes:
        for judged in range(start, start + size):
            if size == 1 or rng.random() < recipe.cold:
                continue
            others = np.delete(np.arange(start, start + size), judged - start)
            chosen = rng.choice(others, int(rng.integers(1, size)), replace=False)
            shares[judged, chosen] = rng.choice([1.0, 1.0, 2.0, 3.0])
        start += size
    return shares


def _augment(rows: NDArray[np.float32], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Cut a piece out sometimes, then hide stretches of time and of bands behind the mean (SpecAugment)."""
    if rng.random() < recipe.cut and len(rows) > 60:
        length = int(len(rows) * rng.uniform(0.4, 1.0))
        start = int(rng.integers(len(rows) - length + 1))
        rows = rows[start : start + length]
    rows = rows.copy()
    mean = rows.mean()
    for _ in range(2):
        width = int(rng.integers(int(min(len(rows) * recipe.time_mask, 25)) + 1))
        start = int(rng.integers(len(rows) - width + 1))
        rows[start : start + width] = mean
    for _ in range(2):
        width = int(rng.integers(recipe.band_mask + 1))
        start = int(rng.integers(rows.shape[1] - width + 1))
        rows[:, start : start + width] = mean
    return rows


def _loss(net: EmotionNet, batch: _Batch, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Return the mean cross-entropy of a batch, and let the prior follow its tokens slowly."""
    with torch.autocast("cpu", torch.bfloat16):
        tokens = net.encode(batch.packed)
    said = net.statistics(tokens, batch.packed)
    with torch.no_grad():
        weight = said.weight.sum().clamp_min(1.0)
        net.mean.lerp_(said.total.sum(0) / weight, _FOLLOW)
        net.squares.lerp_(said.squares.sum(0) / weight, _FOLLOW)
    normalised = net.normalise(tokens, batch.packed.owner, said.mixed(batch.before), recipe.prior_weight)
    target = batch.targets * (1 - recipe.smoothing) + recipe.smoothing / batch.targets.shape[1]
    with torch.autocast("cpu", torch.bfloat16):
        pooled = net.pool(normalised, batch.packed)
        if recipe.mixup:
            share = float(rng.beta(recipe.mixup, recipe.mixup))
            other = torch.from_numpy(rng.permutation(len(pooled)))
            pooled = share * pooled + (1 - share) * pooled[other]
            target = share * target + (1 - share) * target[other]
        logits = net.classify(pooled).float()
    return -(target * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def _average(averaged: EmotionNet, net: EmotionNet, keep: float) -> None:
    with torch.no_grad():
        for mean, now in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.mul_(keep).add_(now, alpha=1 - keep)
            else:
                mean.copy_(now)


def encode(net: EmotionNet, utterances: Sequence[NDArray[np.float32]]) -> list[tuple[Tensor, Statistics]]:
    """Return tokens and their statistics of each utterance, in single precision."""
    order = np.argsort([len(one) for one in utterances], kind="stable")
    found: list[tuple[Tensor, Statistics] | None] = [None] * len(utterances)
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            chosen = order[start : start + 32]
            packed = pack([utterances[i] for i in chosen])
            tokens = net.encode(packed)
            said = net.statistics(tokens, packed)
            parts = torch.split(tokens, packed.counts.tolist())
            for row, (index, part) in enumerate(zip(chosen, parts, strict=True)):
                one = slice(row, row + 1)
                found[index] = (part, Statistics(said.weight[one], said.total[one], said.squares[one]))
    return [one for one in found if one is not None]
