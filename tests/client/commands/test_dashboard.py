"""`dashboard` as a person meets it: a link, a clear error, and an end when it is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from streamer_client.commands import app, run_app

PROGRAM = [sys.executable, "-c", "from streamer_client.commands import main; main()"]
PATIENCE_S = 60


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, "streamer-client", ["dashboard", "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert "\n    streamer-client dashboard --mqtt" in text
    assert "\b" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 2, "can be reached from other machines, and tokens would pass in the clear"),
        (["--token-file", "nowhere"], 2, "cannot read the tokens in nowhere"),
        (["--mqtt", "localhost", "--port", "0", "--state", ""], 2, "expected one like mqtt://127.0.0.1:1883"),
        (["--mqtt", "mqtt://127.0.0.1:1", "--port", "0", "--state", ""], 1, "is it running there?"),
        (["--state", "nowhere/state.sqlite", "--port", "0"], 1, "cannot open the dashboard's state"),
        (["--tenant", ""], 2, "empty --tenant"),
        (["--tenant", "a/b", "--state", "", "--port", "0"], 2, "give one level of a topic"),
        (["--tls-key", "key.pem"], 2, "given without --tls-cert"),
        (["--port", "70000"], 2, "--port"),
        (["--session-hours", "0"], 2, "--session-hours"),
    ],
)
def test_an_error_is_one_clear_line_and_a_code(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run_app(app, "streamer-client", ["dashboard", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert words in said.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_a_link_serves_and_ends_on_a_signal_although_a_page_is_open(
    mosquitto: Any, tmp_path: Path, number: signal.Signals
) -> None:
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("Ada 0123456789abcdef\n", encoding="utf-8")
    process = subprocess.Popen(
        [*PROGRAM, "dashboard", "--mqtt", mosquitto.url, "--port", "0", "--token-file", "tokens.txt"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("dashboard at http://127.0.0.1:"), line
        assert "token" not in line
        assert f"(events from {mosquitto.url}; Ctrl-C ends it)" in line
        url = line.split()[2]
        login = urllib.request.Request(  # noqa: S310 - our own address
            f"{url}api/login",
            data=b'{"token":"0123456789abcdef"}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(login, timeout=PATIENCE_S) as answer:  # noqa: S310
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        stream = urllib.request.Request(f"{url}api/stream", headers={"Cookie": cookie})  # noqa: S310
        with urllib.request.urlopen(stream, timeout=PATIENCE_S) as page:  # noqa: S310
            assert page.readline() == b"retry: 2000\n"
            process.send_signal(number)
            page.read()  # to its end, which comes: a stream that is cut off raises
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (0, "", "")
        assert (tmp_path / "dashboard.sqlite").exists()
    finally:
        process.kill()
        process.communicate()


def test_the_token_of_the_environment_lets_in(
    mosquitto: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMER_DASHBOARD_TOKEN", "short")
    assert run_app(app, "streamer-client", ["dashboard", "--mqtt", mosquitto.url, "--state", str(tmp_path / "s")]) == 2
    assert "STREAMER_DASHBOARD_TOKEN: a token needs 16 characters" in capsys.readouterr().err
