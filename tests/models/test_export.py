"""From a network to a folder that the server loads; runs where the laboratory's torch is installed."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models.experiment import Trained, load, save  # noqa: E402 - only where torch is
from models.export import check, export  # noqa: E402
from models.network import EmotionNet, Shape  # noqa: E402
from models.training import Recipe  # noqa: E402
from streamer.emotion.model import ModelError  # noqa: E402
from streamer.emotion.model import load as load_model  # noqa: E402
from streamer.features import MfccParameters, Prior  # noqa: E402

REPORT = {"calibration": {"temperature": 1.25, "uncertain_below": 0.5}, "headline": {"crema_d_uar_cold": 51.2344}}


@pytest.fixture
def trained() -> Trained:
    torch.manual_seed(0)
    mfcc = MfccParameters(n_mels=20, n_mfcc=8)
    net = EmotionNet(Shape(n_mfcc=8, channels=16, embedding=12)).eval()
    return Trained(net, Prior((0.5,) * 8, (2.0,) * 8, 100.0), mfcc, Recipe(), 3)


def test_an_exported_model_is_loaded_by_the_server_and_judges_as_its_origin(trained: Trained, tmp_path: Path) -> None:
    export(trained, REPORT, tmp_path / "tiny", "1.2.3")
    model = load_model(tmp_path / "tiny")
    assert (model.card.name, model.card.version, model.card.figures) == ("tiny", "1.2.3", {"crema_d_uar_cold": 51.234})
    assert model.card.normalisation == trained.prior
    assert model.card.features.mfcc == trained.mfcc
    assert check(trained, tmp_path / "tiny")["difference"] < 1e-4


def test_a_card_for_other_features_than_the_network_was_given_is_refused(trained: Trained, tmp_path: Path) -> None:
    export(trained, REPORT, tmp_path / "tiny", "1.2.3")
    card = tmp_path / "tiny" / "model.toml"
    assert tomllib.loads(card.read_text())["features"]["mfcc"]["hop_length"] == 80
    card.write_text(card.read_text().replace("hop_length = 80", "hop_length = 100"))
    with pytest.raises(ModelError, match="features differ"):
        load_model(tmp_path / "tiny")


def test_what_is_saved_is_what_is_loaded(trained: Trained, tmp_path: Path) -> None:
    save(trained, tmp_path / "deep" / "fold-3.pt")
    again = load(tmp_path / "deep" / "fold-3.pt")
    assert (again.prior, again.mfcc, again.recipe, again.left_out_fold) == (
        trained.prior,
        trained.mfcc,
        trained.recipe,
        3,
    )
    frames = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 30, 8)).astype(np.float32))
    with torch.inference_mode():
        np.testing.assert_array_equal(again.net(frames).numpy(), trained.net(frames).numpy())
