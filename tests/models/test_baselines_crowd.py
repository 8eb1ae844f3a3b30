"""What people heard counts as they voted: voice only, ties shared, and only for the clips that are judged."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines_crowd import judge_crowd, read_votes
from models.corpora import CorpusError
from streamer.emotion.model import LABELS

HEAD = '"","A","D","F","H","N","S","fileName","numResponses"\n'


def votes(**by_label: int) -> np.ndarray:
    return np.array([by_label.get(label, 0) for label in LABELS])


def write(path: Path, rows: str, head: str = HEAD) -> Path:
    path.write_text(head + rows)
    return path


def test_only_votes_by_voice_are_read_in_the_order_of_the_labels(tmp_path: Path) -> None:
    rows = '"100001",1,2,3,4,5,6,"1001_IEO_NEU_XX",21\n"200001",9,9,9,9,9,9,"1001_IEO_NEU_XX",54\n'
    found = read_votes(write(tmp_path / "votes.csv", rows))
    assert list(found) == ["1001_IEO_NEU_XX"]
    assert found["1001_IEO_NEU_XX"].tolist() == votes(angry=1, disgust=2, fear=3, happy=4, neutral=5, sad=6).tolist()


def test_a_clip_that_was_judged_twice_has_the_votes_of_both(tmp_path: Path) -> None:
    rows = '"100001",1,0,0,0,0,0,"1001_IEO_NEU_XX",1\n"100002",1,0,0,0,3,0,"1001_IEO_NEU_XX",4\n'
    found = read_votes(write(tmp_path / "votes.csv", rows))
    assert found["1001_IEO_NEU_XX"].tolist() == votes(angry=2, neutral=3).tolist()


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        ('"200001",9,9,9,9,9,9,"x",54\n', HEAD, "has no voice-only row"),
        ('"100001",9,9,9,9,9,"x",54\n', '"","A","D","F","H","N","fileName","numResponses"\n', "has no column 'S'"),
    ],
    ids=["no voice-only row", "no column"],
)
def test_what_is_no_table_of_votes_is_named(tmp_path: Path, rows: str, head: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_votes(write(tmp_path / "votes.csv", rows, head))


def test_missing_votes_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the crowd's votes come with CREMA-D"):
        read_votes(tmp_path / "tabulatedVotes.csv")


def test_a_majority_is_right_where_a_single_listener_often_is_not() -> None:
    truth = np.array([LABELS.index("sad"), LABELS.index("angry")])
    of = {"1001_A": votes(sad=6, neutral=4), "1001_B": votes(angry=2, happy=4, fear=4)}
    single, majority = judge_crowd(["1001_A", "1001_B"], truth, of)
    assert single["accuracy_6"] == pytest.approx(100 * 8 / 20)
    assert single["recall"]["sad"] == pytest.approx(60.0)
    assert single["crema_d_uar"] == pytest.approx(40.0)
    assert majority["accuracy_6"] == pytest.approx(50.0)
    assert np.isnan(majority["recall"]["fear"])


@given(st.integers(1, 6), st.integers(1, 9))
def test_a_tie_among_some_is_as_good_as_drawing_lots(n_tied: int, each: int) -> None:
    of = {"1001_A": np.array([each] * n_tied + [0] * (6 - n_tied))}
    _, majority = judge_crowd(["1001_A"], np.array([0]), of)
    assert majority["accuracy_6"] == pytest.approx(100.0 / n_tied)


def test_clips_without_votes_do_not_count_and_none_at_all_is_an_error() -> None:
    of = {"1001_A": votes(sad=3)}
    single, _ = judge_crowd(["1001_A", "1002_A"], np.array([2, 2]), of)
    assert single["clips"] == 1
    with pytest.raises(CorpusError, match="none of 1 clips"):
        judge_crowd(["1002_A"], np.array([2]), of)
