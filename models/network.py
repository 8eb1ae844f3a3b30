"""The network: strided residual convolutions over time, attentive statistics pooling, six logits.

Small on purpose: it runs for every utterance of every call on one core. It takes the padded batches of training and the
single utterances of serving and gives the same logits for both, for padding is masked after each layer. This file must
never normalise features, draw random numbers besides dropout, or know about files.
"""

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.emotion.model import LABELS


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sizes of a network."""

    n_mfcc: int
    channels: int = 112
    """Channels of the convolutions."""
    dilations: tuple[int, ...] = (1, 2, 3)
    """One residual block each."""
    embedding: int = 192
    """Channels that are pooled."""
    dropout: float = 0.2
    head_dropout: float = 0.4


class Block(nn.Module):  # type: ignore[misc] # torch has no types where the product is checked
    """Two convolutions over time with a shortcut; the length stays."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.first_norm = nn.BatchNorm1d(channels)
        self.second = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second_norm = nn.BatchNorm1d(channels)
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return float[batch, channels, time]; masked places are 0."""
        inner = functional.relu(self.first_norm(self.first(x)))
        inner = _masked(functional.dropout(inner, self.dropout, self.training), mask)
        inner = self.second_norm(self.second(inner))
        return _masked(functional.relu(x + inner), mask)


class EmotionNet(nn.Module):  # type: ignore[misc] # torch has no types where the product is checked
    """Normalised features to logits.

    Parameters
    ----------
    shape
        Sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.channels
        self.stem = nn.Conv1d(shape.n_mfcc, width, 5, stride=2, padding=2)
        self.stem_norm = nn.BatchNorm1d(width)
        self.blocks = nn.ModuleList(Block(width, dilation, shape.dropout) for dilation in shape.dilations)
        self.widen = nn.Conv1d(width, shape.embedding, 1)
        self.attend = nn.Conv1d(shape.embedding, 64, 1)
        self.weigh = nn.Conv1d(64, shape.embedding, 1)
        self.pooled_norm = nn.BatchNorm1d(2 * shape.embedding)
        self.head = nn.Linear(2 * shape.embedding, len(LABELS))

    def embed(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the pooled statistics, float[batch, 2 * embedding].

        Parameters
        ----------
        features
            float[batch, time, n_mfcc], zeros after the end of a shorter utterance.
        lengths
            int[batch], frames of each utterance; None when all fill the batch.
        """
        x = features.transpose(1, 2)
        mask = None
        if lengths is not None:
            halved = torch.div(lengths + 1, 2, rounding_mode="floor")
            mask = (torch.arange((x.shape[2] + 1) // 2)[None, :] < halved[:, None])[:, None, :]
        x = _masked(functional.relu(self.stem_norm(self.stem(x))), mask)
        for block in self.blocks:
            x = block(x, mask)
        x = functional.relu(self.widen(x))
        weight = self.weigh(torch.tanh(self.attend(x)))
        if mask is not None:
            weight = weight.masked_fill(~mask, -1e4)
        weight = torch.softmax(weight, dim=2)
        mean = (weight * x).sum(dim=2)
        variance = (weight * (x - mean.unsqueeze(2)) ** 2).sum(dim=2)
        return self.pooled_norm(torch.cat((mean, torch.sqrt(variance + 1e-4)), dim=1))

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits, float[batch, labels], for what `embed` returned."""
        return self.head(functional.dropout(embedding, self.shape.head_dropout, self.training))

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return logits, float[batch, labels]; takes what `embed` takes."""
        return self.classify(self.embed(features, lengths))


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask
