"""Figures by group say how many they stand on, and never make a group of what nobody wrote down."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import fairness
from models.fairness import age_band, by_group, by_length, groupings
from streamer.emotion.model import LABELS

ANGRY = LABELS.index("angry")


@pytest.mark.parametrize(
    ("age", "band"),
    [(20, "under 30"), (29, "under 30"), (30, "30 to 44"), (44, "30 to 44"), (59, "45 to 59"), (60, "60 and over")],
)
def test_ages_fall_into_bands(age: int, band: str) -> None:
    assert age_band(age) == band


def test_sex_is_what_the_corpus_says_and_the_rest_comes_with_the_demographics(tmp_path: Path) -> None:
    speakers = np.array(["crema-d/1001", "crema-d/1002", "crema-d/1099"])
    genders = np.array(["m", "f", ""])
    assert list(groupings(speakers, genders, None)) == ["sex"]
    path = tmp_path / "VideoDemographics.csv"
    assert list(groupings(speakers, genders, path)) == ["sex"]
    path.write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Asian,Hispanic\n1002,21,Female,Unknown,Not Hispanic\n"
    )
    found = groupings(speakers, genders, path)
    assert {way: of_clip.tolist() for way, of_clip in found.items()} == {
        "sex": ["men", "women", "not stated"],
        "age": ["45 to 59", "under 30", "not stated"],
        "race": ["Asian", "Unknown", "not stated"],
        "ethnicity": ["Hispanic", "Not Hispanic", "not stated"],
    }


def test_recall_and_false_alarms_of_anger_are_counted_within_the_group() -> None:
    truth = np.array([ANGRY, ANGRY, 0, 0, 0, 0, ANGRY, 1])
    guess = np.array([ANGRY, 0, ANGRY, 0, 0, 0, 1, 1])
    speakers = np.array(["a"] * 3 + ["b"] * 3 + ["c"] * 2)
    found = by_group(truth, guess, speakers, np.array(["x"] * 6 + ["y"] * 2), LABELS)
    assert found["x"] | {"uar_interval": None} == {
        "speakers": 2,
        "clips": 6,
        "uar": pytest.approx((50 + 75) / 2),
        "uar_interval": None,
        "accuracy": pytest.approx(100 * 4 / 6),
        "angry_recall": 50.0,
        "angry_false_alarms": 25.0,
    }
    assert (found["y"]["speakers"], found["y"]["uar_interval"]) == (1, None)


def test_a_group_that_is_never_angry_has_no_recall_of_anger() -> None:
    found = by_group(np.array([0, 1]), np.array([0, ANGRY]), np.array(["a", "b"]), np.array(["x", "x"]), LABELS)
    assert found["x"]["angry_recall"] is None
    assert found["x"]["angry_false_alarms"] == 50.0


@given(st.integers(0, 10), st.integers(2, 8))
def test_the_interval_holds_the_figure_and_lies_between_worst_and_best(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.tile(np.arange(6), 4 * count)
    guess = np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(0, 6, len(truth)))
    speakers = np.repeat([f"s{n}" for n in range(count)], 24)
    found = by_group(truth, guess, speakers, np.full(len(truth), "x"), LABELS)["x"]
    alone = [100 * (truth == guess)[speakers == one].mean() for one in np.unique(speakers)]
    low, high = found["uar_interval"]
    assert min(alone) - 1e-6 <= low <= found["uar"] <= high <= max(alone) + 1e-6


def test_more_speakers_say_more() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (4, 64):
        truth = np.tile(np.arange(6), 4 * count)
        share = np.repeat(rng.uniform(0.3, 0.9, count), 24)
        guess = np.where(rng.random(len(truth)) < share, truth, (truth + 1) % 6)
        found = by_group(truth, guess, np.repeat(np.arange(count).astype(str), 24), np.full(len(truth), "x"), LABELS)
        low, high = found["x"]["uar_interval"]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_every_utterance_is_in_one_band_of_length() -> None:
    speech_s = np.array([0.0, 0.99, 1.0, 2.5, 60.0], np.float32)
    truth = np.array([0, 1, 2, 3, 4])
    found = by_length(truth, np.array([0, 0, 2, 3, 4]), speech_s, LABELS)
    assert {name: one["clips"] for name, one in found.items()} == {
        "under 1 s": 2,
        "1 to 2 s": 1,
        "2 to 3 s": 1,
        "over 3 s": 1,
    }
    assert found["under 1 s"]["accuracy"] == 50.0
    assert list(by_length(truth[:1], truth[:1], speech_s[:1], LABELS)) == ["under 1 s"]


def test_every_way_of_grouping_is_reported() -> None:
    ways = {"sex": np.array(["women", "men"]), "age": np.array(["under 30", "under 30"])}
    found = fairness.by_all_groups(np.array([0, 1]), np.array([0, 1]), np.array(["a", "b"]), ways, LABELS)
    assert {way: set(groups) for way, groups in found.items()} == {"sex": {"women", "men"}, "age": {"under 30"}}
