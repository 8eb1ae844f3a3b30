"""Fit the last layer of a network exactly: logistic regression on pooled utterances.

A few epochs of gradient descent leave a linear layer on several hundred inputs far from its best, and a network that
starts from a bad one pulls good features apart. So the head is solved for, before all layers learn and after. This
file must never look at clips that are not among a lesson's indices.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.network import EmotionNet, Packed, Statistics
from models.training import Lesson, Recipe, encode

MOST_EARLIER = 40
"""How many earlier utterances are drawn at most."""


def fit_head(net: EmotionNet, lesson: Lesson, recipe: Recipe, hearings: Sequence[int]) -> float:
    """Set the prior, the standardisation and the last layer of a network to the best for its other layers.

    Parameters
    ----------
    net
        Is changed.
    lesson
        Clips and targets; each clip is heard once over each of `hearings`, after a drawn number of others.
    recipe
        How often an utterance is a caller's first, what the prior weighs, how large weights may be.
    hearings
        Which of the lesson's hearings are used.

    Returns
    -------
    float
        Mean loss that is left.
    """
    rng = np.random.default_rng(recipe.seed)
    net.eval()
    clips, times = np.unique(lesson.indices, return_counts=True)
    pooled, targets = [], []
    for number, hearing in enumerate(hearings):
        with torch.autocast("cpu", torch.bfloat16):
            encoded = encode(net, [lesson.hearings[hearing].frames(int(clip)) for clip in clips])
        said = [of for _, of in encoded]
        if number == 0:
            weight = torch.cat([one.weight for one in said]).sum()
            net.mean.copy_(torch.cat([one.total for one in said]).sum(0) / weight)
            net.squares.copy_(torch.cat([one.squares for one in said]).sum(0) / weight)
        pooled.append(
            _pooled(net, [tokens for tokens, _ in encoded], said, lesson.speakers[clips], recipe=recipe, rng=rng)
        )
        targets.append(torch.from_numpy(lesson.targets[clips]))
    weights = torch.from_numpy(times.astype(np.float32)).repeat(len(hearings))
    return _solve(net, torch.cat(pooled), torch.cat(targets), weights, recipe)


def _pooled(
    net: EmotionNet,
    tokens: Sequence[Tensor],
    said: Sequence[Statistics],
    speakers: NDArray[np.str_],
    *,
    recipe: Recipe,
    rng: np.random.Generator,
) -> Tensor:
    """Return what the last layer would see before it is standardised, float32[clips, 2 * width]."""
    norm, net.pooled_norm = net.pooled_norm, nn.Identity()
    weight = torch.cat([one.weight for one in said])
    total, squares = torch.cat([one.total for one in said]), torch.cat([one.squares for one in said])
    found = []
    with torch.inference_mode():
        for index, one in enumerate(tokens):
            count = 0 if rng.random() < recipe.cold else int(rng.integers(1, MOST_EARLIER + 1))
            others = np.flatnonzero(speakers == speakers[index])
            others = others[others != index]
            chosen = torch.from_numpy(rng.choice(others, min(count, len(others)), replace=False).astype(np.int64))
            before = Statistics(
                weight[chosen].sum().reshape(1), total[chosen].sum(0)[None], squares[chosen].sum(0)[None]
            )
            packed = Packed(one, one, one, torch.tensor([len(one)]), one)
            found.append(net.pool(net.normalise(one.float(), packed.owner, before, recipe.prior_weight), packed))
    net.pooled_norm = norm
    return torch.cat(found)


def _solve(net: EmotionNet, pooled: Tensor, targets: Tensor, weights: Tensor, recipe: Recipe) -> float:
    """Set standardisation and last layer; return the loss."""
    norm, head = net.pooled_norm, net.head
    with torch.no_grad():
        norm.running_mean.copy_(pooled.mean(dim=0))
        norm.running_var.copy_(pooled.var(dim=0))
        norm.weight.fill_(1.0)
        norm.bias.zero_()
        head.weight.zero_()
        head.bias.zero_()
        inputs = norm(pooled)
    weights = weights / weights.sum()
    solver = torch.optim.LBFGS(head.parameters(), max_iter=150, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        error = -(targets * functional.log_softmax(head(inputs), dim=1)).sum(dim=1)
        value = (weights * error).sum() + 0.5 * recipe.ridge * head.weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    left: float = loss().item()
    return left
