"""The series' two convolutional networks and how they are fitted, for comparison only; none of this is ever served.

Eu Jin Lok, *Audio Emotion Recognition*, part 3 (1-D, 1.29 M parameters, RMSprop 1e-5, 100 epochs of 16 clips) and part
6 (2-D, Adam 1e-3, 20 epochs of 16), kaggle.com/ejlok1, 2019. Layers, initial weights and normalisation follow his Keras
model; the epochs are given by who calls. This file must never read audio, choose a split or stop by what it measures.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.baselines_features import CLASSES, FRAMES, MFCC

BATCH: Final = 16


class Settings(msgspec.Struct, frozen=True):
    """How a network is fitted."""

    epochs: int
    rate: float
    """Learning rate."""
    optimiser: str = "adam"
    """`adam` or `rmsprop`."""
    seed: int = 0


def _conv1d(inputs: int, outputs: int) -> nn.Sequential:
    """Return a convolution over 8 frames; of an even kernel Keras puts the larger half of the zeros behind."""
    return nn.Sequential(nn.ConstantPad1d((3, 4), 0.0), nn.Conv1d(inputs, outputs, 8))


def _conv2d(inputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConstantPad2d((4, 5, 1, 2), 0.0),
        nn.Conv2d(inputs, 32, (4, 10)),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.2),
    )


def one_dimensional() -> nn.Sequential:
    """Return part 3's network: float[clips, 216] -> float[clips, 14] logits; 1.28 M weights."""
    layers: list[nn.Module] = [nn.Unflatten(1, (1, FRAMES)), _conv1d(1, 256), nn.ReLU(), _conv1d(256, 256)]
    layers += [nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.25), nn.MaxPool1d(8)]
    layers += [_conv1d(256, 128), nn.ReLU(), _conv1d(128, 128), nn.ReLU(), _conv1d(128, 128), nn.ReLU()]
    layers += [_conv1d(128, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.25), nn.MaxPool1d(8)]
    layers += [_conv1d(128, 64), nn.ReLU(), _conv1d(64, 64), nn.ReLU(), nn.Flatten()]
    return _as_keras(nn.Sequential(*layers, nn.Linear(64 * (FRAMES // 64), len(CLASSES))))


def two_dimensional() -> nn.Sequential:
    """Return part 6's network: float[clips, 30, 216] -> float[clips, 14] logits; 0.15 M weights."""
    layers: list[nn.Module] = [nn.Unflatten(1, (1, MFCC.n_mfcc)), *(_conv2d(n) for n in (1, 32, 32, 32)), nn.Flatten()]
    layers += [nn.Linear(32 * (MFCC.n_mfcc // 16) * (FRAMES // 16), 64), nn.Dropout(0.2), nn.BatchNorm1d(64)]
    layers += [nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, len(CLASSES))]
    # Channels last: a quarter faster on a CPU, the same figures.
    return _as_keras(nn.Sequential(*layers)).to(memory_format=torch.channels_last)


def _as_keras(net: nn.Sequential) -> nn.Sequential:
    """Start as Keras does: Glorot's uniform weights, no bias."""
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return net


def judge(
    build: Callable[[], nn.Sequential],
    settings: Settings,
    train: tuple[NDArray[np.float16], NDArray[np.int64]],
    test: NDArray[np.float16],
    what: str,
) -> NDArray[np.float64]:
    """Fit a network on some clips and return what it says of others.

    Parameters
    ----------
    build
        `one_dimensional` or `two_dimensional`.
    settings
        How it is fitted.
    train
        Features [clips, ...] and classes int64[clips].
    test
        Features [other clips, ...]. They are normalised by the training clips' statistics, place by place, as in the
        series, and change nothing else.
    what
        For the lines of progress.

    Returns
    -------
    float64[other clips, 14]
        Probabilities.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    features, classes = train
    # In float64: sums of ten thousand half-precision values would not hold.
    mean, std = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale = 1.0 / np.maximum(std, 1e-6)
    net = build()
    if settings.optimiser == "rmsprop":
        optimiser: torch.optim.Optimizer = torch.optim.RMSprop(net.parameters(), settings.rate, alpha=0.9, eps=1e-7)
    else:
        optimiser = torch.optim.Adam(net.parameters(), settings.rate)
    began = time.monotonic()
    for epoch in range(1, settings.epochs + 1):
        net.train()
        order = rng.permutation(len(features))
        total = 0.0
        # A last batch of one clip would have no spread to normalise by.
        for start in range(0, len(order) - 1, BATCH):
            chosen = order[start : start + BATCH]
            logits = _logits(net, ((features[chosen] - mean) * scale).astype(np.float32))
            loss = nn.functional.cross_entropy(logits, torch.from_numpy(classes[chosen]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(chosen)
        spent = time.monotonic() - began
        print(f"{what}: epoch {epoch} of {settings.epochs}, loss {total / len(order):.3f}, {spent:.0f} s", flush=True)
    net.eval()
    said = []
    with torch.inference_mode():
        for start in range(0, len(test), 256):
            part = ((test[start : start + 256] - mean) * scale).astype(np.float32)
            said.append(torch.softmax(_logits(net, part), dim=1).double().numpy())
    return np.concatenate(said)


def _logits(net: nn.Sequential, features: NDArray[np.float32]) -> torch.Tensor:
    """Return logits in single precision, computed in bfloat16: twice as fast on a CPU that has it."""
    with torch.autocast("cpu", torch.bfloat16):
        logits: torch.Tensor = net(torch.from_numpy(features))
    return logits.float()
