"""Verdicts on a corpus: by the network that has not heard the speaker, after what that speaker has said, as served."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models import judge
from models.configuration import Configuration
from models.dataset import hear
from models.experiment import PLAIN, Table, Trained, gather
from models.network import EmotionNet, Shape
from models.training import Recipe
from streamer.emotion.model import CalibrationCard, EmotionModel
from streamer.features import Moments, Prior, RunningNormaliser

PRIOR_WEIGHT = 3.0


class Recording:
    """In place of a model: its logits say which clips its caller has said before, and which network it is."""

    def __init__(self, fold: int, n_clips: int) -> None:
        self.fold, self.n_clips = fold, n_clips

    def new_normaliser(self) -> RunningNormaliser:
        return RunningNormaliser(Prior((0.0,) * self.n_clips, (1.0,) * self.n_clips, PRIOR_WEIGHT))

    def run(self, features: np.ndarray, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, Moments]:
        assert std.shape == mean.shape
        clip = int(features[0, 0])
        own = np.zeros(self.n_clips)
        own[clip] = 1.0
        # The clip itself is one frame, whose only coefficient is its number's.
        return np.append(mean, self.fold).astype(np.float32), Moments(1.0, own, own)


class Heard:
    """In place of a hearing: each clip's features are its number."""

    def __init__(self, speakers: list[int], folds: list[int]) -> None:
        n_clips = len(speakers)
        empty = np.array([""] * n_clips)
        names = np.array([f"made/{one}" for one in speakers])
        self.table = Table(tuple(range(n_clips)), np.zeros(n_clips, int), names, empty, np.array(folds), empty, {})
        self.features = [np.full((1, 1), float(n), np.float32) for n in range(n_clips)]


@settings(deadline=None, max_examples=60)
@given(
    speakers=st.lists(st.integers(0, 3), min_size=1, max_size=25),
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 9),
)
def test_only_other_utterances_of_the_same_speaker_count_and_as_many_as_asked_for(
    speakers: list[int], counts: list[int], seed: int
) -> None:
    folds = [1 + speaker % 2 for speaker in speakers]
    models = {fold: Recording(fold, len(speakers)) for fold in (1, 2)}
    found = judge.judge(models, Heard(speakers, folds), counts, seed)
    assert list(found) == counts
    for count, logits in found.items():
        assert logits.shape == (len(speakers), len(speakers) + 1)
        assert logits[:, -1].tolist() == folds
        for clip, mean in enumerate(logits[:, :-1]):
            same = {n for n, speaker in enumerate(speakers) if speaker == speakers[clip] and n != clip}
            expected = min(count, len(same))
            said = np.flatnonzero(mean)
            assert set(said) <= same
            assert len(said) == expected
            np.testing.assert_allclose(mean[said], 1 / (PRIOR_WEIGHT + expected), rtol=1e-5)


def test_the_draw_is_the_same_each_time_and_another_for_another_seed() -> None:
    heard = Heard([0] * 12, [1] * 12)
    models = {1: Recording(1, 12)}
    first, again, other = (judge.judge(models, heard, (3,), seed)[3] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    # What is asked for besides changes nothing.
    np.testing.assert_array_equal(judge.judge(models, heard, (5, 3), 0)[3], first)


def test_strangers_are_all_judged_by_the_network_that_has_heard_every_speaker() -> None:
    found = judge.judge({0: Recording(0, 3)}, Heard([0, 1, 2], [1, 2, 5]), (0,))
    assert found[0][:, -1].tolist() == [0, 0, 0]


def test_a_fold_without_a_network_is_never_judged_by_another() -> None:
    with pytest.raises(KeyError):
        judge.judge({0: Recording(0, 2), 1: Recording(1, 2)}, Heard([0, 1], [1, 2]), (0,))


CONFIGURATION = Configuration(
    name="tiny",
    corpora=("crema-d",),
    front_end="mfcc",
    weights="int8",
    licence="CC0-1.0",
    commercial_use=True,
    shape=Shape(width=24, heads=2, feed_forward=(20,), listens=(0, 1), attention=8),
    recipe=Recipe(prior_weight=70.0),
)


def trained(seed: int) -> Trained:
    torch.manual_seed(seed)
    net = EmotionNet(CONFIGURATION.shape).eval()
    net.mean.copy_(0.1 * torch.randn(48))
    net.squares.copy_(net.mean**2 + 0.5)
    return Trained(net, CONFIGURATION.recipe, seed)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[int, EmotionModel]:
    folder = tmp_path_factory.mktemp("served")
    return {fold: judge.as_served(trained(fold), CONFIGURATION, folder / f"served-{fold}") for fold in (1, 2)}


def test_labels_that_events_do_not_know_are_judged_too(tmp_path: Path) -> None:
    shape = msgspec.structs.replace(CONFIGURATION.shape, labels=("neutral", "calm"))
    configuration = msgspec.structs.replace(CONFIGURATION, shape=shape)
    trained = Trained(EmotionNet(shape).eval(), CONFIGURATION.recipe, 1)
    assert judge.as_served(trained, configuration, tmp_path).card.labels == ("neutral", "calm")


def test_clips_are_judged_as_the_server_would_judge_them_in_a_call(
    corpora: Path, served: dict[int, EmotionModel]
) -> None:
    table = gather(corpora, ("crema-d",))
    hearing = judge.Hearing(table, PLAIN, served[1])
    found = judge.judge(served, hearing, (0, 10))
    for index, clip in enumerate(table.clips):
        model = served[int(table.folds[index])]
        front_end = model.new_features()
        front_end.push(hear(clip, PLAIN))
        np.testing.assert_array_equal(hearing.features[index], front_end.features())
        caller = model.new_normaliser()
        cold, _ = model.run(front_end.features(), *caller.statistics())
        np.testing.assert_array_equal(found[0][index], cold)
        # Each speaker has three clips: after ten means after both others, in any order.
        for other in np.flatnonzero(table.speakers == table.speakers[index]):
            if other != index:
                caller.remember(model.judge(hearing.features[other], caller).moments)
        warm, _ = model.run(front_end.features(), *caller.statistics())
        np.testing.assert_allclose(found[10][index], warm, atol=1e-4)
    assert (found[0] != found[10]).any()


def test_only_the_beginning_is_heard_where_that_is_asked_for(corpora: Path, served: dict[int, EmotionModel]) -> None:
    table = gather(corpora, ("emodb",))
    whole, short = (judge.Hearing(table, PLAIN, served[1], longest_s) for longest_s in (None, 0.1))
    assert (short.speech_s == np.float32(0.1)).all()
    assert (whole.speech_s > 0.4).all()
    for one in short.features:
        assert one.shape == (1 + (800 - 200) // 80, 61)


def test_an_utterance_shorter_than_a_frame_is_filled_up(
    served: dict[int, EmotionModel], voice: Callable[..., np.ndarray]
) -> None:
    assert judge.rows_of(served[1], voice(0)[:30]).shape == (1, 61)
    assert judge.rows_of(served[1], np.zeros(0, np.float32)).shape == (1, 61)


def test_a_served_network_has_the_networks_prior_and_no_calibration_yet(served: dict[int, EmotionModel]) -> None:
    card, net = served[2].card, trained(2).net
    np.testing.assert_allclose(card.normalisation.mean, net.mean, atol=1e-6)
    np.testing.assert_allclose(card.normalisation.std, np.full(48, np.sqrt(0.5)), atol=1e-5)
    assert card.normalisation.weight_frames == 70.0
    assert card.calibration == CalibrationCard(1.0, 0.0)
    assert (card.name, card.licence, card.commercial_use) == ("tiny", "CC0-1.0", True)
    assert served[1].card.sha256 != card.sha256


def test_a_card_says_what_the_configuration_says(tmp_path: Path) -> None:
    network = tmp_path / "model.onnx"
    network.write_bytes(b"made up")
    research = msgspec.structs.replace(CONFIGURATION, commercial_use=False, front_end="log-mel")
    calibration = CalibrationCard(1.5, 0.4)
    card = judge.card_of(trained(1), research, network, version="1.2.3", calibration=calibration, figures={"uar": 0.5})
    assert (card.version, card.calibration, card.figures) == ("1.2.3", calibration, {"uar": 0.5})
    assert card.features.kind == "log-mel/1"
    assert card.restriction is not None
