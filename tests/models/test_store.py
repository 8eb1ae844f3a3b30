"""Every model of the store is whole: it loads, is small, and its cards agree with its report."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.emotion.model import load, locate

STORE = Path(__file__).resolve().parents[2] / "models" / "store"
FOLDERS = sorted(card.parent for card in STORE.glob("*/model.toml"))


def test_the_default_model_is_in_the_store() -> None:
    assert locate("telephone") in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_of_the_store_loads_and_judges_a_made_up_sound(folder: Path) -> None:
    model = load(folder)
    assert model.card.name == folder.name
    assert (folder / "model.onnx").stat().st_size < 3_000_000
    rolling = model.new_features()
    time = np.arange(3 * 8000) / 8000
    rolling.push((0.1 * np.sin(2 * np.pi * 200 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32))
    caller = model.new_normaliser()
    judgement = model.judge(rolling.features(), caller)
    caller.remember(judgement.moments)
    assert 0 <= judgement.moments.n_frames <= rolling.n_frames
    assert sum(judgement.verdict.scores.values()) == pytest.approx(1.0, abs=1e-3)
    assert judgement.verdict.top in model.card.labels


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_figures_of_both_cards_are_those_of_the_report(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    figures = load(folder).card.figures
    assert figures == {name: round(value, 3) for name, value in report["headline"].items()}
    people = (folder / "CARD.md").read_text(encoding="utf-8")
    by_earlier = " | ".join(f"{report['crema-d'][earlier]['uar']:.1f}" for earlier in ("0", "5", "10", "20", "40"))
    assert f"| CREMA-D, 5 folds by speaker | {by_earlier} |" in people
