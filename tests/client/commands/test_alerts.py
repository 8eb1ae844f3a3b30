"""`alerts` as whoever runs it as a service meets it: it ends in order when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, "-c", "from streamer_client.commands import main; main()"]
PATIENCE_S = 60


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_on_a_signal_and_says_nothing_of_a_failure(
    mosquitto: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "alerts", "--mqtt", mosquitto.url, "--name", "service"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        mosquitto.wait_logged("emotion-alerts-service")  # it follows
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, err
        assert out == ""
        assert "Traceback" not in err
    finally:
        process.kill()
        process.wait()
