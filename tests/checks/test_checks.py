"""`streamer check`: every part is looked at, each failure is one line, and nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamer.checks import Level, check_all
from streamer.config import load

PARTS = ["configuration", "model", "secrets", "clock", "files", "outbox", "ports", "certificate"]


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_with_everything_there_all_is_well_and_nothing_is_left(mosquitto: Any, tmp_path: Path) -> None:
    flags = {"mqtt.url": mosquitto.url, "outbox.path": str(tmp_path / "o.sqlite")}
    outcomes = await check_all(load(None, {}, flags | {"server.port": 0, "server.admin_port": 0}))
    assert [outcome.what for outcome in outcomes] == [*PARTS, "broker", "publish", "retained"]
    assert all(outcome.ok for outcome in outcomes), outcomes
    assert files_in(tmp_path) == []


async def test_each_thing_that_is_wrong_is_said_and_hides_no_other(tmp_path: Path) -> None:
    wrong = {
        "configuration": ("speech.vad", "silero"),
        "model": ("emotion.model", "nowhere"),
        "outbox": ("outbox.path", str(tmp_path / "o.sqlite" / "o.sqlite")),
        "ports": ("server.host", "192.0.2.1"),
        "certificate": ("server.tls_cert_file", "none.pem"),
        "broker": ("mqtt.url", "mqtt://127.0.0.1:1"),
    }
    outcomes = await check_all(load(None, {}, dict(wrong.values())))
    assert dict.fromkeys(outcome.what for outcome in outcomes) == dict.fromkeys([*PARTS, "broker"])
    assert {outcome.what for outcome in outcomes if outcome.level is Level.WRONG} == set(wrong)
    for outcome in outcomes:
        assert "\n" not in outcome.says
        if outcome.what in wrong and outcome.what != "configuration":
            assert wrong[outcome.what][1].removesuffix("/o.sqlite") in outcome.says
