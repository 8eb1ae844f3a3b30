"""The command that trains: through its arguments, on small corpora; its errors are one line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models import lessons, whisper
from models.experiment import PLAIN, gather, load
from models.network import Shape
from models.train import folds_of, main

SHAPE = Shape(width=24, heads=2, feed_forward=(20,), listens=(0, 1), attention=8)
CHANGE = json.dumps(
    {
        "shape": {"width": 24, "heads": 2, "feed_forward": [20], "listens": [0, 1], "attention": 8},
        "sounds": 0,
        "repeat": {},
        "crowd_share": 0.2,
    }
)
RECIPE = json.dumps({"epochs": 1, "before": [0], "after": [0], "callers": 2, "utterances": 3, "rate": 1e-4})


@pytest.fixture(autouse=True)
def weights(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whisper_weights: Callable[..., dict[str, np.ndarray]],
    as_ctranslate2: Callable[..., bytes],
) -> dict[str, np.ndarray]:
    """Made-up weights where Whisper's are looked for; clips are heard over the plain line only."""
    made = whisper_weights(24, 32)
    path = tmp_path / "model.bin"
    path.write_bytes(as_ctranslate2(made))
    monkeypatch.setattr(whisper, "find", lambda: path)
    monkeypatch.setattr(lessons, "HEARD", (PLAIN,))
    return made


@pytest.fixture
def run(corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run the command on the small corpora; returns the folder of results."""

    def command(*arguments: str, model: str = "telephone-large") -> Path:
        out = tmp_path / "out"
        monkeypatch.setattr(sys, "argv", ["train", model, "--data", str(corpora), "--out", str(out), *arguments])
        main()
        return out

    return command


def test_a_network_is_written_for_each_fold_and_begins_with_whisper(
    run: Callable[..., Path], weights: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    out = run("--change", CHANGE, "--recipe", RECIPE, "--folds", "2", "0")
    for fold in (2, 0):
        trained = load(out / "telephone-large" / f"fold-{fold}.pt")
        assert (trained.left_out_fold, trained.net.shape, trained.recipe.epochs) == (fold, SHAPE, 1)
        moved = trained.net.second.weight.detach().numpy() - weights["conv2/weight"]
        assert 0 < np.abs(moved).max() < 0.01
    said = capsys.readouterr().out
    assert "crema-d: 12 clips of 4 speakers" in said
    assert "training without the speakers of fold 2\n" in said
    assert "training on all speakers\n" in said
    assert "epoch 1/1: loss" in said


def test_the_same_command_gives_the_same_network(run: Callable[..., Path]) -> None:
    arguments = ("--change", CHANGE, "--recipe", RECIPE, "--folds", "1")
    first = load(run(*arguments) / "telephone-large" / "fold-1.pt").net.state_dict()
    second = load(run(*arguments) / "telephone-large" / "fold-1.pt").net.state_dict()
    for name, one in first.items():
        np.testing.assert_array_equal(one.numpy(), second[name].numpy(), err_msg=name)


def test_every_fold_of_the_table_is_left_out_in_turn_and_none_at_last(corpora: Path) -> None:
    assert folds_of(gather(corpora, ("crema-d", "emodb"))) == [1, 2, 0]
    assert folds_of(gather(corpora, ("savee",))) == [1, 2, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "{"), "Input data was truncated"),
        (("--recipe", "[]"), "Expected `object`, got `array`"),
        (("--recipe", '{"epoch": 1}'), "unknown field `epoch`"),
        (("--change", '{"corpora": ["iemocap"]}'), "got iemocap"),
        (("--change", '{"corpora": ["crema-d"], "teacher": "x", "teacher_share": 1}'), "use models.distil"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run: Callable[..., Path], arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert str(ended.value).startswith("error: ")
    assert message in str(ended.value)
    assert "\n" not in str(ended.value)


def test_a_model_with_a_teacher_is_the_other_commands(run: Callable[..., Path]) -> None:
    with pytest.raises(SystemExit, match=r"error: telephone has the teacher telephone-large: use models.distil"):
        run(model="telephone")


def test_missing_corpora_folds_or_weights_are_said_in_one_line(
    run: Callable[..., Path], corpora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise whisper.WhisperError("no package with weights")

    monkeypatch.setattr(whisper, "find", missing)
    with pytest.raises(SystemExit, match="error: no package with weights"):
        run("--change", CHANGE, "--folds", "1")
    (corpora / "emodb").rename(corpora / "elsewhere")
    with pytest.raises(SystemExit, match=r"error: no folder .*emodb to read emodb from"):
        run()
    (corpora / "folds.csv").unlink()
    with pytest.raises(SystemExit, match=r"error: .*No such file.*folds\.csv"):
        run()
