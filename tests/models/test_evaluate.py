"""The command that judges: which lines, which networks, and what is written; its errors are one line."""

import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models import announcements, evaluate
from models.configuration import ConfigurationError, read
from models.experiment import PLAIN, Trained, gather, save
from models.network import EmotionNet, Shape
from models.sounds import KINDS
from models.telephone import NAMED
from models.training import Recipe

SHAPE = Shape(width=24, heads=2, feed_forward=(20,), listens=(1,), attention=8)
CONFIGURATION = msgspec.structs.replace(read("telephone"), shape=SHAPE)


@pytest.fixture(autouse=True)
def _speaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak announcements by noise: the program that speaks them is tested in test_announcements.py."""

    def speak(text: str, voice: str, pitch: int, words_a_minute: int) -> np.ndarray:
        seed = zlib.crc32(f"{text}{voice}{pitch}{words_a_minute}".encode())
        return np.random.default_rng(seed).uniform(-0.5, 0.5, 9000).astype(np.float32)

    monkeypatch.setattr(announcements, "_speak", speak)


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    """A folder with small networks that left out folds 1 and 2, and none."""
    for fold in (0, 1, 2):
        torch.manual_seed(fold)
        save(Trained(EmotionNet(SHAPE), Recipe(), fold), tmp_path / "lab" / "telephone" / f"fold-{fold}.pt")
    return tmp_path / "lab"


@pytest.fixture
def run(corpora: Path, networks: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run the command; returns the report's path."""

    def command(*arguments: str) -> Path:
        given = ["evaluate", "telephone", "--data", str(corpora), "--networks", str(networks), *arguments]
        monkeypatch.setattr(sys, "argv", given)
        evaluate.main()
        return networks / "telephone" / "report.json"

    return command


def test_every_named_line_is_judged_but_the_plain_one_which_is_judged_anyway() -> None:
    found = evaluate.lines()
    assert set(found) == set(NAMED) - {"mulaw"} | {"untrimmed"}
    assert NAMED["mulaw"] == PLAIN.condition
    assert all(name == variant.name for name, variant in found.items())
    assert all(variant.condition == NAMED[name] for name, variant in found.items() if name in NAMED)
    assert len({variant.seed for variant in found.values()}) == len(found)
    assert not found["untrimmed"].trim


def test_the_plain_line_is_judged_after_more_earlier_utterances_than_others(corpora: Path, networks: Path) -> None:
    table = gather(corpora, ("emodb",))
    models = evaluate.served(CONFIGURATION, networks, (1, 2))
    quiet = {"quiet": evaluate.lines()["quiet"]}
    judged = evaluate.on_all_lines(models, table, quiet)
    plain = {("mulaw", count) for count in (0, 5, 10, 20, 40)}
    others = {(name, count) for name in ("quiet", "first-500ms", "first-1000ms") for count in (0, 10)}
    assert set(judged.logits) == plain | others
    assert all(one.shape == (4, 6) and np.isfinite(one).all() for one in judged.logits.values())
    assert judged.speech_s.shape == (4,)
    assert (judged.logits["quiet", 0] != judged.logits["mulaw", 0]).any()
    assert set(evaluate.on_all_lines(models, table, {}).logits) == plain


def test_over_other_lines_a_share_of_each_speakers_clips_is_heard(corpora: Path, networks: Path) -> None:
    table = gather(corpora, ("emodb",))
    sampled = evaluate.sample(table, 2)
    for speaker in np.unique(table.speakers):
        own = np.flatnonzero(table.speakers == speaker)
        assert len(np.intersect1d(own, sampled)) == -(-len(own) // 2)
    assert (np.diff(sampled) > 0).all()
    assert evaluate.sample(table, 1).tolist() == list(range(len(table.clips)))

    models = evaluate.served(CONFIGURATION, networks, (1, 2))
    judged = evaluate.on_all_lines(models, table, {"quiet": evaluate.lines()["quiet"]}, one_in=2)
    assert judged.sampled.tolist() == sampled.tolist()
    assert len(judged.logits["mulaw", 10]) == len(table.clips)
    assert len(judged.logits["quiet", 10]) == len(judged.logits["first-500ms", 0]) == len(sampled)


def test_each_fold_is_served_by_the_network_that_left_it_out(networks: Path) -> None:
    models = evaluate.served(CONFIGURATION, networks, (2, 1))
    assert list(models) == [2, 1]
    assert models[1].card.sha256 != models[2].card.sha256


def test_a_missing_network_is_named_with_what_makes_it(networks: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no network .*fold-4\.pt; run models\.train or models\.distil first"):
        evaluate.served(CONFIGURATION, networks, (1, 4))


def test_sounds_to_be_doubted_are_of_all_kinds_and_of_the_split_that_is_never_trained_on(
    networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = []

    def sounds(count: int, split: str, seed: int) -> tuple[list[str], list[np.ndarray]]:
        splits.append(split)
        rng = np.random.default_rng(seed)
        kinds = [sorted(KINDS)[n % len(KINDS)] for n in range(count)]
        return kinds, [rng.uniform(-0.1, 0.1, 900).astype(np.float32) for _ in kinds]

    monkeypatch.setattr(evaluate, "sounds", sounds)
    monkeypatch.setattr(evaluate, "SOUNDS", len(KINDS))
    doubted = evaluate.doubted(evaluate.served(CONFIGURATION, networks, (0,))[0])
    assert splits == ["test"]
    assert set(doubted.kinds) == set(KINDS)
    assert doubted.logits.shape == (len(KINDS), 6)


def test_the_report_says_what_was_judged_by_what(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {}

    def report(held_out: object, others: object, doubted: object, labels: object, *files: Path) -> dict[str, object]:
        asked.update(held_out=held_out, others=others, doubted=doubted, labels=labels, files=files)
        return {"headline": {"crema_d_uar_cold": 12.34567}}

    monkeypatch.setattr(evaluate, "report", report)
    monkeypatch.setattr(evaluate, "SOUNDS", 2)
    written = json.loads(run("--plain-only").read_text())
    assert written["headline"] == {"crema_d_uar_cold": 12.34567}
    assert written["read"]["crema-d"] == "12 clips of 4 speakers"
    assert written["configuration"]["name"] == "telephone"
    assert asked["labels"] == read("telephone").shape.labels
    assert set(asked["held_out"].table.corpora) == {"crema-d", "emodb"}
    assert {name: set(one.table.corpora) for name, one in asked["others"].items()} == {
        name: {name} for name in ("ravdess", "savee", "tess")
    }
    assert len(asked["doubted"].kinds) == 2
    assert [file.name for file in asked["files"]] == ["VideoDemographics.csv", "tabulatedVotes.csv"]
    assert "crema_d_uar_cold = 12.3457" in capsys.readouterr().out


def test_by_fold_only_means_no_other_corpora_and_no_sounds(
    run: Callable[..., Path], networks: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (networks / "telephone" / "fold-0.pt").unlink()
    (corpora / "tess").rename(corpora / "elsewhere")
    asked = []
    monkeypatch.setattr(evaluate, "report", lambda *given: asked.append(given) or {"headline": {}})
    run("--plain-only", "--no-final")
    assert asked[0][1:3] == ({}, None)


def test_what_is_missing_is_said_in_one_line(run: Callable[..., Path], networks: Path, corpora: Path) -> None:
    (networks / "telephone" / "fold-2.pt").unlink()
    with pytest.raises(SystemExit, match=r"error: no network .*fold-2\.pt; run models\.train"):
        run("--plain-only")
    (corpora / "emodb").rename(corpora / "elsewhere")
    with pytest.raises(SystemExit, match=r"error: no folder .*emodb to read emodb from"):
        run()
    (corpora / "folds.csv").unlink()
    with pytest.raises(SystemExit, match=r"error: .*folds\.csv"):
        run()
