"""What training and evaluation agree on; runs where the laboratory's torch is installed."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

import torch

from models.corpora import CorpusError
from models.experiment import HEARD, PLAIN, Trained, gather, load, save
from models.network import EmotionNet, Shape, pack
from models.training import Recipe
from streamer.emotion.model import LABELS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in (
        "crema-d/AudioWAV/1001_DFA_ANG_XX.wav",
        "crema-d/AudioWAV/1076_MTI_SAD_XX.wav",
        "crema-d/AudioWAV/1076_DFA_SAD_XX.wav",
        "emodb/wav/03a01La.wav",
        "emodb/wav/03a01Wa.wav",
        "ravdess/Actor_02/03-01-02-01-01-01-02.wav",
        "ravdess/Actor_02/03-01-08-01-01-01-02.wav",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folds.csv").write_text(
        "corpus,speaker,gender,fold\ncrema-d,1001,m,4\ncrema-d,1076,f,2\nemodb,03,m,1\nravdess,02,f,5\n"
    )
    return tmp_path


def test_a_table_holds_the_clips_of_the_six_classes_with_fold_and_gender(data: Path) -> None:
    table = gather(data, ("crema-d", "emodb"))
    assert [LABELS[label] for label in table.labels] == ["angry", "sad", "angry"]
    assert table.speakers.tolist() == ["crema-d/1001", "crema-d/1076", "emodb/03"]
    assert table.folds.tolist() == [4, 2, 1]
    assert table.genders.tolist() == ["m", "f", "m"]
    assert table.summaries["crema-d"] == "2 clips of 2 speakers; left out: 1 (silence)"


def test_calm_counts_only_when_asked_for(data: Path) -> None:
    with_calm = gather(data, ("ravdess",), calm_as_neutral=True)
    assert [LABELS[label] for label in with_calm.labels] == ["neutral"]
    assert len(gather(data, ("ravdess",)).clips) == 0


def test_a_missing_corpus_is_one_clear_error(data: Path) -> None:
    with pytest.raises(CorpusError, match="to read savee from"):
        gather(data, ("savee",))


def test_training_hears_the_plain_line_first_and_every_way_has_a_name_of_its_own() -> None:
    assert HEARD[0] == PLAIN
    assert len({variant.name for variant in HEARD}) == len(HEARD)


def test_a_tables_columns_belong_together(data: Path) -> None:
    table = gather(data, ("emodb", "crema-d", "ravdess"), labels=("sad", "angry", "surprise", "calm"))
    assert table.corpora.tolist() == [clip.corpus for clip in table.clips]
    assert table.corpora.tolist() == ["emodb", "crema-d", "crema-d", "ravdess", "ravdess"]
    assert table.labels.tolist() == [1, 1, 0, 3, 2]
    assert table.speakers.tolist() == [f"{clip.corpus}/{clip.speaker}" for clip in table.clips]
    assert list(table.summaries) == ["emodb", "crema-d", "ravdess"]


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = Shape(labels=("calm", "angry"), width=24, heads=2, feed_forward=(8, 9), listens=(0, 2), attention=5)
    trained = Trained(EmotionNet(shape).eval(), Recipe(epochs=7, before=(0, 1)), 3)
    path = tmp_path / "deep" / "fold-3.pt"
    save(trained, path)
    again = load(path)
    assert (again.net.shape, again.recipe, again.left_out_fold) == (shape, trained.recipe, 3)
    assert not again.net.training
    packed = pack([np.random.default_rng(1).normal(size=(30, 61)).astype(np.float32)])
    with torch.inference_mode():
        np.testing.assert_array_equal(again.net.encode(packed), trained.net.encode(packed))
