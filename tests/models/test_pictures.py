"""Pictures are small files that do not change when nothing changed."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the laboratory's group of dependencies is not installed")

from models.pictures import COLOURS, FIRST, SECOND, drawing, save
from streamer.emotion.model import LABELS


def drawn(path: Path) -> bytes:
    with drawing(3.0, 2.0, "a title") as figure:
        axes = figure.subplots()
        axes.plot([0, 1, 2], [1, 0, 2], color=FIRST, label="one")
        axes.legend()
        return save(figure, path).read_bytes()


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG")])
def test_the_same_figure_is_the_same_file(tmp_path: Path, name: str, start: bytes) -> None:
    first = drawn(tmp_path / "one" / name)
    assert first == drawn(tmp_path / "two" / name)
    assert first.startswith(start)


def test_an_svg_names_no_date_and_ends_no_line_in_spaces(tmp_path: Path) -> None:
    text = drawn(tmp_path / "a.svg").decode()
    assert "dc:date" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_another_kind_of_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.gif must end in \.svg or \.png"):
        drawn(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_every_emotion_of_an_event_has_a_colour_of_its_own() -> None:
    assert len({COLOURS[label] for label in LABELS}) == len(LABELS)
    assert FIRST != SECOND


def test_the_style_of_others_is_left_as_it_was(tmp_path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - where it is installed

    before = mpl.rcParams["font.size"]
    drawn(tmp_path / "a.svg")
    assert mpl.rcParams["font.size"] == before
