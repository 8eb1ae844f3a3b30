"""Recording the messages of a version: from a real run, all there are, and never a second time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility.recorded import FROM_CLIENT, HERE, VERSIONS, kind_of, lines, schemas
from tests.tools.programs import ROOT
from tools.record_messages import conversations, main, record, write


def test_a_run_has_every_kind_of_message_and_is_written_as_those_that_are_kept(mosquitto: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    bus, native = asyncio.run(record(mosquitto.url, tmp_path / "run"))
    write(tmp_path / "kept", bus, native)
    assert schemas(str(tmp_path / "kept")) == sorted(
        str(file.relative_to(ROOT / "clients/schema"))
        for file in (ROOT / "clients/schema").rglob("*.json")
        if file.name != "asyncapi.json"
    )
    kinds = {kind_of(line["payload"]) for line in bus if line["payload"]}
    assert kinds == {"utterance", "partial", "state", "ended", "alert", "acknowledgement", "status"}
    assert any(line["payload"] is None for line in bus)
    assert {line["topic"].split("/")[3] for line in bus if "/calls/" in line["topic"]} == {"calls"}
    assert not [line for line in bus if "before-" in line["topic"] or "/services/" in line["topic"]]
    assert list(dict.fromkeys(line["call"] for line in native)) == list(conversations())
    sent = {line["text"]["type"] for line in native if line["from"] == "client" and "text" in line}
    assert set(FROM_CLIENT) <= sent
    kept = lines(VERSIONS[-1], "bus.jsonl")[0]
    assert list(bus[0]) == list(kept)


def test_what_an_earlier_version_said_is_not_recorded_again(capsys: pytest.CaptureFixture[str]) -> None:
    folder = HERE / VERSIONS[0]
    before = {file: file.read_bytes() for file in folder.rglob("*.jsonl")}
    assert main([str(folder)]) == 1
    assert "is never recorded again" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in folder.rglob("*.jsonl")} == before
