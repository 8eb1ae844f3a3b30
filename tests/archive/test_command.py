from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamer_client.errors import OptionError
from streamer_client.events import decode

from streamer.archive import command
from streamer.archive.command import JOURNAL, ArchiveError, Wanted, analyse
from streamer.archive.engine import EngineError, run
from streamer.archive.journal import JournalError
from streamer.config import EmotionSettings, PrivacySettings, Settings, SpeechSettings


@pytest.fixture
def archive(tmp_path: Path, excerpt: Path) -> Path:
    """Three calls, one of them named by a telephone number, in a folder."""
    folder = tmp_path / "archive"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.wav", "b.wav", "deep/call-0301234567.wav"):
        shutil.copy(excerpt, folder / name)
    return folder


def settings(**tables: Any) -> Settings:
    return Settings(node="any", **tables)


def go(archive: Path, *, configured: Settings | None = None, **wanted: Any) -> None:
    analyse(Wanted(named=(archive,), workers=1, **wanted), configured or settings())


def table(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.csv").read_text(encoding="utf-8").splitlines()


def test_without_a_report_the_events_are_printed(excerpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(excerpt)
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines()] == ["call"] * 4
    assert "■ ended" in out
    assert err.startswith("1 of 1 analysed, 0:21 of audio at ")
    go(excerpt, as_json=True, quiet=True)
    out, err = capsys.readouterr()
    assert [type(decode(line)).__name__ for line in out.splitlines()] == ["UtteranceEvent"] * 3 + ["EndedEvent"]
    assert err == ""


def test_no_telephone_number_gets_into_a_report(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(archive, report=out)
    written = [path for path in out.rglob("*") if path.is_file() and path.name not in (JOURNAL, f"{JOURNAL}.lock")]
    assert len(written) == 8
    for path in written:
        assert b"1234567" not in path.read_bytes()
        assert "1234567" not in path.name
    assert (out / JOURNAL).is_file()


def test_a_number_has_the_pseudonym_of_the_bus_where_the_secret_is_known(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "salt").write_text("secret\n", encoding="utf-8")
    salted = settings(privacy=PrivacySettings(salt_file=str(tmp_path / "salt")))
    ids = []
    for configured in (salted, salted, settings()):
        go(archive / "deep", configured=configured, as_json=True, quiet=True)
        ids.append({json.loads(line)["data"]["call"]["id"] for line in capsys.readouterr().out.splitlines()})
    assert ids[0] == ids[1] != ids[2]
    assert all(len(one) == 1 and next(iter(one)).startswith("call-n-") for one in ids)


def test_what_is_done_is_not_done_again(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, begun = tmp_path / "out", []

    def counting(jobs: Any, *given: Any) -> Any:
        begun.append([job.name for job in jobs])
        return run(jobs, *given)

    monkeypatch.setattr(command, "run", counting)
    go(archive, report=out)
    events = (out / "events.jsonl").read_bytes()
    go(archive, report=out, resume=True)
    assert begun[1] == []
    assert "3 recordings done before and not analysed again" in capsys.readouterr().err
    assert (out / "events.jsonl").read_bytes() == events
    with pytest.raises(ArchiveError, match="holds the results of an earlier run; go on with it by --resume"):
        go(archive, report=out)

    shutil.copy(archive / "a.wav", archive / "new.wav")
    with (archive / "b.wav").open("ab") as file:
        file.write(bytes(2))
    go(archive, report=out, resume=True)
    assert begun[2] == ["b", "new"]
    assert "1 recording changed since, or known otherwise: analysed again" in capsys.readouterr().err
    assert len(table(out, "calls")) == 1 + 2 * 4


def test_an_interrupted_run_is_gone_on_with_and_gives_the_same_as_one_that_was_not(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(jobs: Any, *given: Any) -> Any:
        outcomes = run(jobs, *given)
        yield next(outcomes)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(archive, report=tmp_path / "out")
    assert "stopped; 1 calls are kept, go on with the same command and --resume" in capsys.readouterr().err
    go(archive, report=tmp_path / "out", resume=True)
    go(archive, report=tmp_path / "whole")
    for name in ("events.jsonl", "calls.csv", "utterances.csv", "alerts.csv", "index.html"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_other_ways_are_told_and_not_mixed_in(archive: Path, tmp_path: Path) -> None:
    go(archive, report=tmp_path / "out")
    before = (tmp_path / "out" / "events.jsonl").read_bytes()
    with pytest.raises(JournalError, match=r"speech\.hangover_ms was 400, is 700"):
        go(archive, report=tmp_path / "out", resume=True, configured=settings(speech=SpeechSettings(hangover_ms=700)))
    assert (tmp_path / "out" / "events.jsonl").read_bytes() == before


def test_other_rules_need_no_second_analysis(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, rules = tmp_path / "out", tmp_path / "rules.toml"
    go(archive, report=out)
    assert len(table(out, "alerts")) == 1
    rules.write_text(
        '[[rule]]\nname = "any"\nseverity = "info"\nemotions = ["neutral", "fear"]\ncount = 1\nwithin_s = 10\n'
        'message = "Something was heard."\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(command, "run", lambda jobs, *_: iter(()) if not jobs else pytest.fail("analysed again"))
    monkeypatch.setattr(command, "closing", lambda one: __import__("contextlib").nullcontext(one))
    go(archive, report=out, resume=True, rules=rules)
    assert len(table(out, "alerts")) > 1


def test_what_cannot_be_read_is_named_stops_nothing_and_is_tried_again(
    archive: Path, tmp_path: Path, excerpt: Path
) -> None:
    (archive / "c.wav").write_bytes(b"<html>")
    shutil.copy(archive / "a.wav", archive / "d_agent.wav")
    with pytest.raises(ArchiveError) as caught:
        go(archive, report=tmp_path / "out")
    lines = str(caught.value).splitlines()
    assert ["c.wav" in line or "d_agent.wav" in line for line in lines] == [True, True]
    assert "2 recordings could not be analysed" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    shutil.copy(excerpt, archive / "c.wav")
    shutil.copy(excerpt, archive / "d_caller.wav")
    (archive / "d_agent.wav").unlink()
    (archive / "d_caller.wav").rename(archive / "d.wav")
    go(archive, report=tmp_path / "out", resume=True)
    assert len(table(tmp_path / "out", "calls")) == 1 + 2 * 5


def test_a_table_says_ids_labels_and_times_and_what_does_not_fit_is_told(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = archive / "calls.csv"
    calls.write_text(
        "file,call_id,started_at,label.queue\na.wav,CA7,2026-11-22T10:15:00Z,billing\ngone.wav,,,\n", encoding="utf-8"
    )
    go(archive, report=tmp_path / "out", metadata=calls)
    err = capsys.readouterr().err
    assert "rows without a recording: gone.wav" in err
    assert "recordings without a row in" in err
    first = table(tmp_path / "out", "calls")[1]
    assert first.startswith("CA7,2026-11-22T10:15:00.000Z,21000,customer")
    assert first.endswith("queue=billing")


def test_a_notice_that_is_required_and_was_not_said_is_told(excerpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict = settings(emotion=EmotionSettings(require_notice=True))
    go(excerpt, configured=strict)
    out, err = capsys.readouterr()
    assert "no emotion is named in calls without a notice" in err
    assert len(out.splitlines()) == 1
    go(excerpt, configured=strict, notice=True)
    out, err = capsys.readouterr()
    assert "notice" not in err
    assert len(out.splitlines()) == 4


def test_corrected_ids_are_taken_also_where_two_calls_change_them_with_one_another(
    archive: Path, tmp_path: Path
) -> None:
    out, calls = tmp_path / "out", archive / "calls.csv"
    for first, second in (("1", "2"), ("2", "1"), ("A", "B")):
        calls.write_text(f"file,call_id\na.wav,{first}\nb.wav,{second}\n", encoding="utf-8")
        go(archive, report=out, metadata=calls, resume=True)
        assert [line.split(",")[0] for line in table(out, "calls")[1:5:2]] == [first, second]
        pages = {path.stem.split("-")[0] for path in (out / "calls").iterdir()}
        assert pages == {first.lower(), second.lower(), "call"}, "no page is left under an old id"


def test_a_recording_that_was_taken_away_is_taken_out_of_everything(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    go(archive, report=out)
    (archive / "b.wav").rename(tmp_path / "elsewhere.wav")
    go(archive, report=out, resume=True)
    assert "1 recording no longer there: taken out of the journal and the report" in capsys.readouterr().err
    assert len(table(out, "calls")) == 1 + 2 * 2
    assert not (out / "calls" / "b.html").exists()
    assert b"b.wav" not in (out / JOURNAL).read_bytes()
    assert '"id":"b"' not in (out / "events.jsonl").read_text(encoding="utf-8")
    go(archive / "a.wav", report=out, resume=True)
    assert len(table(out, "calls")) == 1 + 2 * 2, "what is only not named stays"


def test_two_runs_never_work_on_one_folder_at_once(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second: list[str] = []

    def meanwhile(jobs: Any, *given: Any) -> Any:
        with pytest.raises(JournalError, match="another run is at work on") as caught:
            go(archive, report=tmp_path / "out", resume=True)
        second.append(str(caught.value))
        yield from run(jobs, *given)

    monkeypatch.setattr(command, "run", meanwhile)
    go(archive, report=tmp_path / "out")
    assert len(second) == 1
    assert len(table(tmp_path / "out", "calls")) == 1 + 2 * 3


def test_calls_of_one_name_are_told_apart(archive: Path, tmp_path: Path, excerpt: Path) -> None:
    shutil.copy(excerpt, archive / "deep" / "a.wav")
    go(archive, report=tmp_path / "out")
    assert {line.split(",")[0] for line in table(tmp_path / "out", "calls")[1:]} >= {"a", "a-2", "b"}


def test_a_command_line_that_cannot_be_right_is_refused_before_anything_is_done(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="say which with --report FOLDER"):
        go(archive, resume=True)
    with pytest.raises(OptionError, match="give ROLE=PATTERN"):
        go(archive, pairs=("x",), report=tmp_path / "out")
    with pytest.raises(ArchiveError, match="say where with --report FOLDER"):
        go(archive, parquet=True)
    with pytest.raises(EngineError, match="got --on 'spark://x'; give ray://HOST:10001 for a cluster, or ray for"):
        go(archive, on="spark://x", report=tmp_path / "out")
    assert not (tmp_path / "out").exists()
