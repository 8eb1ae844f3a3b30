"""`streamer analyse` as a user runs it: equal to a live call, killed and gone on with, interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.end_to_end.running import STREAMER, Node, environment, streamer
from tests.end_to_end.sounds import DEMO, RATE_HZ, demo_call

WITHOUT = ("call", "latency")
CALLS = 8


def essence(event: dict[str, Any]) -> dict[str, Any]:
    """Return all that is said of an utterance but of whose call it is and how long it took."""
    return {name: value for name, value in event["data"].items() if name not in WITHOUT}


def utterances(printed: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in printed.splitlines()]
    return [event for event in events if event["type"] == "emotion-streamer.utterance.v1"]


def test_an_analysis_gives_what_a_replay_to_a_real_server_gives_bit_for_bit(node: Node, tmp_path: Path) -> None:
    replayed = streamer("analyse", str(DEMO), "--json", "-q", folder=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    program = (
        "import asyncio, sys\nfrom streamer_client import replay\nfrom streamer_client.events import encode\n"
        "asyncio.run(replay([sys.argv[1]], to=sys.argv[2], speed=None, call_id='archived-live',\n"
        "                   on_event=lambda event: print(encode(event).decode())))\n"
    )
    live = subprocess.run(
        [STREAMER.with_name("python"), "-c", program, str(DEMO), node.url],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    offline, online = utterances(replayed.stdout), utterances(live.stdout)
    assert len(online) == 7
    assert [essence(event) for event in offline] == [essence(event) for event in online]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Eight short calls, of different loudness."""
    folder = tmp_path / "archive"
    folder.mkdir()
    sentence = demo_call()[: 6 * RATE_HZ]
    for n in range(CALLS):
        soundfile.write(folder / f"call-{n:02}.flac", (sentence * (0.3 + n / 12)).astype("int16"), RATE_HZ)
    return folder


def begun(archive: Path, out: Path) -> subprocess.Popen[str]:
    """Start an analysis that cannot end by itself, for a pipe is among the recordings; return at its first result."""
    pipe = archive.parent / "pipe.wav"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [STREAMER, "analyse", archive, pipe, "--report", out, "--workers", "2", "--json"],
        cwd=archive.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def calls(out: Path) -> list[str]:
    return [line.split(",")[0] for line in (out / "calls.csv").read_text(encoding="utf-8").splitlines()[1:]]


def test_killed_midway_and_gone_on_with_nothing_is_missing_or_repeated(archive: Path, tmp_path: Path) -> None:
    process = begun(archive, tmp_path / "out")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    resumed = streamer("analyse", archive, "--report", tmp_path / "out", "--resume", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "done before and not analysed again" in resumed.stderr
    assert sorted(calls(tmp_path / "out")) == sorted(f"call-{n:02}" for n in range(CALLS) for _ in range(2))

    whole = streamer("analyse", archive, "--report", tmp_path / "whole", "-q", folder=tmp_path)
    assert (whole.returncode, whole.stderr) == (0, "")
    for name in ("events.jsonl", "calls.csv", "utterances.csv", "alerts.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_its_user_it_says_how_to_go_on(archive: Path, tmp_path: Path, number: signal.Signals) -> None:
    process = begun(archive, tmp_path / "out")
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "go on with the same command and --resume" in err
    assert "Traceback" not in err
    assert streamer("analyse", archive, "--report", tmp_path / "out", "--resume", folder=tmp_path).returncode == 0
    assert len(calls(tmp_path / "out")) == 2 * CALLS


def test_whose_emotions_are_named_needs_the_ground_that_serve_needs(archive: Path, tmp_path: Path) -> None:
    refused = streamer("analyse", archive, "--analyse", "customer,agent", folder=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("streamer: emotion.analyse: names agent")
    assert refused.stdout == ""


def test_one_bad_recording_makes_the_exit_status_and_stops_none(archive: Path, tmp_path: Path) -> None:
    (archive / "bad.wav").write_bytes(b"no audio")
    done = streamer("analyse", archive, "nowhere", "--report", tmp_path / "out", "-q", folder=tmp_path)
    assert done.returncode == 1
    assert len(calls(tmp_path / "out")) == 2 * CALLS
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("streamer: ") for line in lines)
