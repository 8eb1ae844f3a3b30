"""What training and evaluation agree on; runs where the laboratory's torch is installed."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models.corpora import CorpusError
from models.experiment import HEARD, PLAIN, gather
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
