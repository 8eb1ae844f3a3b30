"""Every model of the store is whole: it loads, is small, and its cards agree with its report."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from streamer.emotion.model import LABELS, SURPRISE, load, locate

STORE = Path(__file__).resolve().parents[2] / "models" / "store"
MOST_BYTES = 16_000_000
"""8 M parameters, the most a model of the store may have, in half precision."""
FOLDERS = sorted(card.parent for card in STORE.glob("*/model.toml"))


def test_the_default_model_is_in_the_store() -> None:
    assert locate("telephone") in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_of_the_store_loads_and_judges_a_made_up_sound(folder: Path) -> None:
    model = load(folder)
    assert model.card.name == folder.name
    assert (folder / "model.onnx").stat().st_size <= MOST_BYTES
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
def test_a_very_short_sound_and_silence_are_judged_too(folder: Path) -> None:
    model = load(folder)
    for n_samples in (model.card.features.parameters.n_fft, 4000):
        front_end = model.new_features()
        front_end.push(np.zeros(n_samples, np.float32))
        judgement = model.judge(front_end.features(), model.new_normaliser())
        assert sum(judgement.verdict.scores.values()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_six_emotions_come_first_and_only_models_for_research_know_more(folder: Path) -> None:
    card = load(folder).card
    assert card.labels[: len(LABELS)] == LABELS
    assert card.labels[len(LABELS) :] in {(), (SURPRISE,)}
    assert card.commercial_use == (card.restriction is None)
    assert not (card.commercial_use and SURPRISE in card.labels)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_figures_of_the_card_are_those_of_the_report(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    figures = load(folder).card.figures
    assert figures.keys() == report["headline"].keys()
    for name, value in report["headline"].items():
        assert figures[name] == pytest.approx(value, abs=6e-4), name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_card_for_people_is_this_models_and_its_pictures_are_there(folder: Path) -> None:
    card, people = load(folder).card, (folder / "CARD.md").read_text(encoding="utf-8")
    assert people.startswith(f"# {card.name}: ")
    assert card.commercial_use or "research only" in people
    for name, value in card.figures.items():
        if name.endswith(("_uar_cold", "_uar_after_10")):
            assert f"{value:.1f}" in people, name
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", people)
    assert [one for one in pictures if not (folder / one).is_file()] == []
