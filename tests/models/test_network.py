"""The network: packed utterances do not touch, statistics are the streamer's, Whisper's layers are Whisper's, doubt."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models.network import (
    FLOOR,
    SPOKEN,
    EmotionNet,
    Shape,
    Statistics,
    begin_with_whisper,
    emotions,
    pack,
    positions,
)
from streamer.features import Moments, Prior, RunningNormaliser
from tests.models.drawn import drawn_net

BANDS = 61
SHAPE = Shape(width=24, heads=2, feed_forward=(40, 32), listens=(1, 2), attention=10)
CHANNELS = SHAPE.channels
WHISPER_WIDTH, WHISPER_HIDDEN = 24, 40
Weights = Callable[..., dict[str, np.ndarray]]


NET = drawn_net(SHAPE, seed=0)


def utterance(length: int, seed: int) -> np.ndarray:
    """Log-mels in Whisper's units, some rows of which are silence."""
    rng = np.random.default_rng([length, seed])
    rows = rng.uniform(-1.0, 1.0, (length, BANDS)) - 1.5 * (rng.random((length, 1)) < 0.3)
    return rows.astype(np.float32)


def judged(utterances: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Tokens and moments of each utterance, and its logits as a caller's first."""
    with torch.inference_mode():
        packed = pack(utterances)
        tokens = NET.encode(packed)
        said = NET.statistics(tokens, packed)
        none = said.mixed(torch.zeros(len(utterances), len(utterances)))
        logits = NET.classify(NET.pool(NET.normalise(tokens, packed.owner, none, 600.0), packed))
    moments = torch.cat((said.weight[:, None], said.total, said.squares), dim=1)
    return [one.numpy() for one in torch.split(tokens, packed.counts.tolist())], moments.numpy(), logits.numpy()


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 45), min_size=1, max_size=7), seed=st.integers(0, 99))
def test_an_utterance_comes_out_the_same_alone_and_in_any_company(lengths: list[int], seed: int) -> None:
    utterances = [utterance(length, seed + number) for number, length in enumerate(lengths)]
    tokens, moments, logits = judged(utterances)
    for number, one in enumerate(utterances):
        alone_tokens, alone_moments, alone_logits = judged([one])
        assert len(alone_tokens[0]) == (len(one) + 1) // 2
        np.testing.assert_allclose(tokens[number], alone_tokens[0], atol=1e-5)
        np.testing.assert_allclose(moments[number], alone_moments[0], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(logits[number], alone_logits[0], atol=1e-5)


def test_silence_after_an_odd_utterance_is_not_heard() -> None:
    # The network sees a zero where a frame is missing, as at the end of an even utterance: nothing of its neighbour.
    odd, loud = utterance(7, 1), utterance(9, 2) + 3.0
    np.testing.assert_array_equal(judged([odd, loud])[0][0], judged([odd, utterance(9, 3)])[0][0])


@given(length=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_token_is_spoken_when_one_of_its_two_frames_is_near_the_loudest_point(length: int, seed: int) -> None:
    rows = utterance(length, seed)
    loud = rows.max(axis=1) > rows.max() - SPOKEN
    expected = [float(loud[2 * token : 2 * token + 2].any()) for token in range((length + 1) // 2)]
    assert pack([rows]).spoken.tolist() == expected


NO_MORE = 30.0
"""Logits of a trained network stay well within."""


@st.composite
def drawn_logits(draw: st.DrawFn) -> np.ndarray:
    """One row of logits, float32[1, labels + 1]."""
    some = st.lists(st.floats(-NO_MORE, NO_MORE, width=32), min_size=3, max_size=9)
    return np.array([draw(some)], np.float32)


def spread(logits: np.ndarray) -> np.ndarray:
    """Probabilities of the labels."""
    return emotions(torch.from_numpy(logits.astype(np.float64))).exp().numpy()


def test_there_is_a_logit_for_each_label_and_one_for_nobodys_emotion() -> None:
    assert judged([utterance(9, 0), utterance(4, 1)])[2].shape == (2, len(SHAPE.labels) + 1)


@given(logits=drawn_logits(), nobody=st.floats(-1e4, 1e4))
def test_emotions_are_a_distribution_over_the_labels_even_when_it_is_nobodys(logits: np.ndarray, nobody: float) -> None:
    logits[0, -1] = nobody
    found = emotions(torch.from_numpy(logits))
    assert found.shape == (1, logits.shape[1] - 1)
    assert torch.isfinite(found).all()
    np.testing.assert_allclose(found.exp().sum(), 1.0, atol=1e-5)


@given(logits=drawn_logits())
def test_what_is_nobodys_emotion_is_spread_evenly_over_the_labels(logits: np.ndarray) -> None:
    share = np.exp(logits[0].astype(np.float64) - logits.max())
    share /= share.sum()
    np.testing.assert_allclose(spread(logits)[0], share[:-1] + share[-1] / (len(share) - 1), atol=1e-8)


@given(logits=drawn_logits(), label=st.integers(0, 100), more=st.floats(0.01, 5.0))
def test_a_higher_logit_of_a_label_makes_it_likelier_and_no_other(logits: np.ndarray, label: int, more: float) -> None:
    label %= logits.shape[1] - 1
    higher = logits.astype(np.float64)
    higher[0, label] += more
    before, after = spread(logits)[0], spread(higher)[0]
    assert after[label] >= before[label] - 1e-12
    assert (np.delete(after, label) <= np.delete(before, label) + 1e-12).all()


@given(logits=drawn_logits(), more=st.floats(0.01, 5.0))
def test_the_likelier_nobodys_emotion_is_the_less_is_said_and_the_order_of_the_labels_stays(
    logits: np.ndarray, more: float
) -> None:
    doubtful = logits.astype(np.float64)
    doubtful[0, -1] += more
    before, after = spread(logits)[0], spread(doubtful)[0]
    assert after.max() <= before.max() + 1e-12
    assert after.min() >= before.min() - 1e-12
    order = np.argsort(logits[0, :-1], kind="stable")
    assert (np.diff(after[order]) >= -1e-12).all()


def test_the_last_channel_is_the_floor_below_the_loudest_point_as_it_was_heard() -> None:
    rows = utterance(4, 0)
    np.testing.assert_allclose(pack([rows]).rows[0, -1, :4], rows.max() - FLOOR)
    changed = pack([rows], loudest=[2.5])
    np.testing.assert_allclose(changed.rows[0, -1, :4], 2.5 - FLOOR)
    assert not changed.spoken.any()
    assert not changed.rows[0, :, 4:].any()


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_statistics_are_sums_over_spoken_tokens(lengths: list[int], seed: int) -> None:
    packed = pack([utterance(length, seed) for length in lengths])
    drawn = np.random.default_rng(seed).normal(size=(int(packed.counts.sum()), CHANNELS)).astype(np.float32)
    tokens = torch.from_numpy(drawn)
    said = NET.statistics(tokens, packed)
    owner, spoken = packed.owner.numpy(), packed.spoken.numpy() > 0
    for number in range(len(lengths)):
        counted = drawn[(owner == number) & spoken]
        assert said.weight[number] == len(counted)
        np.testing.assert_allclose(said.total[number], counted.sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(said.squares[number], np.square(counted).sum(axis=0), atol=1e-4)


@given(
    shares=st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_mixed_statistics_hold_each_row_as_often_as_it_is_asked_for(shares: list[list[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, total, squares = rng.integers(0, 50, 3).astype(float), rng.normal(size=(3, 4)), rng.random((3, 4))
    mixed = Statistics(*(torch.from_numpy(one) for one in (weight, total, squares))).mixed(
        torch.tensor(shares, dtype=torch.float64)
    )
    for number, row in enumerate(shares):
        names = [index for index, often in enumerate(row) for _ in range(often)]
        np.testing.assert_allclose(mixed.weight[number], weight[names].sum(), atol=1e-12)
        np.testing.assert_allclose(mixed.total[number], total[names].sum(axis=0), atol=1e-12)
        np.testing.assert_allclose(mixed.squares[number], squares[names].sum(axis=0), atol=1e-12)


@settings(deadline=None)
@given(seed=st.integers(0, 999), n_frames=st.integers(0, 2000), prior_weight=st.floats(1.0, 5000.0))
def test_a_caller_is_normalised_as_the_streamer_normalises(seed: int, n_frames: int, prior_weight: float) -> None:
    rng = np.random.default_rng(seed)
    moments = Moments.of((rng.normal(size=(n_frames, CHANNELS)) * 2 + 1).astype(np.float32))
    before = Statistics(
        torch.tensor([n_frames], dtype=torch.float32),
        torch.from_numpy(moments.total.astype(np.float32))[None],
        torch.from_numpy(moments.squares.astype(np.float32))[None],
    )
    tokens = rng.normal(size=(5, CHANNELS)).astype(np.float32)
    with torch.inference_mode():
        ours = NET.normalise(torch.from_numpy(tokens), torch.zeros(5, dtype=torch.int64), before, prior_weight)
    mean = NET.mean.double()
    std = (NET.squares.double() - mean**2).sqrt()
    caller = RunningNormaliser(Prior(tuple(mean.tolist()), tuple(std.tolist()), prior_weight))
    caller.remember(moments)
    np.testing.assert_allclose(ours.numpy(), caller.apply(tokens), rtol=1e-4, atol=1e-4)


@given(count=st.integers(1, 700), half=st.integers(2, 192))
def test_positions_are_whispers_sinusoids(count: int, half: int) -> None:
    # A wave for each channel of the first half, from one radian a token down to one in 10000; then its cosine.
    rates = 10000.0 ** (-np.arange(half) / (half - 1))
    angles = np.arange(count)[:, None] * rates[None]
    found = positions(count, 2 * half)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[:, :half], np.sin(angles), atol=5e-4)
    np.testing.assert_allclose(found[:, half:], np.cos(angles), atol=5e-4)


def test_a_block_computes_what_a_transformer_layer_computes() -> None:
    block = NET.blocks[0]
    theirs = torch.nn.TransformerEncoderLayer(
        24, 2, dim_feedforward=40, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": block.query_key_value.weight,
            "self_attn.in_proj_bias": block.query_key_value.bias,
            "self_attn.out_proj.weight": block.attended.weight,
            "self_attn.out_proj.bias": block.attended.bias,
            **{f"linear1.{name}": getattr(block.widen, name) for name in ("weight", "bias")},
            **{f"linear2.{name}": getattr(block.narrow, name) for name in ("weight", "bias")},
            **{f"norm1.{name}": getattr(block.attention_norm, name) for name in ("weight", "bias")},
            **{f"norm2.{name}": getattr(block.forward_norm, name) for name in ("weight", "bias")},
        }
    )
    x = torch.randn(9, 24)
    with torch.inference_mode():
        ours = block(x, torch.arange(9), torch.zeros(1, 1, 1, 9))
        np.testing.assert_allclose(ours.numpy(), theirs(x[None])[0].numpy(), atol=1e-5)


def test_tokens_are_those_of_the_layers_that_are_listened_to_side_by_side() -> None:
    packed = pack([utterance(9, 0), utterance(14, 1)])
    state = {name: one for name, one in NET.state_dict().items() if name.startswith(("first", "second", "blocks"))}
    found = {}
    for listens in ((0,), (1,), (2,), (0, 1, 2), (2, 0)):
        net = EmotionNet(msgspec.structs.replace(SHAPE, listens=listens)).eval()
        net.load_state_dict(state, strict=False)
        with torch.inference_mode():
            found[listens] = net.encode(packed)
        assert found[listens].shape[1] == net.shape.channels == 24 * len(listens)
    apart = [found[(layer,)] for layer in range(3)]
    np.testing.assert_array_equal(found[0, 1, 2], torch.cat(apart, dim=1))
    np.testing.assert_array_equal(found[2, 0], torch.cat((apart[2], apart[0]), dim=1))


def test_pooling_begins_with_plain_means_and_deviations() -> None:
    net = EmotionNet(SHAPE).eval()
    packed = pack([utterance(11, 0), utterance(6, 1)])
    tokens = torch.randn(int(packed.counts.sum()), CHANNELS)
    with torch.inference_mode():
        pooled = net.pool(tokens, packed)
    for row, part in zip(pooled, torch.split(tokens, packed.counts.tolist()), strict=True):
        plain = torch.cat((part.mean(dim=0), (part.var(dim=0, unbiased=False) + 1e-4).sqrt()))
        np.testing.assert_allclose(row, plain / np.sqrt(1 + net.pooled_norm.eps), atol=1e-5)


def begun(weights: dict[str, np.ndarray], *feed_forward: int) -> EmotionNet:
    torch.manual_seed(1)
    listens = tuple(range(len(feed_forward) + 1))
    shape = Shape(width=WHISPER_WIDTH, heads=2, feed_forward=feed_forward, listens=listens, attention=10)
    net = EmotionNet(shape).eval()
    begin_with_whisper(net, weights)
    return net


def test_the_first_layers_are_whispers_and_missing_bands_are_one_channel(whisper_weights: Weights) -> None:
    weights = whisper_weights(WHISPER_WIDTH, WHISPER_HIDDEN, blocks=2)
    net = begun(weights, WHISPER_HIDDEN, WHISPER_HIDDEN)
    # Whisper's own convolution on rows whose bands above the telephone's lie at the floor.
    rows = np.vstack([np.random.default_rng(0).normal(size=(BANDS, 12)), np.full((80 - BANDS, 12), -0.7)])
    theirs = torch.nn.functional.conv1d(
        torch.from_numpy(rows.astype(np.float32))[None],
        torch.from_numpy(weights["conv1/weight"]),
        torch.from_numpy(weights["conv1/bias"]),
        padding=1,
    )
    ours = net.first(torch.from_numpy(rows[: BANDS + 1].astype(np.float32))[None])
    np.testing.assert_allclose(ours.detach().numpy(), theirs.numpy(), atol=1e-4)
    np.testing.assert_array_equal(net.second.weight.detach(), weights["conv2/weight"])
    np.testing.assert_array_equal(net.second.bias.detach(), weights["conv2/bias"])
    for number, block in enumerate(net.blocks):
        for layer, name in (
            (block.query_key_value, "self_attention/linear_0"),
            (block.attended, "self_attention/linear_1"),
        ):
            np.testing.assert_array_equal(layer.weight.detach(), weights[f"layer_{number}/{name}/weight"])
            np.testing.assert_array_equal(layer.bias.detach(), weights[f"layer_{number}/{name}/bias"])
        for layer, name in ((block.attention_norm, "self_attention"), (block.forward_norm, "ffn")):
            np.testing.assert_array_equal(layer.weight.detach(), weights[f"layer_{number}/{name}/layer_norm/gamma"])
            np.testing.assert_array_equal(layer.bias.detach(), weights[f"layer_{number}/{name}/layer_norm/beta"])


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(1, WHISPER_HIDDEN), seed=st.integers(0, 99))
def test_a_narrower_block_keeps_the_hidden_units_that_matter(whisper_weights: Weights, kept: int, seed: int) -> None:
    # Units that give nothing may go without a trace; those that remain give what they gave, in any order.
    rng = np.random.default_rng(seed)
    weights = whisper_weights(WHISPER_WIDTH, WHISPER_HIDDEN)
    idle = rng.permutation(WHISPER_HIDDEN)[kept:]
    weights["layer_0/ffn/linear_1/weight"][:, idle] = 0.0
    packed = pack([utterance(13, seed), utterance(8, seed)])
    with torch.inference_mode():
        whole, narrow = (begun(weights, hidden).encode(packed).numpy() for hidden in (WHISPER_HIDDEN, kept))
    np.testing.assert_allclose(narrow, whole, rtol=1e-4, atol=1e-4)
