"""`home-assistant` as a person meets it; what it does: tests/client/home_assistant."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import pytest
from streamer_client.commands import app, run_app

PROGRAM = [sys.executable, "-c", "from streamer_client.commands import main; main()", "home-assistant"]


def test_it_has_help_with_examples(capsys: Any) -> None:
    assert run_app(app, "streamer-client", ["home-assistant", "--help"]) == 0
    assert "\n    streamer-client home-assistant --remove" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--tenant", "+"], 2, "the sensors are one tenant's: name it, and run one for each"),
        (["--prefix", "#"], 2, "got prefix='#'"),
        (["--mqtt", "mqtt://127.0.0.1:1"], 1, "connection refused; is it running there?"),
        (["--mqtt", "mqtt://127.0.0.1:1", "--remove"], 1, "connection refused; is it running there?"),
    ],
)
def test_an_error_is_one_clear_line_and_a_code(capsys: Any, arguments: Any, code: int, words: str) -> None:
    assert run_app(app, "streamer-client", ["home-assistant", *arguments]) == code
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err


async def test_it_says_when_the_sensors_are_there_and_ctrl_c_and_remove_take_them_away(mosquitto: Any) -> None:
    running = await asyncio.create_subprocess_exec(
        *PROGRAM, "--mqtt", mosquitto.url, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    assert running.stderr is not None
    assert await running.stderr.readline() == b"the sensors of default are there; Ctrl-C ends them\n"
    running.send_signal(signal.SIGINT)
    assert (await running.stderr.read(), await running.wait()) == (b"", 130)
    for said in (b"removed 1 device\n", b"there was nothing to remove\n"):
        removing = await asyncio.create_subprocess_exec(
            *PROGRAM, "--remove", "--mqtt", mosquitto.url, stderr=asyncio.subprocess.PIPE
        )
        assert removing.stderr is not None
        assert await removing.stderr.read() == said
        assert await removing.wait() == 0
