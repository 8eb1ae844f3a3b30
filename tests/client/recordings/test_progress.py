from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.recordings.progress import Mark, Progress

HERE = {"to": "ws://here/v1/stream", "dialect": "native"}


def mark(n: int) -> Mark:
    return Mark(((f"/archive/{n}.wav", 100 + n, 7),))


def test_what_was_done_is_known_when_the_file_is_opened_again(tmp_path: Path) -> None:
    with Progress(tmp_path / "state", **HERE) as progress:
        assert progress.done(mark(1)) is None
        progress.add(mark(1), "CA1")
    with Progress(tmp_path / "state", **HERE) as progress:
        assert (progress.done(mark(1)), progress.done(mark(2))) == ("CA1", None)


def test_the_file_holds_paths_and_is_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Progress(tmp_path / "state", **HERE):
            assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@given(st.data())
def test_a_file_that_was_cut_off_anywhere_knows_the_calls_whose_lines_are_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("state") / "state"
    lengths = []
    with Progress(path, **HERE) as progress:
        for n in range(4):
            progress.add(mark(n), f"CA{n}")
            lengths.append(path.stat().st_size)
    at = data.draw(st.integers(0, lengths[-1]))
    path.write_bytes(path.read_bytes()[:at])
    with Progress(path, **HERE) as progress:
        whole = [n for n in range(4) if progress.done(mark(n)) is not None]
        assert whole == [n for n in range(4) if lengths[n] <= at]
        for n in range(4):
            if n not in whole:
                progress.add(mark(n), f"CA{n}")
    with Progress(path, **HERE) as progress:
        assert [progress.done(mark(n)) for n in range(4)] == ["CA0", "CA1", "CA2", "CA3"]


def test_a_recording_that_has_changed_is_another(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"first")
    before = Mark.of([file])
    assert Mark.of([file]) == before
    file.write_bytes(b"longer")
    assert Mark.of([file]) != before
    file.write_bytes(b"first")
    os.utime(file, ns=(0, 1))
    assert Mark.of([file]) != before


def test_another_target_is_refused(tmp_path: Path) -> None:
    Progress(tmp_path / "state", **HERE).close()
    with pytest.raises(
        OptionError, match="is of a replay to ws://here/v1/stream as native, this one goes to ws://there"
    ):
        Progress(tmp_path / "state", to="ws://there", dialect="native")


@pytest.mark.parametrize(
    "content", [b"RIFF and more", b"a line\n", b'{"type":"replay"}\n', b'{"type":"replay","to":1}\n']
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "call.wav").write_bytes(content)
    with pytest.raises(OptionError, match="name another"):
        Progress(tmp_path / "call.wav", **HERE)
    assert (tmp_path / "call.wav").read_bytes() == content


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot use .*to resume from: no such file or directory"):
        Progress(tmp_path / "nowhere" / "state", **HERE)
