"""The log: one line an event, in the form that was asked for."""

from __future__ import annotations

import json

import pytest
import structlog

from streamer.config import LogSettings
from streamer.logs import configure


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


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(level="warning"))
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    written = capsys.readouterr().err
    assert "quiet" not in written
    assert "loud" in written
