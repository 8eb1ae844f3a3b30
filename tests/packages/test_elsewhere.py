"""Nothing needs Linux except what says so: what is imported, and the program without what only Linux has."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.docs.running import environment
from tests.packages import elsewhere
from tests.packages.building import ROOT, Running
from tests.packages.guards import unguarded

PROGRAM = [sys.executable, "-P", str(Path(elsewhere.__file__))]
SOURCES = sorted([*(ROOT / "streamer").rglob("*.py"), *(ROOT / "clients/python/streamer_client").rglob("*.py")])
LINUX_ONLY = {
    "streamer/workers": "several processes on one port; workers/system.py refuses them in words where they cannot be",
}
"""Folders that may use it all, and why."""


def may_be_missing(file: Path) -> bool:
    return any(str(file.relative_to(ROOT)).startswith(f"{folder}/") for folder in LINUX_ONLY)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["fcntl"]),
        ("from resource import getrlimit", ["resource"]),
        ("try:\n    import uvloop\nexcept ImportError:\n    pass", []),
        ("try:\n    import uvloop\nexcept OSError:\n    pass", ["uvloop"]),
        ("try:\n    pass\nexcept ImportError:\n    import uvloop", ["uvloop"]),
        ("import signal\nprint(signal.SIGHUP)", ["signal.SIGHUP"]),
        ("if hasattr(signal, 'SIGHUP'):\n    print(signal.SIGHUP)", []),
        ("n = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1", []),
        ("loop.add_signal_handler(2, f)", ["add_signal_handler"]),
        ("print(signal.SIGTERM, os.name)", []),
    ],
)
def test_the_test_sees_what_is_not_guarded(source: str, found: list[str]) -> None:
    assert unguarded(source) == found


@pytest.mark.parametrize("file", [one for one in SOURCES if not may_be_missing(one)], ids=lambda one: one.stem)
def test_no_module_uses_what_only_linux_has_without_a_way_around_it(file: Path) -> None:
    assert unguarded(file.read_text(encoding="utf-8")) == []


def test_what_is_said_to_need_linux_does_and_nothing_else_imports_it_at_once() -> None:
    for folder in LINUX_ONLY:
        assert any(unguarded(file.read_text(encoding="utf-8")) for file in (ROOT / folder).glob("*.py"))
    asked = "import sys, streamer.server, streamer.cli, streamer.checks, streamer.archive.command, streamer.demo.show"
    done = subprocess.run(
        [sys.executable, "-c", f"{asked}\nprint(*sys.modules)"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not [name for name in done.stdout.split() if name.startswith("streamer.workers.")]


@contextmanager
def started(folder: Path, *arguments: str, **variables: str) -> Iterator[Running]:
    running = Running([*PROGRAM, *arguments], folder, **variables)
    try:
        yield running
    finally:
        running.close()


def to_the_end(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_whole_call_without_anything_that_only_linux_has(
    mosquitto: Any, collecting: Callable[..., Any], tmp_path: Path
) -> None:
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    soundfile.write(tmp_path / "call.wav", samples[: 20 * rate_hz], rate_hz)
    serving = ["serve", "--port", "0", "--admin-port", "0", "--mqtt", mqtt_url(mosquitto)]
    async with collecting(mosquitto, "emotion/v1/default/calls/#") as heard:
        with started(tmp_path, *serving, STREAMER_LOG_FORMAT="json") as server:
            listening = await asyncio.to_thread(server.until, '"listening"')
            port = listening.partition('"url": "ws://127.0.0.1:')[2].partition("/")[0].partition('"')[0]
            played = await asyncio.to_thread(
                to_the_end, tmp_path, "replay", "call.wav", "--to", f"ws://127.0.0.1:{port}", "--speed", "max"
            )
            assert played.returncode == 0, played.stderr
            await heard.until(lambda messages: any(str(message.topic).endswith("/ended") for message in messages))
            assert any(str(message.topic).endswith("/utterance") for message in heard.messages)
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.ended) == 0


def mqtt_url(broker: Any) -> str:
    return str(broker.url)


def test_recordings_are_analysed_by_several_processes(tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, samples[: 10 * rate_hz], rate_hz)
    done = to_the_end(tmp_path, "analyse", "a.wav", "b.wav", "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("emotion-streamer.ended.v1") == 2


def test_check_has_an_answer_and_several_workers_are_refused_in_words(tmp_path: Path) -> None:
    checked = to_the_end(tmp_path, "check")
    assert "ok     files: inf" in checked.stdout
    assert "Traceback" not in checked.stderr
    refused = to_the_end(tmp_path, "serve", "--workers", "2")
    assert refused.returncode == 1
    assert refused.stderr.startswith("streamer: server.workers: several processes on one port need ")
    assert refused.stderr.count("\n") == 1


def test_the_commands_of_the_client_end_on_ctrl_c(mosquitto: Any, tmp_path: Path) -> None:
    with started(tmp_path, "watch", "--json", "--mqtt", mqtt_url(mosquitto)) as watching:
        mosquitto.wait_logged("Sending SUBACK")
        watching.signal(signal.SIGINT)
        assert watching.ended() == 130
    with started(tmp_path, "dashboard", "--port", "0", "--mqtt", mqtt_url(mosquitto)) as page:
        page.until("dashboard at http")
        page.signal(signal.SIGTERM)
        assert page.ended() == 0


def test_this_machine_has_what_is_taken_away_so_that_taking_it_away_means_something() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has it all")
    assert all(hasattr(place, name) for place, names in elsewhere.NAMES.items() for name in names)
    assert os.supports_effective_ids
