"""How fast an archive is analysed, and that a run that was killed is gone on with exactly.

Method: an archive of `--calls` recordings is made from the call that ships with the package, no two alike: turned round
in time by a random offset, louder or softer, as WAV (linear, mu-law, GSM), FLAC, MP3, Opus, and as pairs of files;
where espeak-ng is there, every fifth customer is its voice. `streamer analyse --report` runs over it with one process
for each core and is killed with SIGKILL, workers and all, when half is in its journal; then the same command with
`--resume` runs to its end. Times real time per core is the audio divided by the time on the wall, both runs and
everything in them (starting, loading the model, report), and by the number of processes. Checked: each call is in the
tables once, no event has the id of another, and the second run analysed what the journal did not have and no more.

The stages are measured in this process on the call as it ships, in CPU time per second of audio, the least of five
rounds, each stage as the difference to the one before.

    python -m benchmarks.archive --calls 1000 --workers 2 --result benchmarks/results/archive.md

`--engine ray` compares Ray with the processes of one machine instead: see `archive_engines.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from streamer_client.alerts.rules import default_rules
from streamer_client.dialects import native
from streamer_client.events import CallRef
from streamer_client.recording import open_recording
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import NOTHING

from benchmarks.archive_engines import compared
from streamer.archive.analysis import BLOCK_MS, Analyst, Job
from streamer.archive.command import JOURNAL
from streamer.archive.pool import cores
from streamer.archive.report import write_report
from streamer.archive.results import with_alerts
from streamer.archive.ways import Ways
from streamer.call import Call, Identity
from streamer.config import EmotionSettings, Settings
from streamer.emotion.model import load, locate
from streamer.leg import warm_up
from streamer.wire.events import Start
from streamer.wire.native import Native

DEMO = Path(__file__).parent.parent / "streamer" / "demo" / "call.flac"
STREAMER = Path(sys.executable).with_name("streamer")
FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    ("wav", {"subtype": "PCM_16"}),
    ("wav", {"subtype": "ULAW"}),
    ("flac", {}),
    ("wav", {"format": "WAV", "subtype": "GSM610"}),
    ("mp3", {}),
    ("opus", {"format": "OGG", "subtype": "OPUS"}),
)
LINES = (
    "Good morning. I am calling about my invoice, which is wrong again.",
    "No, that is not what I was told last week, and I have been waiting for half an hour.",
    "Thank you, that is very kind of you. Have a nice day.",
)
ROUNDS = 5
WANTED = 300
Samples = NDArray[np.int16]


def voice(folder: Path) -> Samples | None:
    """Return what espeak-ng says, int16[frames] at 8 kHz, with pauses; None where there is none."""
    program = shutil.which("espeak-ng")
    if program is None:
        return None
    pieces = []
    for number, line in enumerate(LINES):
        path = folder / f"{number}.wav"
        subprocess.run([program, "-w", path, "-p", str(30 + 20 * number), line], check=True)
        rate_hz = open_recording(path).wire_rate_hz
        assert rate_hz == 16000, rate_hz  # espeak-ng writes 22050 Hz, which is resampled
        pieces += [block.samples[:, 0] for block in open_recording(path).blocks(1000, 8000)]
        pieces.append(np.zeros(16000, np.int16))
    return np.concatenate(pieces)


def make(folder: Path, calls: int) -> float:
    """Write the archive; return how much audio it is, in seconds."""
    whole, rate_hz = soundfile.read(DEMO, dtype="int16", always_2d=True)
    with tempfile.TemporaryDirectory() as spoken:
        other = voice(Path(spoken))
    draw = np.random.default_rng(6)
    for n in range(calls):
        samples = np.roll(whole, int(draw.integers(len(whole))), axis=0).astype(np.float32) * draw.uniform(0.3, 1.2)
        if other is not None and n % 5 == 4:
            samples[:, 0] = np.resize(other, len(samples)) * draw.uniform(0.3, 0.9)
        ready = np.clip(samples, -32768, 32767).astype(np.int16)
        ending, how = FORMS[n % len(FORMS)]
        if how.get("subtype") == "GSM610" or n % 10 == 9:  # GSM has one channel
            for channel, party in enumerate(("caller", "agent")):
                soundfile.write(folder / f"call-{n:04}_{party}.{ending}", ready[:, channel], rate_hz, **how)
        else:
            soundfile.write(folder / f"call-{n:04}.{ending}", ready, rate_hz, **how)
    return calls * len(whole) / rate_hz


def kept(journal: Path) -> int:
    """Return how many calls a journal holds."""
    if not journal.exists():
        return 0
    with closing(sqlite3.connect(journal, timeout=5)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM recordings").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # it is being made


def killed_midway(command: list[str | Path], journal: Path, calls: int) -> float:
    """Run until half is done, kill everything; return how long it ran, in seconds."""
    began_s = time.monotonic()
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while kept(journal) < calls // 2:
        assert process.poll() is None, "it ended before it was killed; make the archive larger"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return time.monotonic() - began_s


def check(out: Path, calls: int) -> int:
    """Prove that each call is there once; return how many events there are."""
    with (out / "calls.csv").open(encoding="utf-8", newline="") as file:
        parties = Counter(row["call_id"] for row in csv.DictReader(file))
    assert len(parties) == calls, f"{len(parties)} of {calls} calls"
    assert set(parties.values()) == {2}, "a call is there more than once"
    with (out / "events.jsonl").open(encoding="utf-8") as file:
        ids = [json.loads(line)["id"] for line in file]
    assert len(set(ids)) == len(ids), "an event is there twice"
    assert len(list((out / "calls").iterdir())) == calls
    return len(ids)


def stages() -> list[tuple[str, float]]:
    """Return what the stages cost, in CPU ms per second of audio."""
    model = load(locate("telephone"))
    warm_up(model)
    recording = open_recording(DEMO)
    seconds = recording.duration_ms / 1000
    nobody = Settings(node="any", emotion=EmotionSettings(analyse=()))
    usual = Settings(node="any")
    ways = Ways.of(usual, model.card, notice=False, roles=None)
    analyst = Analyst(usual, model, ways, None)
    job = Job(Source((DEMO,), "call"), "call", NOTHING)
    result = analyst.analyse(job)

    def read() -> None:
        for _ in recording.blocks(BLOCK_MS):
            pass

    def heard(settings: Settings) -> None:
        dialect = Native()
        (start,) = dialect.receive(
            native.start(call_id="call", roles=("customer", "agent"), rate_hz=recording.wire_rate_hz, speed=None)
        )
        assert isinstance(start, Start)
        identity = Identity(call=CallRef(id="call"), session_id="any", source="/archive")
        call = Call(start, identity, settings=settings, model=model, now_s=0.0)
        for block in recording.blocks(BLOCK_MS):
            for event in dialect.receive(native.audio(block.samples, native.Encoding.PCM_S16LE)):
                call.receive(event, 0.0)
        call.finish()

    def reported() -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_report(Path(folder), [with_alerts(result, default_rules())], ways, failed=0)

    def cost(work: Callable[[], object]) -> float:
        def once() -> float:
            began_s = time.process_time()
            work()
            return time.process_time() - began_s

        return min(once() for _ in range(ROUNDS)) * 1000 / seconds

    reading, turns, features = cost(read), cost(lambda: heard(nobody)), cost(lambda: heard(usual))
    everything, report = cost(lambda: analyst.analyse(job)), cost(reported)
    return [
        ("read and decode (FLAC, two channels)", reading),
        ("both legs: mu-law, VAD, segmenter, activity", turns - reading),
        ("log-mel of the customer's speech", features - turns),
        ("model, levels, digest, events", everything - features),
        ("page and tables", report),
        ("all", everything + report),
    ]


def measured(calls: int, workers: int) -> Iterator[str]:
    """Do all that the method says; yield the lines of the table."""
    with tempfile.TemporaryDirectory() as folder:
        archive, out = Path(folder) / "archive", Path(folder) / "out"
        archive.mkdir()
        audio_s = make(archive, calls)
        command: list[str | Path] = [STREAMER, "analyse", archive, "--report", out, "--workers", str(workers)]
        first_s = killed_midway(command, out / JOURNAL, calls)
        before = kept(out / JOURNAL)
        began_s = time.monotonic()
        done = subprocess.run([*command, "--resume"], stderr=subprocess.PIPE, text=True, check=True)
        second_s = time.monotonic() - began_s
        again = re.search(r"(\d+) of (\d+) analysed", done.stderr.splitlines()[-2])
        assert again is not None, done.stderr
        assert int(again[1]) + before == calls, f"{again[1]} analysed after {before} of {calls}"
        events = check(out, calls)
        core_s = (first_s + second_s) * workers
        yield "| what | figure |"
        yield "|---|---|"
        yield f"| recordings | {calls}, {audio_s / 3600:.1f} h of audio, two parties each, the customer analysed |"
        yield f"| processes | {workers} |"
        yield f"| killed with SIGKILL | after {first_s:.0f} s, {before} calls in the journal |"
        yield f"| gone on with | {second_s:.0f} s, {again[1]} analysed, the report written |"
        yield f"| missing, repeated | 0, 0 of {calls} calls and {events} events |"
        yield f"| times real time per core, both runs and all in them | {audio_s / core_s:.0f} (wanted: {WANTED}) |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="how fast an archive is analysed")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--engine", choices=("processes", "ray"), default="processes")
    parser.add_argument("--rounds", type=int, default=3, help="of --engine ray")
    parser.add_argument("--result", type=Path, help="also write what is printed to this file")
    asked = parser.parse_args()
    lines = engines(asked.calls, asked.rounds) if asked.engine == "ray" else alone(asked.calls, asked.workers)
    print("\n".join(lines))
    if asked.result:
        asked.result.write_text("\n".join([*lines, ""]), encoding="utf-8")


def engines(calls: int, rounds: int) -> list[str]:
    """Return what comparing the engines gives."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        archive.mkdir()
        audio_s = make(archive, calls)
        head = "Written by `python -m benchmarks.archive --engine ray`; the method stands at the top of"
        return [
            "# What the benchmark of engines printed",
            "",
            f"{head} [`archive_engines.py`](../archive_engines.py).",
            "",
            *compared(archive, calls, audio_s, rounds),
        ]


def alone(calls: int, workers: int) -> list[str]:
    """Return what a killed run, and the stages, give."""
    lines = ["# What the benchmark of archives printed", ""]
    lines.append(
        "Written by `python -m benchmarks.archive`; the method stands at the top of [`archive.py`](../archive.py)."
    )
    lines += ["", *measured(calls, workers), "", "| stage | CPU ms per second of audio |", "|---|---|"]
    costs = stages()
    lines += [f"| {name} | {ms:.2f} |" for name, ms in costs]
    all_ms = costs[-1][1]
    lines += [
        "",
        f"{all_ms:.2f} ms of CPU for a second of audio are {1000 / all_ms:.0f} times real time in one process.",
    ]
    return lines


if __name__ == "__main__":
    main()
