"""From a network and its report to a folder that the server loads; errors are one line."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models import export, judge
from models.configuration import read
from models.experiment import Trained, save
from models.network import EmotionNet, Shape, emotions
from models.training import Recipe
from streamer.emotion.model import load

SHAPE = Shape(width=24, heads=2, feed_forward=(20,), listens=(0, 1), attention=8)
REPORT = {
    "calibration": {"temperature": 1.23456, "uncertain_below": 0.45678},
    "headline": {"crema_d_uar_cold": 64.123456},
    "read": {"crema-d": "12 clips of 4 speakers"},
}


@pytest.fixture
def trained() -> Trained:
    torch.manual_seed(0)
    return Trained(EmotionNet(SHAPE).eval(), Recipe(prior_weight=90.0), 0)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any], Path]]:
    """What the card for people is written from; that is tested in test_card.py."""
    given: list[tuple[dict[str, Any], dict[str, Any], Path]] = []
    monkeypatch.setattr(export, "write_card", lambda *one: given.append(one))
    return given


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run the command; returns the model's folder."""

    def command() -> Path:
        given = ["export", "telephone", "--networks", str(tmp_path / "lab"), "--version", "2.1.0"]
        monkeypatch.setattr(sys, "argv", [*given, "--store", str(tmp_path / "store")])
        export.main()
        return tmp_path / "store" / "telephone"

    return command


@pytest.mark.parametrize("name", ["telephone", "telephone-large"])
def test_an_exported_model_is_loaded_by_the_server_and_judges_as_its_origin(
    trained: Trained, tmp_path: Path, name: str
) -> None:
    configuration = msgspec.structs.replace(read(name), shape=SHAPE)
    export.export(trained, configuration, REPORT, tmp_path / "tiny", "1.2.3")
    card = load(tmp_path / "tiny").card
    assert (card.name, card.version, card.labels) == (name, "1.2.3", SHAPE.labels)
    assert (card.calibration.temperature, card.calibration.uncertain_below) == (1.2346, 0.457)
    assert card.figures == {"crema_d_uar_cold": 64.1235}
    assert card.normalisation.weight_frames == 90.0
    assert json.loads((tmp_path / "tiny" / "report.json").read_text()) == REPORT
    found = export.check(trained, configuration, tmp_path / "tiny")
    assert found.wrong == ""
    assert 0 < found.exact < export.EXACT
    assert 0 < found.halved < export.HALVED
    assert found.strayed == 0
    assert 0 < found.difference < (0.001 if configuration.weights == "float16" else 0.05)
    assert found.ms_for_3_s > 0


def test_another_network_than_the_exported_one_is_noticed_through_its_rounding(
    trained: Trained, tmp_path: Path
) -> None:
    configuration = msgspec.structs.replace(read("telephone"), shape=SHAPE, weights="int8")
    export.export(trained, configuration, REPORT, tmp_path / "tiny", "1.2.3")
    with torch.no_grad():
        # It will not stop at the label it gave.
        trained.net.head.bias[(trained.net.head.bias.argmax() + 1) % 6] += 4.0
    found = export.check(trained, configuration, tmp_path / "tiny")
    assert found.exact < export.EXACT
    assert found.strayed > export.STRAYED
    assert f"another verdict on {found.strayed} of 20 made-up voices, must be 4 at most" in found.wrong


def test_in_half_precision_a_small_difference_is_noticed(trained: Trained, tmp_path: Path) -> None:
    configuration = msgspec.structs.replace(read("telephone"), shape=SHAPE, weights="float16")
    export.export(trained, configuration, REPORT, tmp_path / "tiny", "1.2.3")
    with torch.no_grad():
        trained.net.head.bias[0] += 0.2
    found = export.check(trained, configuration, tmp_path / "tiny")
    assert found.strayed == 0
    assert "as an ONNX graph in half precision" in found.wrong


def test_of_8_bit_integers_the_graph_is_looked_at_before_they_come_in(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = msgspec.structs.replace(read("telephone"), shape=SHAPE, weights="int8")
    export.export(trained, configuration, REPORT, tmp_path / "tiny", "1.2.3")
    other = copy.deepcopy(trained)
    with torch.no_grad():
        other.net.head.bias[0] += 0.2
    monkeypatch.setattr(export, "as_served", lambda _, *given: judge.as_served(other, *given))
    found = export.check(trained, configuration, tmp_path / "tiny")
    assert found.strayed == 0
    assert "as an ONNX graph in half precision" in found.wrong


def test_a_network_that_is_written_otherwise_than_it_was_trained_is_noticed(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = msgspec.structs.replace(read("telephone"), shape=SHAPE)
    export.export(trained, configuration, REPORT, tmp_path / "tiny", "1.2.3")
    monkeypatch.setattr(export, "emotions", lambda logits: emotions(logits) + 0.002)
    found = export.check(trained, configuration, tmp_path / "tiny")
    assert found.exact == pytest.approx(0.002, rel=0.05)
    assert "off by 0.002, must be 0.001 at most" in found.wrong


def test_what_is_no_number_is_wrong() -> None:
    right = export.Checked(exact=1e-5, halved=1e-3, strayed=0, difference=0.0, ms_for_3_s=1.0)
    assert right.wrong == ""
    for name in ("exact", "halved"):
        assert "off by nan" in msgspec.structs.replace(right, **{name: float("nan")}).wrong


def test_the_command_writes_the_folder_and_tells_the_card_what_it_measured(
    run: Callable[..., Path],
    trained: Trained,
    tmp_path: Path,
    told: list[tuple[dict[str, Any], dict[str, Any], Path]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(trained, tmp_path / "lab" / "telephone" / "fold-0.pt")
    (tmp_path / "lab" / "telephone" / "report.json").write_text(json.dumps(REPORT))
    folder = run()
    assert {one.name for one in folder.iterdir()} == {"model.onnx", "model.toml", "report.json"}
    report, about, where = told[0]
    assert (report, where) == (REPORT, folder)
    assert about["size_bytes"] == (folder / "model.onnx").stat().st_size
    assert about["parameters"] == sum(int(np.prod(one.shape)) for one in trained.net.parameters())
    assert 0 < about["difference"] < 0.05
    assert about["ms_for_3_s"] > 0
    assert (about["name"], about["version"], about["corpora"]) == ("telephone", "2.1.0", REPORT["read"])
    assert "MB" in capsys.readouterr().out


def test_a_model_that_judges_otherwise_than_its_network_is_an_error(
    run: Callable[..., Path], trained: Trained, tmp_path: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(trained, tmp_path / "lab" / "telephone" / "fold-0.pt")
    (tmp_path / "lab" / "telephone" / "report.json").write_text(json.dumps(REPORT))
    monkeypatch.setattr(export, "check", lambda *_: export.Checked(1e-5, 1e-3, 9, difference=0.5, ms_for_3_s=1.0))
    with pytest.raises(SystemExit, match=r"error: .*telephone: rounded, the network gives another verdict on 9 of 20 "):
        run()
    assert told == []


def test_what_is_missing_is_said_in_one_line(run: Callable[..., Path], trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"error: .*fold-0\.pt.*; run models\.train and models\.evaluate first"):
        run()
    save(trained, tmp_path / "lab" / "telephone" / "fold-0.pt")
    with pytest.raises(SystemExit, match=r"error: .*report\.json.*; run models\.train and models\.evaluate first"):
        run()
