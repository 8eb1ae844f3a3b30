from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.recordings.finding import PAIRS, Source, Unusable, find, parse_pairs


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in (
        "monday/one.wav",
        "monday/deep/two.flac",
        "monday/notes.txt",
        "monday/.hidden/three.wav",
        "monday/.four.wav",
        "pairs/a_caller.wav",
        "pairs/a_agent.gsm",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def stems(found: list[object]) -> list[str]:
    assert all(isinstance(one, Source) for one in found), found
    return [one.stem for one in found if isinstance(one, Source)]


def test_a_folder_is_all_recordings_below_it_in_the_order_of_their_paths(archive: Path) -> None:
    assert stems(find([archive / "monday"])) == ["two", "one"]


def test_a_pattern_is_what_it_fits(archive: Path) -> None:
    assert stems(find([f"{archive}/**/*.flac"])) == ["two"]
    assert stems(find([f"{archive}/monday/*.wav"])) == ["one"]


def test_a_call_that_is_named_twice_is_one_call(archive: Path) -> None:
    assert stems(find([archive / "monday/one.wav", archive / "monday"])) == ["one", "two"]


def test_a_file_is_taken_whatever_it_is_called_and_whether_it_is_there_is_found_out_later(archive: Path) -> None:
    assert stems(find([archive / "monday/notes.txt", archive / "nowhere.wav"])) == ["notes", "nowhere"]


def test_two_files_of_one_call_are_one_call_the_customer_first(archive: Path) -> None:
    (pair,) = find([archive / "pairs"])
    assert isinstance(pair, Source)
    assert (pair.stem, pair.roles) == ("a", ("customer", "agent"))
    assert [path.name for path in pair.paths] == ["a_caller.wav", "a_agent.gsm"]


def test_an_empty_folder_and_a_pattern_that_fits_nothing_are_said_and_stop_nothing(archive: Path) -> None:
    (archive / "empty").mkdir()
    one, *others = find([archive / "empty", f"{archive}/*.mp3", archive / "monday/one.wav"])
    assert stems([one]) == ["one"]
    assert [type(other) for other in others] == [Unusable, Unusable]
    assert "no recording in the folder" in str(others[0].error)  # type: ignore[union-attr]
    assert "no file is named like" in str(others[1].error)  # type: ignore[union-attr]


def test_one_party_alone_is_refused_until_somebody_says_who_it_is(archive: Path) -> None:
    (archive / "pairs/a_caller.wav").unlink()
    (alone,) = find([archive / "pairs"])
    assert isinstance(alone, Unusable)
    assert "a_agent.gsm" in str(alone.error)
    assert "*_caller" in str(alone.error)
    assert "--roles agent" in str(alone.error)
    assert stems(find([archive / "pairs"], roles_are_given=True)) == ["a_agent"]


def test_two_files_of_the_same_party_are_refused_by_name(archive: Path) -> None:
    (archive / "pairs/a_customer.wav").touch()
    (both,) = find([archive / "pairs"])
    assert isinstance(both, Unusable)
    assert "a_caller.wav" in str(both.error)
    assert "a_customer.wav" in str(both.error)


def test_files_of_different_folders_are_no_pair(archive: Path) -> None:
    (archive / "pairs/a_agent.gsm").rename(archive / "monday/a_agent.gsm")
    assert [type(one) for one in find([archive])].count(Unusable) == 2


def test_own_patterns_take_the_place_of_the_usual_ones(archive: Path) -> None:
    for name in ("x-in.wav", "x-out.wav"):
        (archive / name).touch()
    patterns = parse_pairs(["customer=*-in", "agent=*-out"])
    found = find([archive / "x-in.wav", archive / "x-out.wav", archive / "pairs"], patterns=patterns)
    assert stems(found) == ["x", "a_agent", "a_caller"]
    assert stems(find([archive / "pairs"], patterns=parse_pairs(["off"]))) == ["a_agent", "a_caller"]
    assert parse_pairs([]) == PAIRS


@pytest.mark.parametrize(
    "text", ["customer", "boss=*_x", "customer=x", "customer=*", "agent=*/x", "agent=*_*", "off=*_a"]
)
def test_a_pattern_that_cannot_be_right_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="give ROLE=PATTERN"):
        parse_pairs([text])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["_agent", "_caller", "-customer", "", "_AGENT"])), max_size=8
    )
)
def test_every_file_is_in_exactly_one_call_or_error_whatever_there_is(
    tmp_path_factory: pytest.TempPathFactory, files: set[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    for stem, party in files:
        (folder / f"{stem}{party}.wav").touch()
    found = find(sorted(folder.iterdir()))
    named = [path for one in found if isinstance(one, Source) for path in one.paths]
    refused = [str(one.error) for one in found if isinstance(one, Unusable)]
    for path in folder.iterdir():
        assert (path in named) + sum(str(path) in text for text in refused) == 1
    assert len(set(named)) == len(named)
