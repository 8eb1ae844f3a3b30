"""What is exported computes what was trained, from the features of the streamer's own front ends."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models.configuration import Configuration
from models.dataset import FRONT_END, in_whispers_units
from models.network import EmotionNet, Shape, Statistics, emotions, pack
from models.serving import Serving, features_of, to_onnx
from models.toml import to_toml
from models.training import Recipe
from streamer.emotion.model import CalibrationCard, EmotionModel, ModelCard, ModelError, load
from streamer.features import Prior, RollingLogMel, RollingMfcc
from tests.models.drawn import drawn_net

WIDTH = 24
CHANNELS = 2 * WIDTH
ROUNDING = {"int8": 0.1, "float16": 0.005}
"""How far 8-bit integers, or weights in half precision, may move a log-probability of this small network, which are 1
or so apart."""


def configuration(front_end: str, weights: str = "int8") -> Configuration:
    return Configuration(
        name="tiny",
        corpora=("crema-d",),
        front_end=front_end,
        weights=weights,
        licence="CC0-1.0",
        commercial_use=True,
        shape=Shape(width=WIDTH, heads=2, feed_forward=(40, 30), listens=(1, 2), attention=10),
        recipe=Recipe(prior_weight=50.0),
    )


CONFIGURATIONS = {front_end: configuration(front_end) for front_end in ("mfcc", "log-mel")}


NET = drawn_net(CONFIGURATIONS["mfcc"].shape, seed=3)


def sound(n_samples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples) / 8000
    loudness = 0.15 * (1.05 + np.sin(2 * np.pi * rng.uniform(1, 5) * time + seed))
    return (loudness * np.sin(2 * np.pi * rng.uniform(100, 900) * time) + 0.003 * rng.normal(size=n_samples)).astype(
        np.float32
    )


def as_trained(samples: np.ndarray, before: Statistics) -> tuple[np.ndarray, ...]:
    """Log-probabilities and moments of the network as it is trained."""
    rolling = RollingLogMel(FRONT_END)
    rolling.push(samples)
    packed = pack([in_whispers_units(rolling.features())])
    with torch.inference_mode():
        tokens = NET.encode(packed)
        said = NET.statistics(tokens, packed)
        normalised = NET.normalise(tokens, packed.owner, before, 50.0)
        known = emotions(NET.classify(NET.pool(normalised, packed)))
    return tuple(one.numpy() for one in (known, said.weight, said.total, said.squares))


def features(samples: np.ndarray, front_end: str) -> np.ndarray:
    found = features_of(CONFIGURATIONS[front_end]).front_end()
    assert isinstance(found, RollingMfcc if front_end == "mfcc" else RollingLogMel)
    found.push(samples)
    return found.features()


def a_caller(seed: int) -> tuple[Statistics, np.ndarray, np.ndarray]:
    """What a caller has said before, and the mean and deviation that the streamer makes of it."""
    rng = np.random.default_rng(seed)
    said = rng.normal(size=(seed % 200, CHANNELS)).astype(np.float32)
    before = Statistics(
        torch.tensor([float(len(said))]),
        torch.from_numpy(said.sum(axis=0))[None],
        torch.from_numpy(np.square(said).sum(axis=0))[None],
    )
    weight = 50.0 + len(said)
    mean = (50.0 * NET.mean.numpy() + said.sum(axis=0)) / weight
    squares = (50.0 * NET.squares.numpy() + np.square(said).sum(axis=0)) / weight
    return before, mean.astype(np.float32), np.sqrt(squares - mean**2).astype(np.float32)


@pytest.mark.parametrize("front_end", ["mfcc", "log-mel"])
@settings(deadline=None, max_examples=25)
@given(n_samples=st.integers(200, 9000), seed=st.integers(0, 999))
def test_one_utterance_comes_out_as_it_does_in_training(front_end: str, n_samples: int, seed: int) -> None:
    samples = sound(n_samples, seed)
    before, mean, std = a_caller(seed)
    serving = Serving(NET, cepstral=front_end == "mfcc").eval()
    with torch.inference_mode():
        given_ = (torch.from_numpy(one[np.newaxis]) for one in (features(samples, front_end), mean, std))
        found = [one.numpy() for one in serving(*given_)]
    known, weight, total, squares = as_trained(samples, before)
    np.testing.assert_allclose(found[0], known, atol=2e-3)
    # A token at the very edge of silence may fall on either side of it, where MFCCs are turned back.
    assert abs(found[1] - weight) <= (1 if front_end == "mfcc" else 0)
    if found[1] == weight:
        np.testing.assert_allclose(found[2], total, rtol=1e-3, atol=2e-2)
        np.testing.assert_allclose(found[3], squares, rtol=1e-3, atol=2e-2)


WAYS = [(front_end, weights) for front_end in ("mfcc", "log-mel") for weights in ("int8", "float16")]


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with the network as ONNX, its front end and how its weights are kept."""
    front_end, weights = request.param
    path = tmp_path_factory.mktemp("exported") / "deep" / "model.onnx"
    to_onnx(NET, configuration(front_end, weights), path)
    return path, front_end, weights


def loaded(path: Path, front_end: str, **changes: object) -> EmotionModel:
    mean, std = NET.mean.numpy(), np.sqrt(NET.squares.numpy() - NET.mean.numpy() ** 2)
    card = ModelCard(
        name="tiny",
        version="1.0.0",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        licence="CC0-1.0",
        commercial_use=True,
        labels=CONFIGURATIONS[front_end].shape.labels,
        features=features_of(CONFIGURATIONS[front_end]),
        normalisation=Prior(tuple(mean.tolist()), tuple(std.tolist()), 50.0),
        calibration=CalibrationCard(1.0, 0.0),
        figures={},
    )
    card = msgspec.structs.replace(card, **changes)
    (path.parent / "model.toml").write_text(to_toml(msgspec.to_builtins(card), "A test's."))
    return load(path.parent)


def test_the_server_loads_what_is_exported_and_judges_nearly_as_it_was_trained(exported: tuple[Path, str, str]) -> None:
    path, front_end, weights = exported
    model = loaded(path, front_end)
    for n_samples, seed in ((200, 1), (280, 2), (4000, 3), (8037, 4), (24000, 5)):
        samples = sound(n_samples, seed)
        before, mean, std = a_caller(seed)
        rows = features(samples, front_end)
        known, moments = model.run(rows, mean, std)
        expected, weight, total, _ = as_trained(samples, before)
        assert np.abs(known - expected[0]).max() < ROUNDING[weights]
        assert np.exp(known).sum() == pytest.approx(1.0, abs=1e-4)
        assert abs(moments.n_frames - weight[0]) <= 1
        assert 1 <= moments.n_frames <= (len(rows) + 1) // 2
        np.testing.assert_allclose(moments.total / moments.n_frames, total[0] / weight[0], atol=0.1)


def test_one_frame_is_enough(exported: tuple[Path, str, str]) -> None:
    path, front_end, _ = exported
    model = loaded(path, front_end)
    rows = features(sound(200, 1), front_end)
    assert rows.shape == (1, 61)
    judgement = model.judge(rows, model.new_normaliser())
    assert judgement.moments.n_frames == 1
    assert sum(judgement.verdict.scores.values()) == pytest.approx(1.0, abs=1e-3)


def test_silence_is_judged_too(exported: tuple[Path, str, str]) -> None:
    path, front_end, _ = exported
    model = loaded(path, front_end)
    judgement = model.judge(features(np.zeros(4000, np.float32), front_end), model.new_normaliser())
    assert sum(judgement.verdict.scores.values()) == pytest.approx(1.0, abs=1e-3)


def test_the_network_carries_its_features_and_no_other_card_is_taken(exported: tuple[Path, str, str]) -> None:
    path, front_end, _ = exported
    metadata = {one.key: one.value for one in onnx.load(path).metadata_props}
    card = msgspec.json.decode(metadata["features"])
    assert card["kind"] == ("mfcc/1" if front_end == "mfcc" else "log-mel/1")
    other = features_of(CONFIGURATIONS["log-mel" if front_end == "mfcc" else "mfcc"])
    with pytest.raises(ModelError, match="features differ"):
        loaded(path, front_end, features=other)


def by_type(path: Path) -> dict[int, list[np.ndarray]]:
    """The stored numbers of a network by their ONNX data type."""
    found: dict[int, list[np.ndarray]] = {}
    for one in onnx.load(path).graph.initializer:
        found.setdefault(one.data_type, []).append(onnx.numpy_helper.to_array(one))
    return found


def test_products_with_weights_are_in_8_bits_of_which_7_are_used(tmp_path: Path) -> None:
    to_onnx(NET, configuration("mfcc", "int8"), tmp_path / "model.onnx")
    products = [one.op_type for one in onnx.load(tmp_path / "model.onnx").graph.node]
    # MFCCs back to bands, two convolutions, for each of two blocks query, key and value, what is attended and two
    # linear layers; the pooling's two and the last layer.
    assert products.count("MatMulInteger") == 14
    # What is left multiplies tokens with tokens: what is asked with what answers, and the answers' mean, in each block.
    assert products.count("MatMul") == 4
    assert products.count("Gemm") == 0
    rounded = [one for one in by_type(tmp_path / "model.onnx")[onnx.TensorProto.INT8] if one.ndim == 2]
    assert len(rounded) == 14
    assert all(np.abs(one.astype(int)).max() <= 64 for one in rounded)


def test_half_precision_stores_large_weights_in_half_the_room_and_computes_in_single(tmp_path: Path) -> None:
    torch.manual_seed(0)
    wide = Shape(width=96, heads=2, feed_forward=(192,), listens=(1,), attention=48)
    to_onnx(EmotionNet(wide), msgspec.structs.replace(configuration("log-mel", "float16"), shape=wide), tmp_path / "it")
    stored = by_type(tmp_path / "it")
    whole = 4 * sum(one.size for kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16) for one in stored[kind])
    assert all(one.size < 4096 for one in stored[onnx.TensorProto.FLOAT])
    assert all(one.size >= 4096 for one in stored[onnx.TensorProto.FLOAT16])
    assert 0.5 * whole < (tmp_path / "it").stat().st_size < 0.65 * whole
    nodes = onnx.load(tmp_path / "it").graph.node
    cast = {one.output[0] for one in nodes if one.op_type == "Cast" and one.input[0].endswith("_16")}
    assert len(cast) == len(stored[onnx.TensorProto.FLOAT16])
    assert {name for one in nodes for name in one.input if name.endswith("_16")} == {f"{name}_16" for name in cast}


def test_nothing_but_the_network_is_left_in_its_folder(tmp_path: Path) -> None:
    for weights in ("int8", "float16"):
        to_onnx(NET, configuration("mfcc", weights), tmp_path / weights / "model.onnx")
        assert [one.name for one in (tmp_path / weights).iterdir()] == ["model.onnx"]
