"""A report says of each corpus what the verdicts on it say, by fold, with nothing fitted on what it is used for."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models import metrics
from models.figures import Judged, report
from streamer.emotion.model import LABELS
from tests.models.made_up import demographics, doubted, judged, votes

SEVEN = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust")


def reported(folder: Path, held_out: Judged | None = None, **changes: Any) -> dict[str, Any]:
    given = {
        "held_out": judged() if held_out is None else held_out,
        "others": {"tess": judged(("tess",), ("mulaw",), seed=1)},
        "doubted": doubted(),
        "labels": LABELS,
        "demographics": demographics(folder),
        "votes": votes(folder),
    }
    return report(**(given | changes))


def uar(truth: np.ndarray, logits: np.ndarray) -> float:
    return metrics.unweighted_average_recall(metrics.confusion(truth, logits.argmax(axis=1), logits.shape[1]))


def test_a_report_is_json_without_a_number_that_is_none(tmp_path: Path) -> None:
    text = json.dumps(reported(tmp_path), allow_nan=False)
    assert json.loads(text)["labels"] == list(LABELS)


def test_the_headline_is_the_mean_over_folds_of_a_corpus(tmp_path: Path) -> None:
    held_out = judged()
    found = reported(tmp_path, held_out)
    table, logits = held_out.table, held_out.logits["mulaw", 10]
    crema = table.corpora == "crema-d"
    by_fold = [uar(table.labels[own], logits[own]) for fold in range(1, 6) for own in [crema & (table.folds == fold)]]
    warm = found["corpora"]["crema-d"]["after"]["10"]
    assert [one["uar"] for one in warm["by_fold"].values()] == pytest.approx(by_fold)
    assert found["headline"]["crema_d_uar_after_10"] == pytest.approx(np.mean(by_fold))
    assert warm["mean_over_folds_never_tuned_on"]["uar"] == pytest.approx(np.mean(by_fold[1:]))
    assert warm["uar"] == pytest.approx(uar(table.labels[crema], logits[crema]))


def test_the_headline_names_what_a_program_may_ask(tmp_path: Path) -> None:
    headline = reported(tmp_path)["headline"]
    corpora = {
        f"{corpus}_uar_{when}" for corpus in ("crema_d", "emodb", "tess") for when in ("cold", "after_10", "after_40")
    }
    assert set(headline) == corpora | {
        "crema_d_angry_auc_after_10",
        "crema_d_negative_auc_after_10",
        "crema_d_accuracy_most_certain_70",
        "ece",
        "worst_line_loss",
        "sounds_uncertain",
    }
    assert all(isinstance(value, float) for value in headline.values())


def test_a_corpus_never_trained_on_has_no_folds_to_beware_of(tmp_path: Path) -> None:
    found = reported(tmp_path)["corpora"]
    assert {name: one["trained_on_others_of_it"] for name, one in found.items()} == {
        "crema-d": True,
        "emodb": True,
        "tess": False,
    }
    assert found["tess"]["after"]["10"]["mean_over_folds_never_tuned_on"] is None
    assert (found["tess"]["clips"], found["tess"]["speakers"], found["tess"]["folds"]) == (120, 10, [1, 2, 3, 4, 5])


def test_confusion_and_recall_are_those_of_the_verdicts(tmp_path: Path) -> None:
    held_out = judged()
    found = reported(tmp_path, held_out)["corpora"]["emodb"]["after"]["0"]
    own = held_out.table.corpora == "emodb"
    truth, guess = held_out.table.labels[own], held_out.logits["mulaw", 0][own].argmax(axis=1)
    assert found["confusion"] == metrics.confusion(truth, guess, 6).tolist()
    assert found["recall"]["angry"] == pytest.approx(100 * np.mean(guess[truth == 3] == 3))
    assert found["accuracy"] == pytest.approx(100 * np.mean(guess == truth))
    assert list(found["accuracy_at_coverage"]) == ["1.0", "0.75", "0.7", "0.5", "0.25"]


def test_a_label_a_corpus_lacks_counts_for_nothing_but_may_be_called(tmp_path: Path) -> None:
    held_out = judged(labels=SEVEN)
    found = reported(tmp_path, held_out, others={}, doubted=None, labels=SEVEN)
    one = found["corpora"]["crema-d"]["after"]["0"]
    own = held_out.table.corpora == "crema-d"
    assert one["recall"]["calm"] is None
    assert one["uar"] == pytest.approx(uar(held_out.table.labels[own], held_out.logits["mulaw", 0][own]))
    assert sum(row[SEVEN.index("calm")] for row in one["confusion"]) > 0
    assert found["doubt"] == {}


def test_the_votes_are_matched_to_labels_by_name(tmp_path: Path) -> None:
    six = reported(tmp_path)["crowd"]
    assert six["clips"] + six["clips_without_majority"] == 120
    assert six["clips_without_majority"] == 1
    assert six["people_against_intention"]["one"]["accuracy"] == pytest.approx(25.0, abs=1.0)
    held_out = judged(labels=SEVEN)
    seven = reported(tmp_path, held_out, others={}, labels=SEVEN, doubted=None)["crowd"]
    # Nearly all clips are heard as angry, which is another number here: agreement is the share called angry.
    called = held_out.logits["mulaw", 10][held_out.table.corpora == "crema-d"].argmax(axis=1) == SEVEN.index("angry")
    assert seven["model_against_majority"]["10"]["accuracy"] == pytest.approx(100 * called[1:].mean())
    assert seven["people_against_intention"] == six["people_against_intention"]


def test_a_line_is_counted_against_the_clean_one(tmp_path: Path) -> None:
    held_out = judged()
    ruined = {key: logits[:, ::-1] if key[0] == "gsm" else logits for key, logits in held_out.logits.items()}
    found = reported(tmp_path, msgspec.structs.replace(held_out, logits=ruined))
    lines = found["lines"]["crema-d"]
    assert set(lines) == {"mulaw", "clean", "gsm", "opus-12", "noise-5", "untrimmed"}
    assert lines["clean"]["10"]["loss"] == 0.0
    assert lines["gsm"]["10"]["loss"] == pytest.approx(lines["clean"]["10"]["uar"] - lines["gsm"]["10"]["uar"])
    assert found["headline"]["worst_line_loss"] == lines["gsm"]["10"]["loss"] > 30
    assert set(found["lengths"]["crema-d"]["beginnings"]["10"]) == {"first-500ms", "first-1000ms"}
    assert "tess" not in found["lines"]


def test_lines_are_compared_on_the_clips_that_were_heard_over_all_of_them(tmp_path: Path) -> None:
    full = judged()
    sampled = np.arange(0, len(full.table.labels), 3)
    fewer = {key: logits if key[0] == "mulaw" else logits[sampled] for key, logits in full.logits.items()}
    found = reported(tmp_path, msgspec.structs.replace(full, logits=fewer, sampled=sampled))
    whole = reported(tmp_path, full)
    table = full.table
    own = [index for index in sampled if table.corpora[index] == "crema-d"]
    for line in ("mulaw", "gsm"):
        logits = full.logits[line, 0]
        by_fold = [
            uar(table.labels[rows], logits[rows])
            for fold in range(1, 6)
            for rows in [[index for index in own if table.folds[index] == fold]]
        ]
        assert found["lines"]["crema-d"][line]["0"]["uar"] == pytest.approx(np.mean(by_fold))
        assert found["lines"]["crema-d"][line]["0"]["clips"] == len(own) < 120
    assert found["corpora"] == whole["corpora"]
    assert found["lengths"]["crema-d"]["utterances"] == whole["lengths"]["crema-d"]["utterances"]
    with pytest.raises(ValueError, match="verdicts are"):
        reported(tmp_path, msgspec.structs.replace(full, sampled=sampled))


def test_with_the_plain_line_only_there_is_no_loss_to_speak_of(tmp_path: Path) -> None:
    found = reported(tmp_path, judged(lines=("mulaw",)), others={})
    assert found["lines"] == {}
    assert "worst_line_loss" not in found["headline"]
    without_clean = reported(tmp_path, judged(lines=("mulaw", "gsm")), others={})
    assert without_clean["lines"]["crema-d"]["gsm"]["10"]["loss"] is None
    assert "worst_line_loss" not in without_clean["headline"]


def test_calibration_is_reported_before_and_after_with_its_reasons(tmp_path: Path) -> None:
    held_out = judged()
    overconfident = {key: logits * np.float32(3.0) for key, logits in held_out.logits.items()}
    found = reported(tmp_path, msgspec.structs.replace(held_out, logits=overconfident))["calibration"]
    assert found["ece_after"] < found["ece_before"]
    assert set(found["temperature_by_fold"]) == {"1", "2", "3", "4", "5"}
    assert found["uncertain_below"] == max(found["candidates"].values()) == found["candidates"][found["decided_by"]]
    assert set(found["candidates"]) == {"accuracy", "even"}
    assert sum(one["clips"] for one in found["bins"]) == 5 * 240
    assert found["accuracy_when_certain"] > found["accuracy_when_uncertain"]


def test_sounds_are_scored_and_change_nothing_about_speech(tmp_path: Path) -> None:
    sure = msgspec.structs.replace(doubted(), logits=doubted().logits * np.float32(1000.0))
    found, without, doubting = (reported(tmp_path, doubted=one) for one in (sure, None, doubted()))
    assert found["calibration"] == without["calibration"] == doubting["calibration"]
    assert found["corpora"] == without["corpora"]
    assert without["doubt"] == {}
    assert doubting["headline"]["sounds_uncertain"] == 100.0
    assert found["headline"]["sounds_uncertain"] == found["doubt"]["all"]["uncertain"] < 20.0
    assert (
        found["doubt"]["music"]["needed"] > found["calibration"]["uncertain_below"] > doubting["doubt"]["all"]["needed"]
    )


def test_the_figures_of_a_fold_do_not_use_its_own_temperature(tmp_path: Path) -> None:
    held_out = judged()
    sharp = {
        key: np.where(held_out.table.folds[:, None] == 2, logits * np.float32(20.0), logits)
        for key, logits in held_out.logits.items()
    }
    found = reported(tmp_path, msgspec.structs.replace(held_out, logits=sharp))["calibration"]
    others = [value for fold, value in found["temperature_by_fold"].items() if fold != "2"]
    assert found["temperature_by_fold"]["2"] < 0.7 * min(others)


def test_risk_falls_with_coverage_and_ends_with_the_share_that_is_wrong(tmp_path: Path) -> None:
    found = reported(tmp_path)
    curve = found["risk_coverage"]["crema-d"]["10"]
    assert curve[-1] == [100.0, pytest.approx(100.0 - found["corpora"]["crema-d"]["after"]["10"]["accuracy"])]
    assert curve[4][1] < curve[-1][1]
    assert len(curve) == 20


def test_fairness_is_by_sex_everywhere_and_by_age_and_race_on_crema_d(tmp_path: Path) -> None:
    found = reported(tmp_path)["fairness"]
    assert set(found["crema-d"]["10"]) == {"sex", "age", "race", "ethnicity"}
    assert found["crema-d"]["10"]["age"]["under 30"]["speakers"] == 5
    assert set(found["emodb"]["0"]) == {"sex"}
    assert found["tess"]["0"]["sex"]["women"]["clips"] == 60


def test_files_that_did_not_come_with_crema_d_leave_their_figures_out(tmp_path: Path) -> None:
    found = reported(tmp_path, demographics=tmp_path / "none.csv", votes=tmp_path / "none.csv")
    assert found["crowd"] is None
    assert set(found["fairness"]["crema-d"]["0"]) == {"sex"}


def test_a_model_that_never_met_crema_d_has_figures_of_what_it_met(tmp_path: Path) -> None:
    found = reported(tmp_path, judged(("ravdess",)), others={})
    assert found["crowd"] is None
    assert set(found["headline"]) >= {"ravdess_uar_cold", "ravdess_uar_after_10", "ece"}
    assert not any(name.startswith("crema") for name in found["headline"])


def test_a_fold_without_anger_is_left_out_of_the_mean_of_its_detector(tmp_path: Path) -> None:
    held_out = judged(("crema-d",))
    table = held_out.table
    table.labels[(table.labels == LABELS.index("angry")) & (table.folds == 4)] = 0
    warm = reported(tmp_path, held_out, others={})["corpora"]["crema-d"]["after"]["10"]
    known = [one["angry_auc"] for fold, one in warm["by_fold"].items() if fold != "4"]
    assert warm["by_fold"]["4"]["angry_auc"] is None
    assert warm["mean_over_folds"]["angry_auc"] == pytest.approx(np.mean(known))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda logits: logits.pop(("mulaw", 10)), r"held_out has no verdicts for \[\('mulaw', 10\)\]"),
        (
            lambda logits: logits.update({("gsm", 0): logits["gsm", 0][1:]}),
            r"\('gsm', 0\): verdicts are \(239, 6\), must",
        ),
        (lambda logits: logits["mulaw", 5].fill(np.nan), "finite numbers"),
    ],
)
def test_verdicts_that_are_not_whole_are_refused(tmp_path: Path, spoil: Any, problem: str) -> None:
    held_out = judged()
    spoil(held_out.logits)
    with pytest.raises(ValueError, match=problem):
        reported(tmp_path, held_out)
