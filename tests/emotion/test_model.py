"""A model is loaded only when its parts belong together, and judges each utterance by itself."""

import hashlib
import json
import os
import subprocess
import sys
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
from streamer.emotion.model import LABELS, SURPRISE, EmotionModel, FeatureCard, ModelError, load, locate
from streamer.features import (
    FEATURES_KIND,
    LOG_MEL_KIND,
    LogMelParameters,
    MfccParameters,
    Moments,
    RollingLogMel,
    RollingMfcc,
    RunningNormaliser,
)

N_MFCC = 5
LAYER = 3
"""Width of the hidden layer that is normalised."""
SEVEN = [*LABELS, SURPRISE]
FEATURES = {
    "kind": FEATURES_KIND,
    "mfcc": {"n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20, "n_mfcc": N_MFCC, "fmax": 3800.0},
}
LOG_MEL = {"n_fft": 200, "win_length": 200, "hop_length": 80, "n_mels": N_MFCC, "fmin": 0.0, "fmax": 3800.0}
CARD: dict[str, Any] = {
    "name": "tiny",
    "version": "0.0.1",
    "licence": "Apache-2.0",
    "commercial_use": True,
    "labels": list(LABELS),
    "features": FEATURES,
    "normalisation": {"mean": [0.5, -1.0, 2.0], "std": [1.0, 4.0, 0.5], "weight_frames": 100.0},
    "calibration": {"temperature": 2.0, "uncertain_below": 0.5},
    "figures": {"uar": 50.0},
}


HIDDEN = np.random.default_rng(1).normal(size=(N_MFCC, LAYER)).astype(np.float32)
HEAD = np.random.default_rng(0).normal(size=(LAYER, len(SEVEN))).astype(np.float32)


def network(
    *,
    n_mfcc: int = N_MFCC,
    layer: int = LAYER,
    n_labels: int = len(LABELS),
    share: float = 1.0,
    total_over: str = "time",
    names: dict[str, str] | None = None,
    card: dict[str, Any] = FEATURES,
    metadata: dict[str, str] | None = None,
) -> bytes:
    """A network whose hidden layer is normalised: a matrix, the caller's statistics, a mean over time, a matrix.

    `share` of each frame counts for the statistics. The file leaves open how large `total` is, as an exporter may.
    """

    def called(name: str) -> str:
        return (names or {}).get(name, name)

    hidden = np.resize(HIDDEN, (n_mfcc, layer)) if (n_mfcc, layer) != HIDDEN.shape else HIDDEN
    head = np.resize(HEAD, (layer, n_labels)) if (layer, n_labels) != HEAD.shape else HEAD
    nodes = [
        ("MatMul", [called("features"), "hidden"], "h", {}),
        ("Unsqueeze", [called("mean"), "time"], "shift", {}),
        ("Unsqueeze", [called("std"), "time"], "scale", {}),
        ("Sub", ["h", "shift"], "centred", {}),
        ("Div", ["centred", "scale"], "normal", {}),
        ("ReduceMean", ["normal"], "pooled", {"axes": [1], "keepdims": 0}),
        ("MatMul", ["pooled", "head"], called("logits"), {}),
        ("Shape", [called("features")], "frames", {"start": 1, "end": 2}),
        ("Cast", ["frames"], "count", {"to": TensorProto.FLOAT}),
        ("Mul", ["count", "share"], called("weight"), {}),
        ("Mul", ["h", "share"], "counted", {}),
        ("ReduceSum", ["counted", total_over], called("total"), {"keepdims": 0}),
        ("Mul", ["counted", "h"], "squared", {}),
        ("ReduceSum", ["squared", "time"], called("squares"), {"keepdims": 0}),
    ]

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(called(name), TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in nodes],
        "tiny",
        [value("features", 1, "frames", n_mfcc), value("mean", 1, layer), value("std", 1, layer)],
        [value("logits", 1, n_labels), value("weight", 1), value("total", 1, "any"), value("squares", 1, layer)],
        [
            numpy_helper.from_array(hidden, "hidden"),
            numpy_helper.from_array(head, "head"),
            numpy_helper.from_array(np.array([share], np.float32), "share"),
            numpy_helper.from_array(np.array([1], np.int64), "time"),
            numpy_helper.from_array(np.array([2], np.int64), "layer"),
        ],
    )
    return finished(graph, card, metadata)


def finished(graph: onnx.GraphProto, card: dict[str, Any] = FEATURES, metadata: dict[str, str] | None = None) -> bytes:
    """A graph as a file, its metadata those of a card."""
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if metadata is None:
        metadata = {"features": msgspec.json.encode(msgspec.convert(card, FeatureCard)).decode()}
    helper.set_model_props(built, metadata)
    onnx.checker.check_model(built)
    return built.SerializeToString()


def old_network() -> bytes:
    """A network as they were before: features that are normalised already, one output."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["mean", "weight"], ["logits"]),
        ],
        "old",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, "frames", N_MFCC])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 6])],
        [numpy_helper.from_array(np.ones((N_MFCC, 6), np.float32), "weight")],
    )
    return finished(graph)


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


def someone(model: EmotionModel, seed: int = 5) -> RunningNormaliser:
    """A caller who has said something."""
    caller = model.new_normaliser()
    caller.remember(Moments.of(np.random.default_rng(seed).normal(size=(40, LAYER)).astype(np.float32)))
    return caller


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n_frames=st.integers(1, 400), seed=st.integers(0, 999))
def test_a_verdict_is_the_calibrated_answer_to_features_and_caller(
    tiny: EmotionModel, n_frames: int, seed: int
) -> None:
    frames, caller = features(n_frames, seed), someone(tiny, seed)
    mean, std = caller.statistics()
    raw, _ = tiny.run(frames, mean, std)
    scores = softmax(raw, 2.0)
    verdict = tiny.judge(frames, caller).verdict
    assert list(verdict.scores) == list(LABELS)
    assert verdict.scores == {label: round(float(score), 4) for label, score in zip(LABELS, scores, strict=True)}
    assert verdict.top == LABELS[scores.argmax()]
    assert verdict.confidence == verdict.scores[verdict.top] == max(verdict.scores.values())
    assert verdict.uncertain is (verdict.confidence < 0.5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n_frames=st.integers(1, 400), seed=st.integers(0, 999))
def test_the_network_normalises_and_says_what_the_utterance_adds(tiny: EmotionModel, n_frames: int, seed: int) -> None:
    frames = features(n_frames, seed)
    mean, std = someone(tiny, seed).statistics()
    logits, moments = tiny.run(frames, mean, std)
    hidden = frames @ HIDDEN
    head = np.resize(HEAD, (LAYER, 6))
    np.testing.assert_allclose(logits, ((hidden - mean) / std).mean(axis=0) @ head, rtol=1e-3, atol=1e-3)
    expected = Moments.of(hidden)
    assert moments.n_frames == n_frames
    np.testing.assert_allclose(moments.total, expected.total, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(moments.squares, expected.squares, rtol=1e-4, atol=1e-3)


def test_judging_does_not_change_the_caller(tiny: EmotionModel) -> None:
    caller = someone(tiny)
    before = caller.statistics()
    first, again = tiny.judge(features(50), caller), tiny.judge(features(50), caller)
    assert first.verdict == again.verdict
    np.testing.assert_array_equal(caller.statistics(), before)
    caller.remember(first.moments)
    assert caller.n_frames == 90
    assert tiny.judge(features(50), caller).verdict != first.verdict


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_an_utterance_may_count_in_part_or_not_at_all(tmp_path: Path, share: float) -> None:
    model = load(write(tmp_path / "tiny", network(share=share)))
    caller = model.new_normaliser()
    caller.remember(model.judge(features(40), caller).moments)
    assert caller.n_frames == 40 * share
    assert np.array_equal(caller.statistics(), model.new_normaliser().statistics()) is (share == 0)


def test_other_utterances_before_and_at_the_same_time_change_no_bit(tiny: EmotionModel) -> None:
    utterances = [features(1 + 13 * n, n) for n in range(30)]
    mean, std = someone(tiny).statistics()

    def all_of_them() -> list[bytes]:
        ran = [tiny.run(frames, mean, std) for frames in utterances]
        return [logits.tobytes() + moments.squares.tobytes() for logits, moments in ran]

    alone = all_of_them()
    together: list[list[bytes]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda result=result: result.extend(all_of_them())) for result in together]
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
    with pytest.raises(ValueError, match=r"expected features float32\[1 or more frames, 5\]"):
        tiny.judge(wrong, tiny.new_normaliser())


@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize("wrong", [np.ones(LAYER + 1, np.float32), np.ones(LAYER)], ids=["another width", "double"])
def test_statistics_of_another_shape_or_type_are_refused(tiny: EmotionModel, name: str, wrong: np.ndarray) -> None:
    right = np.ones(LAYER, np.float32)
    given = {"mean": right, "std": right, name: wrong}
    with pytest.raises(ValueError, match=rf"expected {name} float32\[3\], got float"):
        tiny.run(features(4), **given)


def test_a_broken_network_is_an_error_and_not_a_verdict(tiny: EmotionModel) -> None:
    with pytest.raises(ModelError, match=r"model tiny 0\.0\.1 gave logits that are no finite numbers"):
        tiny.judge(np.full((2, N_MFCC), np.inf, np.float32), tiny.new_normaliser())


def test_moments_that_are_no_numbers_are_an_error_too(tiny: EmotionModel) -> None:
    huge = np.full((2, N_MFCC), 1e25, np.float32)
    with pytest.raises(ModelError, match="gave squares that are no finite numbers"):
        tiny.judge(huge, tiny.new_normaliser())


def test_an_utterance_cannot_count_less_than_nothing(tmp_path: Path) -> None:
    model = load(write(tmp_path / "tiny", network(share=-1.0)))
    with pytest.raises(ModelError, match="the weight -7, must be 0 or more"):
        model.judge(features(7), model.new_normaliser())


def test_a_size_that_a_network_leaves_open_is_proved_by_the_run(tmp_path: Path) -> None:
    model = load(write(tmp_path / "tiny", network(total_over="layer")))
    with pytest.raises(ModelError, match=r"gave total of shape \(1, 7\), must give \(1, 3\); export it again"):
        model.judge(features(7), model.new_normaliser())


def test_a_model_hands_out_its_own_features_and_a_fresh_caller_each_time(tiny: EmotionModel) -> None:
    rolling, caller = tiny.new_features(), tiny.new_normaliser()
    assert isinstance(rolling, RollingMfcc)
    assert rolling.parameters == msgspec.convert(FEATURES["mfcc"], MfccParameters)
    assert isinstance(caller, RunningNormaliser)
    caller.remember(tiny.judge(features(10), caller).moments)
    assert tiny.new_normaliser().n_frames == 0
    assert tiny.new_features() is not rolling


def test_a_model_of_log_mels_rolls_log_mels(tmp_path: Path) -> None:
    card = {"kind": LOG_MEL_KIND, "log_mel": LOG_MEL}
    model = load(write(tmp_path / "tiny", network(card=card), features=card))
    rolling = model.new_features()
    assert isinstance(rolling, RollingLogMel)
    assert rolling.parameters == msgspec.convert(LOG_MEL, LogMelParameters)
    rolling.push(np.sin(np.arange(8000) * 0.2).astype(np.float32))
    assert model.judge(rolling.features(), model.new_normaliser()).moments.n_frames == rolling.n_frames == 98


def test_a_model_may_know_surprise_as_the_seventh(tmp_path: Path) -> None:
    model = load(write(tmp_path / "tiny", network(n_labels=7), labels=SEVEN))
    verdict = model.judge(features(30), model.new_normaliser()).verdict
    assert list(verdict.scores) == SEVEN
    assert sum(verdict.scores.values()) == pytest.approx(1, abs=1e-3)


def test_a_sound_becomes_a_verdict(tiny: EmotionModel) -> None:
    rolling = tiny.new_features()
    rolling.push(np.sin(np.arange(8000) * 0.2).astype(np.float32))
    verdict = tiny.judge(rolling.features(), tiny.new_normaliser()).verdict
    assert verdict.top in LABELS


def test_weights_that_may_not_be_used_at_work_say_so(tmp_path: Path, tiny: EmotionModel) -> None:
    assert tiny.card.restriction is None
    model = load(write(tmp_path / "tiny", network(), commercial_use=False, licence="CC-BY-NC-SA-4.0"))
    said = "model tiny 0.0.1 may be used for research only, not at work: licence CC-BY-NC-SA-4.0"
    assert model.card.restriction == said


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
        ({"labels": [SURPRISE, *LABELS]}, "needs neutral, .*disgust, and surprise as the seventh or not at all"),
        ({"labels": [*LABELS, "boredom"]}, "has the labels .*boredom"),
        ({"labels": list(reversed(LABELS))}, "has the labels disgust"),
        ({"labels": SEVEN}, r"gives logits tensor\(float\) \[1, 6\].*must be logits tensor\(float\) \[1, 7\]"),
        (
            {"features": {**FEATURES, "kind": "mfcc/0"}},
            f"trained on features mfcc/0, this program computes {FEATURES_KIND} and {LOG_MEL_KIND}",
        ),
        ({"features": {**FEATURES, "mfcc": {**FEATURES["mfcc"], "hop_length": 100}}}, "features differ"),
        ({"features": {**FEATURES, "mfcc": {**FEATURES["mfcc"], "hop_length": 0}}}, "hop_length is 0"),
        ({"features": {**FEATURES, "mfcc": {**FEATURES["mfcc"], "hops": 0}}}, "unknown field `hops`"),
        ({"features": {**FEATURES, "kind": LOG_MEL_KIND}}, r"need exactly one table, \[features.log_mel\]; got"),
        ({"features": {**FEATURES, "log_mel": LOG_MEL}}, r"got \[features.mfcc\] and \[features.log_mel\]"),
        ({"features": {"kind": FEATURES_KIND}}, r"kind mfcc/1 need exactly one table, \[features.mfcc\]; got none"),
        ({"features": {"kind": "new/1"}}, r"one table, \[features.mfcc\] or \[features.log_mel\]; got none"),
        ({"features": {"kind": LOG_MEL_KIND, "log_mel": LOG_MEL}}, "features differ"),
        (other_prior(mean=[0.0], std=[1.0]), r"takes .*mean tensor\(float\) \[1, 3\].*must be .*mean .*\[1, 1\]"),
        (other_prior(std=[0.0] * LAYER), "standard deviation"),
        ({"calibration": {"temperature": 0.0, "uncertain_below": 0.5}}, "temperature is 0.0"),
        ({"calibration": {"temperature": 1.0, "uncertain_below": 1.5}}, "uncertain_below is 1.5"),
        ({"calibration": {"temperature": 1.0}}, "missing required field `uncertain_below`"),
    ],
)
def test_a_card_that_cannot_be_right_is_refused_in_words(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(write(tmp_path / "tiny", network(), **changes))


def test_the_laboratory_may_load_what_events_cannot_say(tmp_path: Path) -> None:
    folder = write(tmp_path / "tiny", network(), labels=list(reversed(LABELS)))
    assert load(folder, for_events=False).card.labels == LABELS[::-1]
    with pytest.raises(ModelError, match="has the labels"):
        load(folder)


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
        (old_network, r"takes features .*; must be features .*mean .*std .*: export it again with models.export"),
        (lambda: network(n_mfcc=7), r"takes features .*7\], .*must be features tensor\(float\) \[1, frames, 5\]"),
        (lambda: network(n_labels=8), r"gives logits .*\[1, 8\], .*must be logits tensor\(float\) \[1, 6\]"),
        (lambda: network(layer=4), r"takes .*mean tensor\(float\) \[1, 4\]"),
        (lambda: network(names={"features": "audio"}), r"takes audio tensor\(float\)"),
        (lambda: network(names={"squares": "cubes"}), r"gives .*cubes.*must be .*squares"),
    ],
    ids=[
        "no metadata",
        "wrong metadata",
        "the old interface",
        "another width",
        "another number of labels",
        "another layer",
        "another input",
        "another output",
    ],
)
def test_a_network_that_differs_from_its_card_is_refused_in_words(
    tmp_path: Path, build: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load(write(tmp_path / "tiny", build()))


def test_the_runtime_reports_to_nobody_and_writes_nothing(tmp_path: Path) -> None:
    loading = "from streamer.emotion import model; model.load(model.locate('telephone'))"
    # Its maker's own build minds whether it runs in a pipeline, so nothing may say so here.
    alone = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", loading], env=alone, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []
