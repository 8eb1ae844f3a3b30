"""The networks: the first layers of Whisper's encoder, a caller's own statistics in a hidden layer, six logits.

Log-mel rows pass two convolutions, of which the second halves the rate to 50 tokens a second, and one or two
transformer blocks: the early blocks of a speech recogniser know how something is said, later ones what. The tokens are
then shifted and scaled by what this caller's tokens have been like, pooled by attention into means and deviations over
time, and classified. A batch is packed: utterances lie one behind the other with gaps between, nothing is computed for
padding. This file must never read files, draw random numbers besides dropout, or know a speaker.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models import whisper
from streamer.emotion.model import LABELS

TOKENS_PER_SECOND: Final = 50
_GAP: Final = 2
"""Empty places between packed utterances: as far as the convolutions reach."""
FLOOR: Final = 2.0
"""The spectrogram is clipped this far below its loudest point, 80 dB in Whisper's units, and empty bands lie there."""
SPOKEN: Final = 1.125
"""Tokens further than this below the utterance's loudest point, 45 dB, are silence: they do not count as the caller's.
Recordings whose pauses are digital silence would otherwise shift and widen the statistics of a voice."""


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sizes of a network."""

    labels: tuple[str, ...] = LABELS
    bands: int = 61
    """Mel bands that exist on a telephone line."""
    width: int = whisper.WIDTH
    heads: int = 6
    feed_forward: tuple[int, ...] = (1536, 1536)
    """Hidden units of each transformer block."""
    listens: tuple[int, ...] = (1, 2)
    """Which layers' tokens are pooled, side by side: 0 is what the convolutions give, 1 the first block, and so on."""
    attention: int = 96
    """Hidden units of the pooling."""
    dropout: float = 0.1
    """Of what is classified."""

    @property
    def channels(self) -> int:
        """Numbers of a token, as a caller's statistics see it."""
        return self.width * len(self.listens)


class Packed(msgspec.Struct, frozen=True, eq=False):
    """Utterances as the network takes them."""

    rows: Tensor
    """float32[1, bands + 1, places]: log-mels in Whisper's units; the last channel is the floor."""
    present: Tensor
    """float32[1, 1, places]: 0 in the gaps."""
    tokens: Tensor
    """bool[places / 2]: which places become tokens."""
    counts: Tensor
    """int64[utterances]: tokens of each."""
    spoken: Tensor
    """float32[all tokens]: 1 where there is speech, 0 in silence."""

    @property
    def owner(self) -> Tensor:
        """Return which utterance each token belongs to, int64[all tokens]."""
        return torch.repeat_interleave(torch.arange(len(self.counts)), self.counts)


def pack(utterances: Sequence[NDArray[np.float32]], loudest: Sequence[float] | None = None) -> Packed:
    """Lay utterances one behind the other.

    Parameters
    ----------
    utterances
        float32[frames, bands] each, at least one frame, in Whisper's units.
    loudest
        Loudest point of each utterance as it was heard, where augmentation has changed it since.
    """
    if loudest is None:
        loudest = [float(one.max()) for one in utterances]
    places = sum(len(one) + len(one) % 2 + _GAP for one in utterances)
    rows = np.zeros((utterances[0].shape[1] + 1, places), dtype=np.float32)
    present = np.zeros(places, dtype=np.float32)
    tokens = np.zeros(places // 2, dtype=bool)
    counts, spoken = [], []
    place = 0
    for one, peak in zip(utterances, loudest, strict=True):
        rows[:-1, place : place + len(one)] = one.T
        rows[-1, place : place + len(one)] = peak - FLOOR
        present[place : place + len(one)] = 1.0
        count = (len(one) + 1) // 2
        tokens[place // 2 : place // 2 + count] = True
        level = one.max(axis=1)
        level = np.append(level, level[-1]) if len(level) % 2 else level
        spoken.append(level.reshape(-1, 2).max(axis=1) > peak - SPOKEN)
        counts.append(count)
        place += len(one) + len(one) % 2 + _GAP
    return Packed(
        rows=torch.from_numpy(rows)[None],
        present=torch.from_numpy(present)[None, None],
        tokens=torch.from_numpy(tokens),
        counts=torch.tensor(counts),
        spoken=torch.from_numpy(np.concatenate(spoken).astype(np.float32)),
    )


class Statistics(msgspec.Struct, frozen=True, eq=False):
    """Moments of tokens, one row an utterance or a caller."""

    weight: Tensor
    """float32[rows]: how many tokens count."""
    total: Tensor
    """float32[rows, channels]"""
    squares: Tensor
    """float32[rows, channels]"""

    def mixed(self, shares: Tensor) -> "Statistics":
        """Return sums of rows, of each as often as `shares`, float32[new rows, rows], says."""
        return Statistics(shares @ self.weight, shares @ self.total, shares @ self.squares)


class Block(nn.Module):  # type: ignore[misc] # torch has no types where the product is checked
    """One block of Whisper's encoder: attention and two linear layers, each normalised before and added after."""

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.forward_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, feed_forward)
        self.narrow = nn.Linear(feed_forward, width)

    def forward(self, x: Tensor, place: Tensor, mask: Tensor) -> Tensor:
        """Return float[tokens, width].

        Parameters
        ----------
        x
            float[tokens, width], packed.
        place
            int64[tokens]: where each token stands in the padded batch, flat.
        mask
            float[utterances, 1, 1, longest]: 0 for tokens, very low for padding.
        """
        inner = self.query_key_value(self.attention_norm(x))
        batch, longest = mask.shape[0], mask.shape[3]
        size = inner.shape[1] // 3 // self.heads
        padded = inner.new_zeros(batch * longest, inner.shape[1]).index_copy(0, place, inner)
        query, key, value = padded.view(batch, longest, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        # Spelt out: the fused operator is several times slower on the processors this is trained on.
        weight = torch.softmax((query * size**-0.5) @ key.transpose(-1, -2) + mask.to(inner.dtype), dim=-1)
        mixed = (weight @ value).transpose(1, 2).reshape(batch * longest, -1)[place]
        x = x + self.attended(mixed)
        return x + self.narrow(functional.gelu(self.widen(self.forward_norm(x))))


class EmotionNet(nn.Module):  # type: ignore[misc] # torch has no types where the product is checked
    """Log-mel rows and a caller's statistics to logits.

    Parameters
    ----------
    shape
        Sizes.
    """

    mean: Tensor
    squares: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.first = nn.Conv1d(shape.bands + 1, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(width, shape.heads, hidden) for hidden in shape.feed_forward)
        channels = shape.channels
        self.attend = nn.Linear(channels, shape.attention)
        self.weigh = nn.Linear(shape.attention, channels)
        self.pooled_norm = nn.BatchNorm1d(2 * channels)
        self.head = nn.Linear(2 * channels, len(shape.labels) + 1)
        # Training begins with plain means and deviations over time.
        nn.init.zeros_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("squares", torch.ones(channels))

    def encode(self, packed: Packed) -> Tensor:
        """Return tokens, float32[all tokens, channels], not normalised by any caller."""
        longest = int(packed.counts.max())
        is_token = torch.arange(longest)[None] < packed.counts[:, None]
        place = is_token.flatten().nonzero()[:, 0]
        mask = torch.zeros(len(is_token), 1, 1, longest).masked_fill(~is_token[:, None, None], -1e4)
        x = functional.gelu(self.first(packed.rows)) * packed.present
        x = functional.gelu(self.second(x))[0].T[packed.tokens]
        x = x + positions(longest, self.shape.width)[place % longest]
        layers = [x]
        for block in self.blocks:
            layers.append(block(layers[-1], place, mask))
        return torch.cat([layers[number].float() for number in self.shape.listens], dim=1)

    def statistics(self, tokens: Tensor, packed: Packed) -> Statistics:
        """Return the moments of each utterance's spoken tokens."""
        count, owner = len(packed.counts), packed.owner
        spoken = packed.spoken[:, None] * tokens
        empty = tokens.new_zeros(count, tokens.shape[1])
        return Statistics(
            tokens.new_zeros(count).index_add(0, owner, packed.spoken),
            empty.index_add(0, owner, spoken),
            empty.index_add(0, owner, spoken * tokens),
        )

    def normalise(self, tokens: Tensor, owner: Tensor, before: Statistics, prior_weight: float) -> Tensor:
        """Return tokens in units of their caller's spread around their caller's mean.

        Parameters
        ----------
        tokens, owner
            Packed tokens and the utterance each belongs to.
        before
            What each utterance's caller has said before, one row an utterance.
        prior_weight
            How many tokens the corpus's statistics weigh.
        """
        weight = (prior_weight + before.weight)[:, None]
        mean = (prior_weight * self.mean + before.total) / weight
        squares = (prior_weight * self.squares + before.squares) / weight
        std = torch.sqrt((squares - mean * mean).clamp_min(1e-6))
        return (tokens - mean[owner]) / std[owner]

    def pool(self, tokens: Tensor, packed: Packed) -> Tensor:
        """Return means and deviations over time of normalised tokens, float32[utterances, 2 * channels]."""
        count, owner = len(packed.counts), packed.owner
        # Not shifted by the largest: bounded, so that sums over packed tokens need no second pass.
        weight = torch.exp(self.weigh(torch.tanh(self.attend(tokens))).float().clamp(-8.0, 8.0))
        empty = weight.new_zeros(count, weight.shape[1])
        weight = weight / empty.index_add(0, owner, weight)[owner]
        mean = empty.index_add(0, owner, weight * tokens)
        variance = empty.index_add(0, owner, weight * (tokens - mean[owner]) ** 2)
        return self.pooled_norm(torch.cat((mean, torch.sqrt(variance + 1e-4)), dim=1))

    def classify(self, pooled: Tensor) -> Tensor:
        """Return logits, float[utterances, labels + 1], for what `pool` returned; the last is nobody's emotion."""
        return self.head(functional.dropout(pooled, self.shape.dropout, self.training))


def emotions(logits: Tensor) -> Tensor:
    """Return what is known of the emotions, log-probabilities float[utterances, labels].

    Parameters
    ----------
    logits
        Of `EmotionNet.classify`. As far as it is nobody's emotion (music, a tone, an announcement), every label is as
        likely as any other: such a verdict is uncertain.
    """
    share = torch.softmax(logits, dim=1)
    labels = logits.shape[1] - 1
    return torch.log(share[:, :labels] + share[:, labels:] / labels + 1e-9)


def positions(count: int, width: int) -> Tensor:
    """Return Whisper's sinusoids for the first tokens, float32[count, width]."""
    rates = torch.exp(-np.log(10000.0) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(count)[:, None] * rates[None]
    return torch.cat((torch.sin(angles), torch.cos(angles)), dim=1)


def begin_with_whisper(net: EmotionNet, weights: dict[str, NDArray[np.float32]]) -> None:
    """Copy Whisper's first layers into a network; what has no counterpart there stays as it is.

    Bands that do not exist on a telephone line would all lie at the floor: their weights are added up for the channel
    of the floor. Where a block has fewer hidden units than Whisper's, those with the largest weights are taken.

    Parameters
    ----------
    net
        Of Whisper's width.
    weights
        Of `models.whisper.read`.
    """

    def of(name: str) -> Tensor:
        return torch.from_numpy(weights[name])

    with torch.no_grad():
        first, bands = of("conv1/weight"), net.shape.bands
        net.first.weight.copy_(torch.cat((first[:, :bands], first[:, bands:].sum(dim=1, keepdim=True)), dim=1))
        net.first.bias.copy_(of("conv1/bias"))
        net.second.weight.copy_(of("conv2/weight"))
        net.second.bias.copy_(of("conv2/bias"))
        for number, block in enumerate(net.blocks):
            name = f"layer_{number}/"
            widen, narrow = of(name + "ffn/linear_0/weight"), of(name + "ffn/linear_1/weight")
            kept = (widen.norm(dim=1) * narrow.norm(dim=0)).argsort(descending=True)[: len(block.widen.bias)]
            block.widen.weight.copy_(widen[kept])
            block.widen.bias.copy_(of(name + "ffn/linear_0/bias")[kept])
            block.narrow.weight.copy_(narrow[:, kept])
            block.narrow.bias.copy_(of(name + "ffn/linear_1/bias"))
            for layer, theirs in (
                (block.attention_norm, "self_attention/layer_norm"),
                (block.forward_norm, "ffn/layer_norm"),
            ):
                layer.weight.copy_(of(name + theirs + "/gamma"))
                layer.bias.copy_(of(name + theirs + "/beta"))
            for layer, theirs in (
                (block.query_key_value, "self_attention/linear_0"),
                (block.attended, "self_attention/linear_1"),
            ):
                layer.weight.copy_(of(name + theirs + "/weight"))
                layer.bias.copy_(of(name + theirs + "/bias"))
