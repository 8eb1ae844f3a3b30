"""Configurations are read whole or refused in words; the committed ones can all be used."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the laboratory's group of dependencies is not installed")

from models.configuration import ConfigurationError, names, read
from streamer.emotion.model import LABELS

SHIPPED = ("telephone", "telephone-large", "seed-corpora")
LEAST = """
name = "mine"
corpora = ["crema-d"]
front_end = "mfcc"
weights = "int8"
licence = "CC0-1.0"
commercial_use = true
shape = {}
recipe = {}
"""


def written(folder: Path, more: str = "", without: str = "") -> Path:
    text = "\n".join(line for line in LEAST.splitlines() if not without or not line.startswith(without))
    (folder / "mine.toml").write_text(f"{more}\n{text}")
    return folder


@pytest.mark.parametrize("name", names())
def test_a_committed_configuration_bears_its_files_name_and_its_teacher_is_committed_too(name: str) -> None:
    configuration = read(name)
    assert configuration.name == name
    assert configuration.teacher in {"", *names()} - {name}
    if configuration.teacher:
        assert read(configuration.teacher).shape.labels == configuration.shape.labels
        assert set(read(configuration.teacher).corpora) <= set(configuration.corpora)


@pytest.mark.parametrize("name", names())
def test_only_what_comes_from_corpora_that_allow_it_may_be_used_at_work(name: str) -> None:
    configuration = read(name)
    assert configuration.commercial_use == (set(configuration.corpora) <= {"crema-d", "emodb"})


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_names_the_six_emotions_in_the_order_of_events(name: str) -> None:
    assert read(name).shape.labels[: len(LABELS)] == LABELS


@pytest.mark.parametrize("weights", ["int8", "float16"])
def test_weights_are_kept_as_the_configuration_says(tmp_path: Path, weights: str) -> None:
    assert read("mine", written(tmp_path, f"weights = '{weights}'", "weights")).weights == weights


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    configuration = read("mine", written(tmp_path))
    assert (configuration.teacher, configuration.teacher_share, configuration.sounds) == ("", 0.0, 0)
    assert configuration.repeat == {}
    assert configuration.shape.labels == LABELS


def test_an_unknown_name_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no configuration 'yours' in .*; there are none"):
        read("yours", tmp_path)
    written(tmp_path)
    with pytest.raises(ConfigurationError, match=r"no configuration 'yours' in .*; there are mine"):
        read("yours", tmp_path)


@pytest.mark.parametrize(
    ("more", "without", "message"),
    [
        ("colour = 'red'", "", "unknown field `colour`"),
        ("", "licence", "missing required field `licence`"),
        ("", "name = ", "missing required field `name`"),
        ("corpora = ['crema-d', 'iemocap']", "corpora", "corpora must be some of crema-d, .*, got iemocap"),
        ("corpora = []", "corpora", "corpora must be some of .*, got none"),
        ("repeat = { iemocap = 2 }", "", "got iemocap"),
        ("", "weights", "missing required field `weights`"),
        ("weights = 'float8'", "weights", "Invalid enum value 'float8'"),
        ("front_end = 'wavelet'", "front_end", "Invalid enum value 'wavelet'"),
        ("teacher = 'telephone-large'", "", "a teacher needs a teacher_share above 0"),
        ("teacher_share = 0.5", "", "a teacher needs a teacher_share above 0, and the other way round"),
        ("recipe = { epoch = 3 }", "recipe", "unknown field `epoch`"),
        ("this is no TOML", "", "mine.toml: "),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_file_and_reason(
    tmp_path: Path, more: str, without: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        read("mine", written(tmp_path, more, without))
    assert "mine.toml" in str(refused.value)
    assert "\n" not in str(refused.value)
