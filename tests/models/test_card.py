"""The card for people says what the report says."""

from pathlib import Path
from typing import Any

from models.card import write_card
from streamer.emotion.model import LABELS


def figures(uar: float) -> dict[str, Any]:
    detector = {"auc": 0.912, "recall": 71.3, "false_alarms": 4.0, "precision": 61.7}
    return {
        "uar": uar,
        "confusion": [[90 if row == column else 2 for column in range(6)] for row in range(6)],
        "angry_vs_rest": detector,
        "negative_vs_rest": detector,
        "aroused_vs_rest": detector,
        "accuracy_by_speaker": {
            "worst": 33.0,
            "lower_quartile": 50.0,
            "median": 55.0,
            "upper_quartile": 60.0,
            "best": 78.0,
        },
    }


def report() -> dict[str, Any]:
    def by_earlier(first: float) -> dict[str, Any]:
        return {earlier: figures(first + n) for n, earlier in enumerate(("0", "5", "10", "20", "40"))}

    return {
        "read": {"crema-d": "6287 clips of 77 speakers", "emodb": "418 clips of 8 speakers"},
        "crema-d": by_earlier(51.1),
        "emodb": by_earlier(61.2),
        "across": {"ravdess": by_earlier(41.3), "savee": by_earlier(31.4), "tess": by_earlier(45.5)},
        "hard": {
            name: {"0": 44.4, "10": 47.7} for name in ("alaw-narrow", "quiet", "noise-10db", "lossy-3pc", "untrimmed")
        },
        "uar_by_fold": {"10": [50.0, 51.0, 52.0, 53.0, 54.0]},
        "accuracy_by_gender": {"f": 57.7, "m": 55.5},
        "calibration": {
            "temperature": 1.234,
            "uncertain_below": 0.567,
            "ece_before": 0.0987,
            "ece_after": 0.0321,
            "certain_share": 43.2,
            "accuracy_when_certain": 70.1,
            "accuracy_when_uncertain": 44.9,
        },
        "mfcc": {"n_mfcc": 48, "n_mels": 64, "win_length": 400, "hop_length": 100, "rate_hz": 8000},
        "parameters": 304630,
        "recipe": {"epochs": 24},
    }


def test_the_figures_of_the_report_stand_in_the_card(tmp_path: Path) -> None:
    write_card(report(), ms_for_3_s=0.543, size_bytes=1_220_000, path=tmp_path / "CARD.md")
    card = (tmp_path / "CARD.md").read_text()
    assert "| CREMA-D, 5 folds by speaker | 51.1 | 52.1 | 53.1 | 54.1 | 55.1 |" in card
    assert "| RAVDESS, never trained on | 41.3 |" in card
    assert "| 12 dB quieter | 44.4 | 47.7 |" in card
    in_one_line = " ".join(card.split())
    assert "304,630 parameters, 1.22 MB, 0.54 ms for 3 s" in in_one_line
    assert "below 0.57 is marked uncertain" in in_one_line
    assert "worst 33 %, quartiles 50, 55 and 60 %, best 78 %" in in_one_line
    assert "50 ms windows every 12.5 ms" in in_one_line
    assert max(map(len, card.splitlines())) <= 120
    assert f"| {LABELS[0]} | 90 | 2 |" in card


def test_the_card_says_what_the_model_must_not_be_used_for(tmp_path: Path) -> None:
    write_card(report(), ms_for_3_s=0.5, size_bytes=1, path=tmp_path / "CARD.md")
    card = " ".join((tmp_path / "CARD.md").read_text().split())
    for sentence in (
        "The speech is acted.",
        "to infer emotions of workers or students",
        "without a human who hears the call",
        "Open Database License 1.0",
        "CC0 1.0",
        "Only part of the speakers was used",
    ):
        assert sentence in card
