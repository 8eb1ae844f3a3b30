from __future__ import annotations

from pathlib import Path

import pytest
from streamer_client.errors import OptionError
from streamer_client.recordings.finding import find
from streamer_client.recordings.metadata import NOTHING, Row, read_table


def table(folder: Path, *lines: str) -> Path:
    path = folder / "calls.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "deep/a.wav", "p_agent.wav", "p_caller.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_row_says_all_that_is_known_of_a_call(archive: Path) -> None:
    path = table(
        archive,
        "file,call_id,started_at,roles,notice,label.queue,label.desk",
        'b.wav,CA7,2026-11-22T10:15:00+01:00,"agent customer",yes,billing,',
    )
    rows, notes = read_table(path).match(find([archive / "b.wav"]))  # type: ignore[arg-type]
    assert rows == [Row("CA7", 1795338900.0, ("agent", "customer"), notice=True, labels={"queue": "billing"})]
    assert notes == []


def test_semicolons_a_byte_order_mark_and_empty_lines_are_what_spreadsheets_write(archive: Path) -> None:
    (archive / "calls.csv").write_bytes("\ufefffile;roles\r\nb.wav;agent|customer\r\n;\r\n".encode())
    assert read_table(archive / "calls.csv").rows == {"b.wav": Row(roles=("agent", "customer"))}


def test_rows_without_a_recording_and_recordings_without_a_row_are_said(archive: Path) -> None:
    path = table(archive, "file,call_id", "b.wav,B", "gone.wav,G")
    rows, notes = read_table(path).match(find([archive / "a.wav", archive / "b.wav"]))  # type: ignore[arg-type]
    assert rows == [NOTHING, Row("B")]
    assert notes == [
        f"{path} has rows without a recording: gone.wav",
        f"recordings without a row in {path}: a.wav",
    ]


def test_a_pair_is_named_by_either_of_its_files(archive: Path) -> None:
    path = table(archive, "file,call_id", "p_agent.wav,P")
    rows, notes = read_table(path).match(find([archive / "p_agent.wav", archive / "p_caller.wav"]))  # type: ignore[arg-type]
    assert (rows, notes) == ([Row("P")], [])


def test_a_path_is_clear_and_a_bare_name_must_be(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    sources = find([archive / "a.wav", archive / "deep/a.wav"])
    rows, _ = read_table(table(archive, "file,call_id", "deep/a.wav,D", "a.wav,A")).match(sources)  # type: ignore[arg-type]
    assert [row.call_id for row in rows] == ["A", "D"]
    elsewhere = table(tmp_path_factory.mktemp("tables"), "file,call_id", "a.wav,A")
    with pytest.raises(OptionError, match=r"2 recordings are called 'a.wav'; write its folder"):
        read_table(elsewhere).match(sources)  # type: ignore[arg-type]


def test_two_rows_for_one_call_are_refused(archive: Path) -> None:
    path = table(archive, "file,call_id", "p_agent.wav,P", "p_caller.wav,Q")
    with pytest.raises(OptionError, match=r"'p_agent.wav' and 'p_caller.wav' are one call"):
        read_table(path).match(find([archive / "p_agent.wav", archive / "p_caller.wav"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["name,call_id"], "has no column 'file'"),
        (["file,agent"], "column 'agent', which is not known; .* label.agent"),
        (["file,label."], "column 'label.', which is not known"),
        (["file,file"], "two columns 'file'"),
        (["file,call_id", "a.wav"], "line 2: 1 cells under 2 columns"),
        (["file,call_id", ",CA1"], "line 2: the cell 'file' is empty"),
        (["file,call_id", "a.wav,1", "a.wav,2"], "line 3: there is a row for 'a.wav' already"),
        (["file,started_at", "a.wav,2026-11-22 10:15"], "line 2, started_at: got '2026-11-22 10:15'; .* zone"),
        (["file,started_at", "a.wav,yesterday"], "started_at: got 'yesterday'"),
        (["file,roles", "a.wav,boss"], "line 2, roles: got 'boss'"),
        (["file,notice", "a.wav,maybe"], "line 2, notice: got 'maybe'; give yes or no"),
        (["file,call_id", 'a.wav,"x'], "line 2: "),
    ],
)
def test_what_cannot_be_right_is_named_by_line_and_column(archive: Path, lines: list[str], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        read_table(table(archive, *lines))


def test_a_table_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot read .*nowhere.csv: no such file"):
        read_table(tmp_path / "nowhere.csv")
    (tmp_path / "latin.csv").write_bytes(b"file,call_id\nm\xfcller.wav,1\n")
    with pytest.raises(OptionError, match="is not UTF-8 at byte 14"):
        read_table(tmp_path / "latin.csv")
