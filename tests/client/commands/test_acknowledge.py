"""`acknowledge`, as a person at a desk types it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from streamer_client.alerts.state import Effect, State
from streamer_client.commands import app, run_app
from streamer_client.events import decode


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def run(*arguments: object) -> int:
    return await asyncio.to_thread(run_app, app, "streamer-client", ["acknowledge", *map(str, arguments)])


async def test_an_alert_is_acknowledged_with_what_its_mail_says(mosquitto: Any, collecting: Any, capsys: Any) -> None:
    async with collecting(mosquitto, "+/v1/+/acknowledgements") as heard:
        flags = ["--call", "CA1", "--tenant", "acme", "--note", "Called back.", "--mqtt", mosquitto.url]
        assert await run("a1", "--by", "Desk 2", *flags) == 0
        assert await run("a1", "--by", "Desk 2", *flags) == 0
        messages = await heard.count(2)
    said = capsys.readouterr()
    assert said.out == 2 * "said on the bus: alert a1 of call CA1 is acknowledged by Desk 2\n"
    assert said.err == 2 * (
        "note: 'a1' is no id that the alert service gives (32 digits of 0-9 and a-f); copy it in full from the alert\n"
    )
    assert {message.topic.value for message in messages} == {"emotion/v1/acme/acknowledgements"}
    assert len({decode(message.payload).id for message in messages}) == 1


async def test_the_call_is_looked_up_in_the_state_of_the_service(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path
) -> None:
    state = State(tmp_path / "alerts.sqlite")
    state.apply(Effect(alerts=[(make.alert(), ("mqtt",))]), 0.0)
    try:
        async with collecting(mosquitto, "emotion/v1/default/acknowledgements") as heard:
            flags = ["--state", tmp_path / "alerts.sqlite", "--mqtt", mosquitto.url]
            assert await run("CA1-alert", "--by", "Desk 2", *flags) == 0
            (message,) = await heard.count(1)
    finally:
        state.close()
    assert decode(message.payload).data.call == make.alert().data.call


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a1"], 2, "Missing option '--by'"),
        (["a1", "--by", "Desk 2"], 2, "is not known, for there is no alert state alerts.sqlite; give --call"),
        (["a1", "--by", "", "--call", "CA1"], 2, "by has 0 characters; give 1 to 80"),
        (["a1", "--by", "D", "--call", "CA1", "--tenant", "+"], 2, "got tenant '+'"),
        (["a1", "--by", "D", "--call", "CA1", "--mqtt", "mqtt://127.0.0.1:1"], 1, "cannot reach the MQTT broker"),
    ],
)
def test_what_cannot_be_said_is_one_line_and_a_code(
    capsys: Any, empty_folder: Path, arguments: Any, code: int, words: str
) -> None:
    assert run_app(app, "streamer-client", ["acknowledge", *arguments]) == code
    said = capsys.readouterr()
    assert words in said.err
    said_of_it = [line for line in said.err.splitlines() if not line.startswith("note: ")]
    assert (said.out, len(said_of_it)) == ("", 1)
    assert list(empty_folder.iterdir()) == []


def test_it_has_help_with_examples(capsys: Any) -> None:
    assert run_app(app, "streamer-client", ["acknowledge", "--help"]) == 0
    assert "\n    streamer-client acknowledge 9139255f6b89c1e3506a5de3829e4c8f --call CA1" in capsys.readouterr().out


async def test_an_id_in_full_comes_without_a_note(mosquitto: Any, capsys: Any) -> None:
    assert await run("0" * 32, "--by", "Desk 2", "--call", "CA1", "--mqtt", mosquitto.url) == 0
    assert capsys.readouterr().err == ""
