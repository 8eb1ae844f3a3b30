"""Fit one network to some speakers, on one core. Torch only; the command is `models.train`.

Deterministic by seed. This file must never see a clip that is not among the indices it is given, or choose anything by
looking at held-out speakers: the number of epochs is fixed beforehand and the last averaged weights are the result.
"""

import copy
import time
from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.callers import MOST_EARLIER, Callers
from models.network import EmotionNet, Shape
from streamer.emotion.model import LABELS
from streamer.features import Prior


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a network is trained."""

    epochs: int = 20
    batch: int = 64
    rate: float = 3e-3
    """Highest learning rate of the one-cycle schedule."""
    decay: float = 0.05
    """Weight decay of AdamW."""
    smoothing: float = 0.1
    """Label smoothing."""
    mixup: float = 0.1
    """Alpha of the beta distribution by which pooled embeddings and their labels are mixed; 0 for none."""
    time_mask: float = 0.2
    """Longest share of an utterance that one of two time masks hides."""
    cepstrum_mask: int = 4
    """Most neighbouring coefficients that a mask hides."""
    cold: float = 0.3
    """Share of utterances that are judged as a caller's first."""
    averaging: float = 0.995
    """How much of the averaged weights a step keeps."""
    seed: int = 1


def fit(
    callers: Sequence[Callers],
    indices: NDArray[np.integer],
    labels: NDArray[np.integer],
    *,
    prior: Prior,
    shape: Shape,
    recipe: Recipe,
) -> EmotionNet:
    """Train a network.

    Parameters
    ----------
    callers
        The same clips in each variant; each epoch hears a clip in one of them.
    indices
        int[training clips], which clips are trained on.
    labels
        int[clips].
    prior
        Statistics of the training speakers.
    shape
        Of the network.
    recipe
        Of the training.

    Returns
    -------
    EmotionNet
        In evaluation mode.
    """
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    net = EmotionNet(shape)
    averaged = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * -(-len(indices) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=steps, pct_start=0.2)
    for epoch in range(recipe.epochs):
        began, losses = time.monotonic(), []
        net.train()
        for features, lengths, chosen in _batches(callers, indices, recipe, prior, rng):
            loss = _loss(net, (features, lengths), torch.from_numpy(labels[chosen]), recipe, rng)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            _average(averaged, net, min(recipe.averaging, 1 - 1 / (1 + schedule.last_epoch)))
            losses.append(loss.item())
        print(
            f"epoch {epoch + 1}/{recipe.epochs}: loss {np.mean(losses):.3f}, {time.monotonic() - began:.1f} s",
            flush=True,
        )
    averaged.eval()
    return averaged


def infer(net: EmotionNet, utterances: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the logits of normalised utterances, float32[utterances, labels]; batched by length to be quick."""
    order = np.argsort([len(one) for one in utterances])
    logits = np.empty((len(utterances), len(LABELS)), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            features, lengths = _pad([utterances[i] for i in chosen])
            logits[chosen] = net(features, lengths).numpy()
    return logits


def _batches(
    callers: Sequence[Callers],
    indices: NDArray[np.integer],
    recipe: Recipe,
    prior: Prior,
    rng: np.random.Generator,
) -> list[tuple[Tensor, Tensor, NDArray[np.integer]]]:
    """Return one epoch: each clip in a drawn variant after a drawn number of earlier utterances, by length."""
    drawn = []
    for index in indices:
        caller = callers[int(rng.integers(len(callers)))]
        count = 0 if rng.random() < recipe.cold else int(rng.integers(1, MOST_EARLIER + 1))
        earlier = caller.earlier(int(index), count, rng, skewed=bool(rng.random() < 0.5))
        drawn.append(_augment(caller.frames(int(index), prior, earlier), recipe, rng))
    # Neighbours in length share a batch, so that little is padded; the noise keeps batches different each epoch.
    order = np.argsort([len(one) * rng.uniform(0.8, 1.25) for one in drawn])
    groups = [order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)]
    rng.shuffle(groups)
    return [(*_pad([drawn[i] for i in group]), indices[group]) for group in groups]


def _augment(frames: NDArray[np.float32], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Cut a piece out sometimes, then hide stretches of time and of coefficients (SpecAugment)."""
    if rng.random() < 0.3 and len(frames) > 60:
        length = int(len(frames) * rng.uniform(0.4, 1.0))
        start = int(rng.integers(len(frames) - length + 1))
        frames = frames[start : start + length]
    frames = frames.copy()
    for _ in range(2):
        width = int(rng.integers(int(len(frames) * recipe.time_mask) + 1))
        start = int(rng.integers(len(frames) - width + 1))
        frames[start : start + width] = 0.0
    width = int(rng.integers(recipe.cepstrum_mask + 1))
    start = int(rng.integers(frames.shape[1] - width + 1))
    frames[:, start : start + width] = 0.0
    return frames


def _pad(utterances: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    lengths = np.array([len(one) for one in utterances])
    padded = np.zeros((len(utterances), lengths.max(), utterances[0].shape[1]), dtype=np.float32)
    for row, one in zip(padded, utterances, strict=True):
        row[: len(one)] = one
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def _loss(
    net: EmotionNet, batch: tuple[Tensor, Tensor], truth: Tensor, recipe: Recipe, rng: np.random.Generator
) -> Tensor:
    """Return the mean loss of a batch, each clip's pooled embedding mixed with another's."""
    target = functional.one_hot(truth, len(LABELS)).float()
    target = target * (1 - recipe.smoothing) + recipe.smoothing / len(LABELS)
    embedding = net.embed(*batch)
    if recipe.mixup:
        share = float(rng.beta(recipe.mixup, recipe.mixup))
        other = torch.from_numpy(rng.permutation(len(truth)))
        embedding = share * embedding + (1 - share) * embedding[other]
        target = share * target + (1 - share) * target[other]
    return -(target * functional.log_softmax(net.classify(embedding), dim=1)).sum(dim=1).mean()


def _average(averaged: EmotionNet, net: EmotionNet, keep: float) -> None:
    with torch.no_grad():
        for mean, now in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.mul_(keep).add_(now, alpha=1 - keep)
            else:
                mean.copy_(now)
