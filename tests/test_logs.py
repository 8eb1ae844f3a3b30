"""The log: one line an event, in the form that was asked for."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from streamer import logs
from streamer.config import LogSettings
from streamer.logs import Libraries, configure


@pytest.fixture(autouse=True)
def _no_handler_stays() -> Iterator[None]:
    root = logging.getLogger()
    yield
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, Libraries)]


def test_json_lines_carry_what_was_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json"))
    structlog.get_logger().bind(call="CA1").info("call started", rate_hz=8000)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "call started"
    assert (line["call"], line["rate_hz"], line["level"]) == ("CA1", 8000, "info")
    assert line["timestamp"].endswith("Z")


def test_an_exception_is_one_json_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json"))
    try:
        raise ValueError("odd")
    except ValueError:
        structlog.get_logger().exception("stream failed")
    assert json.loads(capsys.readouterr().err)["exception"][0]["exc_value"] == "odd"


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_is_logged_without_the_values_of_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format=form))
    audio, secret = bytes(range(20)), "of-the-crm"
    try:
        raise KeyError(secret + repr(audio))
    except KeyError:
        structlog.get_logger().exception("stream failed")
    written = capsys.readouterr().err
    assert "KeyError" in written
    assert "test_logs.py" in written
    assert secret not in written
    assert "x0c" not in written


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(level="warning"))
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    written = capsys.readouterr().err
    assert "quiet" not in written
    assert "loud" in written


def test_under_a_flood_the_first_lines_are_written_and_the_rest_counted_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    due = []
    monkeypatch.setattr(logs, "_later", lambda seconds, run: due.append((seconds, run)))
    now_s = [0.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now_s[0])
    configure(LogSettings(format="json", flood_lines=2, flood_s=10))
    structlog.contextvars.bind_contextvars(call="CA1")
    for _ in range(1236):
        structlog.get_logger().error("connection refused")
    structlog.get_logger().error("event lost")
    ((seconds, run),) = due
    now_s[0] += seconds
    run()
    structlog.contextvars.clear_contextvars()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["connection refused"] * 2 + [
        "event lost",
        "... and 1,234 more like this",
    ]
    assert (lines[-1]["like"], lines[-1]["level"], seconds) == ("connection refused", "error", 10)
    assert "call" not in lines[-1], "the count is of no call"
    assert not any(key.startswith("_") for line in lines for key in line)


def test_every_line_is_written_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json", flood_lines=0))
    for _ in range(1100):
        structlog.get_logger().warning("stall started")
    assert len(capsys.readouterr().err.splitlines()) == 1100


def test_what_is_not_said_yet_is_said_at_the_end_of_the_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_end = []
    monkeypatch.setattr(logs.atexit, "register", at_end.append)
    monkeypatch.setattr(logs, "_later", lambda *_: None)
    configure(LogSettings(format="json", flood_lines=1))
    for _ in range(3):
        structlog.get_logger().info("stopped")
    at_end[0]()
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["event"] == "... and 2 more like this"


def test_the_timer_is_a_thread_that_keeps_no_process_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Timer] = []
    monkeypatch.setattr(threading.Timer, "start", lambda timer: begun.append(timer))  # noqa: PLW0108 - binds `timer`
    logs._later(3.0, print)
    (timer,) = begun
    assert (timer.interval, timer.function, timer.daemon) == (3.0, print, True)


def test_libraries_log_in_the_same_form_and_without_what_they_quote(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json"))
    configure(LogSettings(format="json"))  # twice is once
    logging.getLogger("asyncio").error("Task exception was never retrieved: %r", "the caller's words")
    logging.getLogger("asyncio").info("not a word")
    logging.getLogger("websockets.server").error("opening handshake failed")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"]) == ("error", "asyncio")
    assert "Task exception was never retrieved" in said["event"]
    assert "caller" not in said["event"]
