"""The pictures of a card are small, show what the report says, and say it in words too."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="the laboratory's group of dependencies is not installed")

from models.card_pictures import draw_all
from models.figures import report
from streamer.emotion.model import LABELS
from tests.models.made_up import demographics, doubted, judged, votes


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("corpus")
    others = {"tess": judged(("tess",), ("mulaw",), seed=1)}
    figures = report(judged(), others, doubted(), LABELS, demographics(folder), votes(folder))
    whole: dict[str, Any] = json.loads(json.dumps(figures))
    return whole


def test_every_picture_is_drawn_and_small(found: dict[str, Any], tmp_path: Path) -> None:
    pictures = draw_all(found, tmp_path)
    assert set(pictures) == {"confusion-crema-d", "confusion-emodb", "reliability", "risk-coverage", "earlier"}
    assert {one.path for one in pictures.values()} == set(tmp_path.iterdir())
    assert all(0 < one.path.stat().st_size < 100_000 for one in pictures.values())


def test_the_same_report_gives_the_same_files(found: dict[str, Any], tmp_path: Path) -> None:
    first, second = draw_all(found, tmp_path / "one"), draw_all(found, tmp_path / "two")
    for name, picture in first.items():
        assert picture.path.read_bytes() == second[name].path.read_bytes()


def test_who_cannot_see_a_picture_is_told_its_figures(found: dict[str, Any], tmp_path: Path) -> None:
    pictures = draw_all(found, tmp_path)
    after = found["corpora"]["crema-d"]["after"]
    assert f"CREMA-D from {after['0']['mean_over_folds']['uar']:.1f} at the first" in pictures["earlier"].text
    assert "TESS (never trained on)" in pictures["earlier"].text
    assert f"angry {after['10']['recall']['angry']:.0f} %" in pictures["confusion-crema-d"].text
    assert f"{found['calibration']['ece_after']:.3f} after" in pictures["reliability"].text
    assert f"CREMA-D {100 - after['10']['accuracy']:.0f} % at 100" in pictures["risk-coverage"].text


def test_a_model_that_is_never_certain_is_drawn_too(found: dict[str, Any], tmp_path: Path) -> None:
    doubting = json.loads(json.dumps(found))
    for figures in doubting["corpora"].values():
        figures["after"]["10"] |= {"certain_share": 0.0, "accuracy_when_certain": None}
    assert draw_all(doubting, tmp_path)["risk-coverage"].path.is_file()


def test_labels_a_corpus_lacks_have_no_row(found: dict[str, Any], tmp_path: Path) -> None:
    lacking = json.loads(json.dumps(found))
    for earlier in ("0", "10"):
        lacking["corpora"]["emodb"]["after"][earlier]["confusion"][5] = [0] * 6
    assert "disgust" not in draw_all(lacking, tmp_path)["confusion-emodb"].text
