"""A model is loaded only when its parts belong together, and judges each utterance by itself."""

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from streamer.emotion import model as module
from streamer.emotion.calibrate import softmax
from streamer.emotion.model import LABELS, EmotionModel, ModelError, Verdict, load, locate
from streamer.features import FEATURES_KIND, MfccParameters, RollingMfcc, RunningNormaliser

N_MFCC = 5
FEATURES = {
    "kind": FEATURES_KIND,
    "mfcc": {"n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20, "n_mfcc": N_MFCC, "fmax": 3800.0},
}
CARD: dict[str, Any] = {
    "name": "tiny",
    "version": "0.0.1",
    "licence": "Apache-2.0",
    "commercial_use": True,
    "labels": list(LABELS),
    "features": FEATURES,
    "normalisation": {"mean": [0.0] * N_MFCC, "std": [1.0] * N_MFCC, "weight_frames": 100.0},
    "calibration": {"temperature": 2.0, "uncertain_below": 0.5},
    "figures": {"uar": 50.0},
}


def network(
    *,
    n_mfcc: int = N_MFCC,
    n_labels: int = len(LABELS),
    input_name: str = "features",
    metadata: dict[str, str] | None = None,
) -> bytes:
    """A network that averages over time and multiplies by a fixed matrix."""
    weight = np.random.default_rng(0).normal(size=(n_mfcc, n_labels)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", [input_name], ["mean"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["mean", "weight"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [1, "frames", n_mfcc])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, n_labels])],
        [numpy_helper.from_array(weight, "weight")],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if metadata is None:
        card = msgspec.convert(FEATURES, module.FeatureCard)
        metadata = {"features": msgspec.json.encode(card).decode()}
    helper.set_model_props(built, metadata)
    onnx.checker.check_model(built)
    return built.SerializeToString()


def write(folder: Path, onnx_bytes: bytes, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    card = {**CARD, "sha256": hashlib.sha256(onnx_bytes).hexdigest(), **changes}
    (folder / "model.onnx").write_bytes(onnx_bytes)
    lines = [f"{key} = {as_toml(value)}" for key, value in card.items() if value is not None]
    (folder / "model.toml").write_text("\n".join(lines))
    return folder


def as_toml(value: Any) -> str:
    """A value as TOML writes it inside a line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {as_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(inner) for inner in value) + "]"
    return json.dumps(value)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> EmotionModel:
    return load(write(tmp_path_factory.mktemp("store") / "tiny", network()))


def features(n_frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_frames, N_MFCC)).astype(np.float32) * 3


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n_frames=st.integers(1, 400), seed=st.integers(0, 999))
def test_scores_are_the_softmax_of_the_logits_at_the_cards_temperature(
    tiny: EmotionModel, n_frames: int, seed: int
) -> None:
    frames = features(n_frames, seed)
    scores = tiny.scores(frames)
    np.testing.assert_array_equal(scores, softmax(tiny.logits(frames), 2.0))
    assert scores.shape == (6,)
    assert scores.sum() == pytest.approx(1.0)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n_frames=st.integers(1, 200), seed=st.integers(0, 999))
def test_a_verdict_names_the_best_score_and_doubts_itself_below_the_threshold(
    tiny: EmotionModel, n_frames: int, seed: int
) -> None:
    frames = features(n_frames, seed)
    scores = tiny.scores(frames)
    verdict = tiny.verdict(frames)
    assert list(verdict.scores) == list(LABELS)
    assert verdict.scores == {label: round(float(score), 4) for label, score in zip(LABELS, scores, strict=True)}
    assert verdict.top == LABELS[scores.argmax()]
    assert verdict.confidence == verdict.scores[verdict.top] == max(verdict.scores.values())
    assert verdict.uncertain is (verdict.confidence < 0.5)


def test_other_utterances_before_and_at_the_same_time_change_no_bit(tiny: EmotionModel) -> None:
    utterances = [features(1 + 13 * n, n) for n in range(30)]
    alone = [tiny.scores(frames).tobytes() for frames in utterances]
    together: list[list[bytes]] = [[] for _ in range(4)]

    def judge(result: list[bytes]) -> None:
        result.extend(tiny.scores(frames).tobytes() for frames in utterances)

    threads = [threading.Thread(target=judge, args=(result,)) for result in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == alone for result in together)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, N_MFCC), np.float32),
        np.zeros((3, N_MFCC + 1), np.float32),
        np.zeros(N_MFCC, np.float32),
        np.zeros((3, N_MFCC), np.float64),
    ],
    ids=["no frame", "another width", "one dimension", "double"],
)
def test_features_of_another_shape_or_type_are_refused(tiny: EmotionModel, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected normalised features float32\[1 or more frames, 5\]"):
        tiny.scores(wrong)


def test_a_broken_network_is_an_error_and_not_a_verdict(tiny: EmotionModel) -> None:
    with pytest.raises(ModelError, match="no finite number"):
        tiny.verdict(np.full((2, N_MFCC), np.inf, np.float32))


def test_a_model_hands_out_its_own_features_and_a_fresh_caller_each_time(tiny: EmotionModel) -> None:
    rolling, normaliser = tiny.new_features(), tiny.new_normaliser()
    assert isinstance(rolling, RollingMfcc)
    assert rolling.parameters == msgspec.convert(FEATURES["mfcc"], MfccParameters)
    assert isinstance(normaliser, RunningNormaliser)
    normaliser.update(features(10))
    assert tiny.new_normaliser().n_frames == 0
    assert tiny.new_features() is not rolling


def test_a_sound_becomes_a_verdict(tiny: EmotionModel) -> None:
    rolling = tiny.new_features()
    rolling.push(np.sin(np.arange(8000) * 0.2).astype(np.float32))
    verdict = tiny.verdict(tiny.new_normaliser().apply(rolling.mfcc()))
    assert isinstance(verdict, Verdict)


def test_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", network())
    assert locate(str(folder)) == folder


def test_a_name_is_found_in_the_package_before_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, checkout = tmp_path / "package", tmp_path / "checkout"
    monkeypatch.setattr(module, "_STORES", (package, checkout))
    write(checkout / "telephone", network())
    assert locate("telephone") == checkout / "telephone"
    write(package / "telephone", network())
    assert locate("telephone") == package / "telephone"


@pytest.mark.parametrize("name", ["telefone", "", "..", "no/such/folder"])
def test_an_unknown_name_is_refused_with_the_names_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_STORES", (tmp_path / "none", tmp_path / "store"))
    write(tmp_path / "store" / "telephone", network())
    write(tmp_path / "store" / "research", network())
    with pytest.raises(ModelError, match=f"no model '{name}'.*research, telephone"):
        locate(name)


def test_an_empty_store_says_that_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STORES", (tmp_path,))
    with pytest.raises(ModelError, match="which has none"):
        locate("telephone")


@pytest.mark.parametrize("missing", ["model.onnx", "model.toml"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write(tmp_path / "tiny", network())
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=f"cannot read .*{missing}"):
        load(folder)


def test_a_damaged_network_fails_its_checksum(tmp_path: Path) -> None:
    folder = write(tmp_path / "tiny", network())
    damaged = bytearray((folder / "model.onnx").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (folder / "model.onnx").write_bytes(damaged)
    with pytest.raises(ModelError, match=r"checksum of .*model\.onnx is [0-9a-f]{64}, its card says"):
        load(folder)


def test_a_checksum_may_be_written_in_capitals(tmp_path: Path) -> None:
    onnx_bytes = network()
    digest = hashlib.sha256(onnx_bytes).hexdigest().upper()
    assert load(write(tmp_path / "tiny", onnx_bytes, sha256=digest)).card.sha256 == digest


def test_bytes_that_are_no_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ONNX Runtime cannot load"):
        load(write(tmp_path / "tiny", b"not a network"))


def other_prior(**changes: Any) -> dict[str, Any]:
    return {"normalisation": {**CARD["normalisation"], **changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"version": None}, "missing required field `version`"),
        ({"commercial_use": "yes"}, "commercial_use"),
        ({"labels": [*LABELS[:-1], "surprise"]}, "has the labels .*surprise; this program needs .*disgust"),
        ({"labels": list(reversed(LABELS))}, "has the labels disgust"),
        (
            {"features": {**FEATURES, "kind": "mfcc/0"}},
            f"trained on features mfcc/0, this program computes {FEATURES_KIND}",
        ),
        ({"features": {**FEATURES, "mfcc": {**FEATURES["mfcc"], "hop_length": 100}}}, "features differ"),
        ({"features": {**FEATURES, "mfcc": {**FEATURES["mfcc"], "hop_length": 0}}}, "hop_length is 0"),
        ({"features": {**FEATURES, "mfcc": {**FEATURES["mfcc"], "hops": 0}}}, "unknown field `hops`"),
        (other_prior(mean=[0.0], std=[1.0]), "prior has 1 coefficients, the features have 5"),
        (other_prior(std=[0.0] * N_MFCC), "standard deviation"),
        ({"calibration": {"temperature": 0.0, "uncertain_below": 0.5}}, "temperature is 0.0"),
        ({"calibration": {"temperature": 1.0, "uncertain_below": 1.5}}, "uncertain_below is 1.5"),
        ({"calibration": {"temperature": 1.0}}, "missing required field `uncertain_below`"),
    ],
)
def test_a_card_that_cannot_be_right_is_refused_in_words(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(write(tmp_path / "tiny", network(), **changes))


def test_a_card_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "tiny", network())
    (folder / "model.toml").write_text("name = ")
    with pytest.raises(ModelError, match=r"the card .*model\.toml is wrong"):
        load(folder)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: network(metadata={}), "carries no metadata `features`"),
        (lambda: network(metadata={"features": "{"}), "metadata `features` is wrong"),
        (lambda: network(n_mfcc=7), r"takes features of shape .*7\], must take \[1, frames, 5\]"),
        (lambda: network(n_labels=8), r"gives logits \[1, 8\], must give one output \[1, 6\]"),
        (lambda: network(input_name="audio"), r"takes audio tensor\(float\), must take one input: features"),
    ],
    ids=["no metadata", "wrong metadata", "another width", "another number of labels", "another input"],
)
def test_a_network_that_differs_from_its_card_is_refused_in_words(
    tmp_path: Path, build: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load(write(tmp_path / "tiny", build()))
