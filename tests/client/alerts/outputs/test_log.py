"""Alerts as lines: what stands in the file, and what happens when the file is moved or the disk is full."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.log import Log, LogSettings
from streamer_client.alerts.tables import KeyProblem
from streamer_client.events import AlertEvent, Severity, decode


async def test_a_line_is_the_cloudevent_and_lines_are_added(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    log = Log(LogSettings(path=str(path)))
    await log.send(make.alert())
    await log.send(make.alert(call="CA2"))
    assert [decode(line) for line in path.read_bytes().splitlines()] == [make.alert(), make.alert(call="CA2")]


async def test_a_file_that_was_moved_is_begun_anew(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    log = Log(LogSettings(path=str(path)))
    await log.send(make.alert())
    path.rename(tmp_path / "alerts.jsonl.1")
    await log.send(make.alert(call="CA2"))
    assert json.loads(path.read_text())["id"] == "CA2-alert"
    assert (tmp_path / "alerts.jsonl.1").read_text().count("\n") == 1


async def test_strangers_may_not_read_the_file(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    await Log(LogSettings(path=str(path))).send(make.alert())
    assert not stat.S_IMODE(path.stat().st_mode) & 0o007


async def test_standard_output_takes_a_line_for_people(make: Any, capsys: Any) -> None:
    await Log(LogSettings(format="text")).send(make.alert())
    assert capsys.readouterr().out == (
        "2026-11-22T10:15:04.210Z CRITICAL angry-customer: call CA1, customer: Listen in. "
        "(2 utterances; alert CA1-alert)\n"
    )


async def test_an_event_cannot_make_a_line_of_its_own(make: Any, capsys: Any) -> None:
    alert = AlertEvent(id="a\nb", source="/x", subject="s", time="t\r\x1b[2J", data=make.alert(call="C\u2028A").data)
    await Log(LogSettings(format="text")).send(alert)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.splitlines() == [said.rstrip("\n")]
    assert "\x1b" not in said


async def test_only_the_severities_that_were_asked_for_are_written(make: Any, capsys: Any) -> None:
    log = Log(LogSettings(severities=(Severity.CRITICAL,)))
    await log.send(make.alert(severity=Severity.WARNING))
    assert capsys.readouterr().out == ""
    await log.send(make.alert(severity=Severity.CRITICAL))
    assert capsys.readouterr().out.count("\n") == 1


async def test_what_cannot_be_written_may_be_written_later(make: Any, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = Log(LogSettings(path=str(folder / "alerts.jsonl")))
    folder.rmdir()
    with pytest.raises(OutputError, match=r"cannot write to .*alerts\.jsonl: no such file or directory") as caught:
        await log.send(make.alert())
    assert caught.value.retry
    folder.mkdir()
    await log.send(make.alert())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
async def test_a_full_disk_is_said_in_the_systems_words(make: Any) -> None:
    with pytest.raises(OutputError, match="cannot write to /dev/full: no space left on device"):
        await Log(LogSettings(path="/dev/full")).send(make.alert())


def test_a_folder_that_is_not_there_is_told_at_load(tmp_path: Path) -> None:
    with pytest.raises(KeyProblem, match=r"there is no folder .*nowhere; make it"):
        Log(LogSettings(path=str(tmp_path / "nowhere" / "alerts.jsonl")))
