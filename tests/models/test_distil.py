"""A teacher judges each clip after all its speaker's others; a pupil is told, fold by fold."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models import lessons, whisper
from models.dataset import Utterances, compute
from models.distil import main, verdicts
from models.experiment import PLAIN, Table, Trained, gather, load, save
from models.network import EmotionNet, Shape, pack
from models.training import Lesson, Recipe, encode
from streamer.features import Moments, Prior, RunningNormaliser

SHAPE = Shape(width=24, heads=2, feed_forward=(20,), listens=(1,), attention=8)
RECIPE = Recipe(prior_weight=20.0)


def teacher(seed: int = 0, fold: int = 1) -> Trained:
    torch.manual_seed(seed)
    net = EmotionNet(SHAPE)
    with torch.no_grad():
        for one in net.parameters():
            one.add_(0.1 * torch.randn_like(one))
    return Trained(net.eval(), RECIPE, fold)


def heard_by(*speakers: str, folds: tuple[int, ...] | None = None) -> tuple[Table, Utterances]:
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(int(rng.integers(1, 40)), 61)).astype(np.float16) for _ in speakers]
    offsets = np.cumsum([0, *(len(one) for one in rows)]).astype(np.int64)
    empty = np.array([""] * len(speakers))
    # Only speakers and folds are looked at, and how many clips there are.
    of = np.array(folds or [2] * len(speakers))
    table = Table(tuple(speakers), np.zeros(len(speakers), int), np.array(speakers), empty, of, empty, {})
    return table, Utterances(np.concatenate(rows), offsets)


def test_verdicts_are_probabilities_after_all_other_clips_of_the_same_speaker() -> None:
    speakers = ("a", "b", "a", "c", "b", "a")
    table, heard = heard_by(*speakers)
    trained = teacher()
    found = verdicts(trained, table, heard)
    assert found.shape == (6, 7)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)
    mean, std = trained.net.mean.double(), (trained.net.squares.double() - trained.net.mean.double() ** 2).sqrt()
    prior = Prior(tuple(mean.tolist()), tuple(std.tolist()), RECIPE.prior_weight)
    encoded = encode(trained.net, [heard.frames(clip) for clip in range(6)])
    for clip, speaker in enumerate(speakers):
        caller = RunningNormaliser(prior)
        for other, (_, said) in enumerate(encoded):
            if speakers[other] == speaker and other != clip:
                sums = (one[0].double().numpy() for one in (said.total, said.squares))
                caller.remember(Moments(float(said.weight[0]), *sums))
        packed = pack([heard.frames(clip)])
        with torch.inference_mode():
            tokens = torch.from_numpy(caller.apply(encoded[clip][0].numpy()))
            expected = torch.softmax(trained.net.classify(trained.net.pool(tokens, packed)), dim=1)[0]
        np.testing.assert_allclose(found[clip], expected, atol=1e-4)


def test_the_fold_that_the_teacher_left_out_is_not_judged_and_its_rows_are_even() -> None:
    table, heard = heard_by("a", "b", "a", "c", folds=(2, 1, 2, 1))
    for clip in (1, 3):
        heard.rows[heard.offsets[clip] : heard.offsets[clip + 1]] = np.nan
    found = verdicts(teacher(fold=1), table, heard)
    np.testing.assert_allclose(found[[1, 3]], 1 / 7)
    assert np.isfinite(found).all()
    assert (found[[0, 2]] != found[1]).any(axis=1).all()


def test_a_teacher_of_all_speakers_judges_every_clip() -> None:
    found = verdicts(teacher(fold=0), *heard_by("a", "b", "a", folds=(1, 2, 1)))
    assert (np.ptp(found, axis=1) > 0).all()


CHANGE = {
    "shape": {"width": 24, "heads": 2, "feed_forward": [16], "listens": [0, 1], "attention": 8},
    "sounds": 0,
    "repeat": {},
    "teacher_share": 0.5,
}
QUICK = {"epochs": 1, "before": [0], "after": [0], "callers": 2, "utterances": 3, "rate": 1e-4}


@pytest.fixture
def run(
    corpora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whisper_weights: Callable[..., dict[str, np.ndarray]],
    as_ctranslate2: Callable[..., bytes],
) -> Callable[..., Path]:
    """Run the command on the small corpora with made-up weights; returns the folder of results."""
    weights = tmp_path / "model.bin"
    weights.write_bytes(as_ctranslate2(whisper_weights(24, 32)))
    monkeypatch.setattr(whisper, "find", lambda: weights)
    monkeypatch.setattr(lessons, "HEARD", (PLAIN,))

    def command(*arguments: str, model: str = "telephone") -> Path:
        out = tmp_path / "out"
        given = ["distil", model, "--data", str(corpora), "--out", str(out), "--recipe", json.dumps(QUICK), *arguments]
        monkeypatch.setattr(sys, "argv", given)
        main()
        return out

    return command


def test_a_pupil_is_taught_by_the_network_that_left_the_same_fold_out(
    run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teachers = {fold: teacher(seed=fold, fold=fold) for fold in (1, 2)}
    for fold, trained in teachers.items():
        save(trained, tmp_path / "out" / "telephone-large" / f"fold-{fold}.pt")
    told = []

    def lesson_without(*given: object, **named: object) -> Lesson:
        told.append((given[0], named["taught"]))
        return lessons.lesson_without(*given, **named)

    monkeypatch.setattr("models.train.lesson_without", lesson_without)
    out = run("--change", json.dumps(CHANGE), "--folds", "2", "1")
    assert [fold for fold, _ in told] == [2, 1]
    assert (told[0][1] != told[1][1]).any()
    for fold, taught in told:
        table, heard = heard_in(tmp_path / "corpora")
        np.testing.assert_allclose(taught, verdicts(teachers[fold], table, heard), atol=1e-6)
        pupil = load(out / "telephone" / f"fold-{fold}.pt")
        assert (pupil.left_out_fold, pupil.net.shape.feed_forward) == (fold, (16,))


def heard_in(data: Path) -> tuple[Table, Utterances]:
    """What the command reads of the corpora of `telephone`."""
    table = gather(data, ("crema-d", "emodb"))
    return table, compute(table.clips, PLAIN, None)


def test_a_missing_teacher_is_one_clear_error(run: Callable[..., Path]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("--folds", "3")
    assert str(ended.value).startswith("error: no teacher ")
    assert str(ended.value).endswith("fold-3.pt: run models.train telephone-large --folds 3 first")


def test_a_teacher_of_other_labels_is_refused(run: Callable[..., Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = EmotionNet(Shape(labels=("calm", "angry"), width=24, heads=2, feed_forward=(8,), listens=(1,), attention=8))
    save(Trained(other, RECIPE, 1), tmp_path / "out" / "telephone-large" / "fold-1.pt")
    with pytest.raises(SystemExit, match=r"error: teacher .* names calm, angry; telephone names neutral, happy"):
        run("--folds", "1")


def test_a_model_without_a_teacher_is_the_other_commands(run: Callable[..., Path]) -> None:
    with pytest.raises(SystemExit, match=r"error: telephone-large has no teacher: use models.train"):
        run(model="telephone-large")
