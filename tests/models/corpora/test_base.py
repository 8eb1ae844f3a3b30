"""The shared part of the readers, on its own."""

from pathlib import Path

from models.corpora.base import Clip, LeftOut, Reading, read_folder


def clip(path: Path) -> Clip:
    return Clip(path, "made up", path.stem[0], "", "sad", path.stem)


def test_a_parser_says_what_is_a_clip_and_why_something_is_none(tmp_path: Path) -> None:
    for name in ("a1.wav", "a2.flac", "b1.wav", "b2.ogg", "c1.wav"):
        (tmp_path / name).touch()
    reading = read_folder(tmp_path, "made up", lambda path: "too late" if path.stem > "b" else clip(path))
    assert [one.path.name for one in reading.clips] == ["a1.wav", "a2.flac"]
    assert reading.left_out == (LeftOut(tmp_path / "b1.wav", "too late"), LeftOut(tmp_path / "c1.wav", "too late"))


def test_a_summary_counts_speakers_and_reasons() -> None:
    reading = Reading(
        clips=(clip(Path("a1.wav")), clip(Path("a2.wav")), clip(Path("b1.wav"))),
        left_out=(LeftOut(Path("x"), "silence"), LeftOut(Path("y"), "no name"), LeftOut(Path("z"), "no name")),
    )
    assert reading.summary() == "3 clips of 2 speakers; left out: 2 (no name), 1 (silence)"
    assert Reading(reading.clips, ()).summary() == "3 clips of 2 speakers"
