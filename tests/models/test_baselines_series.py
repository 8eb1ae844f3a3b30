"""The series' split has the same voices, with copies the same clips, on both sides; the one by speaker has not."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models.baselines_features import CLASSES, EMOTIONS
from models.baselines_series import Material, figures, judge_series, methods, splits
from models.corpora import Clip

FOLDS = st.lists(st.integers(1, 3), min_size=4, max_size=30).map(np.array)


@given(FOLDS, st.integers(1, 3), st.integers(0, 5))
def test_a_random_split_uses_every_row_once_and_judges_a_quarter(folds: np.ndarray, n_copies: int, seed: int) -> None:
    (split,) = splits(folds, n_copies, (), seed)
    assert sorted([*split.train, *split.test]) == list(range(n_copies * len(folds)))
    assert len(split.test) == round(0.25 * n_copies * len(folds))


@given(FOLDS, st.integers(1, 3), st.integers(1, 3))
def test_by_speaker_no_copy_of_a_judged_clip_is_trained_on(folds: np.ndarray, n_copies: int, fold: int) -> None:
    _, split = splits(folds, n_copies, (fold,), 0)
    clips_trained_on = split.train % len(folds)
    assert set(folds[clips_trained_on]) == set(folds) - {fold}
    assert split.test.tolist() == np.flatnonzero(folds == fold).tolist()
    assert len(split.train) == n_copies * int((folds != fold).sum())


def test_figures_count_classes_emotions_and_crema_d_by_itself() -> None:
    # Truth: a woman's anger, a man's anger, a woman's sadness, a man's surprise of another corpus.
    truth = np.array([CLASSES.index(one) for one in ("f angry", "m angry", "f sad", "m surprise")])
    said = np.full((4, len(CLASSES)), 0.01)
    for row, name in enumerate(("f angry", "f angry", "m surprise", "m surprise")):
        said[row, CLASSES.index(name)] = 0.8
    said[2, [CLASSES.index("f sad"), CLASSES.index("m sad")]] = 0.1
    found = figures(said, truth, np.array(["crema-d"] * 3 + ["savee"]))
    assert found["accuracy_14"] == 50.0
    assert found["accuracy_7"] == 75.0
    assert found["accuracy_7_by_corpus"] == {"crema-d": pytest.approx(200 / 3), "savee": 100.0}
    # With surprise left out, the third is called sad.
    assert found["crema_d_uar"] == 100.0
    assert np.isnan(figures(said, truth, np.array(["savee"] * 4))["crema_d_uar"])


@pytest.fixture
def material(tmp_path: Path) -> Material:
    rng = np.random.default_rng(5)
    clips, classes, folds = [], [], []
    for number in range(12):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, 0.2 * np.sin(np.arange(10000) / (4 + number % 3)) + rng.normal(size=10000) * 0.01, 8000)
        clips.append(Clip(path, "crema-d", str(number), "f", EMOTIONS[number % 3], "s"))
        classes.append(number % 3)
        folds.append(number % 2 + 1)
    return Material(tuple(clips), np.array(classes), np.array(folds))


def test_each_system_is_judged_by_both_splits_and_kept(material: Material, tmp_path: Path, capsys) -> None:
    rows = judge_series(material, (1, 2), methods(1, 1, 1, seed=3), tmp_path / "cache")
    assert [(row["split"], len(row["runs"])) for row in rows] == [("random", 1), ("by speaker", 2)] * 3
    assert [run["trained_on"] for run in rows[0]["runs"] + rows[2]["runs"] + rows[3]["runs"]] == [9, 27, 18, 18]
    assert [row["published"] for row in rows] == [43.8, None, 48.4, None, 64.0, None]
    assert "fold 2: epoch 1 of 1" in capsys.readouterr().out
    assert judge_series(material, (1, 2), methods(1, 1, 1, seed=3), tmp_path / "cache") == rows
    assert "epoch" not in capsys.readouterr().out


def test_a_system_without_an_epoch_is_left_out() -> None:
    assert [method.dimensions for method in methods(1, 0, 2, seed=0)] == [1, 2]


def test_material_is_the_series_four_corpora(tmp_path: Path) -> None:
    for name in (
        "savee/ALL/DC_sa01.wav",
        "ravdess/Actor_02/03-01-02-01-01-01-02.wav",
        "tess/OAF_Pleasant_surprise/OAF_back_ps.wav",
        "crema-d/AudioWAV/1001_DFA_ANG_XX.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "crema-d" / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n')
    (tmp_path / "folds.csv").write_text(
        "corpus,speaker,gender,fold\nsavee,DC,m,1\nravdess,02,f,2\ntess,OAF,f,1\ncrema-d,1001,m,4\n"
    )
    found = Material.read(tmp_path)
    assert [CLASSES[one] for one in found.classes] == ["m sad", "f neutral", "f surprise", "m angry"]
    assert found.folds.tolist() == [1, 2, 1, 4]
