"""Readers of corpora: names become clips, and nothing is left out without a reason.

What all readers share is tested here; what one corpus has of its own, in the file of that corpus.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.corpora import READERS, Clip, CorpusError, Folds, classes
from streamer.emotion.model import LABELS, SURPRISE

ONE_NAME = {
    "crema-d": "AudioWAV/1001_DFA_ANG_XX.wav",
    "emodb": "wav/03a01Wa.wav",
    "ravdess": "Actor_01/03-01-05-01-01-01-01.wav",
    "savee": "ALL/DC_a01.wav",
    "tess": "OAF_angry/OAF_back_angry.wav",
}


def made(folder: Path, *names: str) -> Path:
    """A corpus of empty files: readers never open them."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize("corpus", READERS)
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
def test_a_clip_is_found_whatever_kind_of_file_it_is(tmp_path: Path, corpus: str, suffix: str) -> None:
    name = ONE_NAME[corpus].replace(".wav", suffix)
    reading = READERS[corpus](made(tmp_path, name, "LICENSE.txt", "notes.csv"))
    assert [(clip.corpus, clip.label, clip.path) for clip in reading.clips] == [(corpus, "angry", tmp_path / name)]
    assert reading.left_out == ()


@pytest.mark.parametrize("corpus", READERS)
def test_the_folder_may_be_the_innermost_one(tmp_path: Path, corpus: str) -> None:
    made(tmp_path, ONE_NAME[corpus])
    assert len(READERS[corpus]((tmp_path / ONE_NAME[corpus]).parent).clips) == 1


@pytest.mark.parametrize("corpus", READERS)
def test_an_unknown_name_is_left_out_and_counted(tmp_path: Path, corpus: str) -> None:
    reading = READERS[corpus](made(tmp_path, ONE_NAME[corpus], "hold music.wav", "03-99-05-01-01-01-01.flac"))
    assert len(reading.clips) == 1
    assert {one.path.name for one in reading.left_out} == {"hold music.wav", "03-99-05-01-01-01-01.flac"}
    assert "1 clips of 1 speakers; left out: 2 (no " in reading.summary()


@pytest.mark.parametrize("corpus", READERS)
def test_a_folder_without_clips_is_one_clear_error(tmp_path: Path, corpus: str) -> None:
    with pytest.raises(CorpusError, match=f"no folder .*nowhere to read {corpus} from"):
        READERS[corpus](tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=f"no clip of {corpus} in .*: 0 audio files"):
        READERS[corpus](tmp_path)
    with pytest.raises(CorpusError, match="1 audio files there, none with a name of this corpus"):
        READERS[corpus](made(tmp_path, "hold music.wav"))


@pytest.mark.parametrize("corpus", READERS)
def test_clips_come_in_the_same_order_everywhere(tmp_path: Path, corpus: str) -> None:
    name = ONE_NAME[corpus]
    reading = READERS[corpus](made(tmp_path, f"b/{name}", f"a/{name}", f"c/{name}"))
    assert [clip.path.relative_to(tmp_path).parts[0] for clip in reading.clips] == ["a", "b", "c"]


def clip(label: str, corpus: str = "ravdess", speaker: str = "01") -> Clip:
    return Clip(Path(f"{label}.wav"), corpus, speaker, "m", label, "01")


OTHERS = ("surprise", "pleasant surprise", "boredom", "calm")


def test_only_labels_with_a_class_are_trained_on() -> None:
    clips = [clip(label) for label in (*LABELS, *OTHERS)]
    assert [(one.label, index) for one, index in classes(clips)] == [(label, n) for n, label in enumerate(LABELS)]


def test_calm_is_neutral_by_option() -> None:
    assert classes([clip("calm")], calm_as_neutral=True) == [(clip("calm"), LABELS.index("neutral"))]


def test_calm_is_a_class_of_its_own_where_it_is_asked_for() -> None:
    for by_option in (False, True):
        assert classes([clip("calm")], ("neutral", "calm"), calm_as_neutral=by_option) == [(clip("calm"), 1)]


def test_pleasant_surprise_is_surprise_where_that_is_a_class() -> None:
    clips = [clip(label) for label in OTHERS]
    found = classes(clips, (*LABELS, SURPRISE))
    assert [(one.label, index) for one, index in found] == [("surprise", 6), ("pleasant surprise", 6)]


@given(
    labels=st.lists(st.sampled_from((*LABELS, *OTHERS)), max_size=30),
    asked=st.permutations((*LABELS, "surprise", "calm")).flatmap(
        lambda names: st.integers(1, len(names)).map(lambda count: tuple(names[:count]))
    ),
    calm_as_neutral=st.booleans(),
)
def test_every_clip_has_the_class_of_its_label_or_none_in_the_order_given(
    labels: list[str], asked: tuple[str, ...], calm_as_neutral: bool
) -> None:
    clips = [clip(label, speaker=str(n)) for n, label in enumerate(labels)]
    found = classes(clips, asked, calm_as_neutral=calm_as_neutral)
    order = [int(one.speaker) for one, _ in found]
    assert order == sorted(set(order))
    for one, index in found:
        merged = {"calm": "neutral", "pleasant surprise": "surprise"}.get(one.label, one.label)
        assert asked[index] == one.label or (one.label not in asked and asked[index] == merged)
    left = [one for one in clips if one not in [taken for taken, _ in found]]
    assert not [one for one in left if one.label in asked]


def test_a_speaker_has_the_fold_and_gender_of_the_table(tmp_path: Path) -> None:
    table = tmp_path / "folds.csv"
    table.write_text("corpus,speaker,gender,fold\nravdess,01,m,3\nemodb,01,f,1\n")
    folds = Folds.read(table)
    assert folds.of(clip("sad")) == 3
    assert folds.of(clip("sad", corpus="emodb")) == 1
    assert folds.gender["emodb", "01"] == "f"
    with pytest.raises(CorpusError, match=r"speaker 99 of ravdess has no fold"):
        folds.of(clip("sad", speaker="99"))


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "folds.csv"
    table.write_text("corpus,speaker,fold\nravdess,01,3\n")
    with pytest.raises(CorpusError, match="no column 'gender'"):
        Folds.read(table)
