"""The examples of the Python client, each run as its reader would run it: real broker, real receiver, real Ctrl-C."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from streamer_client.events import Severity, encode

EXAMPLES = Path(__file__).parents[2] / "clients/python/examples"
TRIED = {"webhook.py", "csv_log.py", "crm_note.py", "wallboard.py", "report.py"}


class Receiver:
    """A web server that remembers what it was sent, and answers as it is told."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.heard: list[tuple[str, str, str, Any]] = []
        """Method, path, authorization and body."""
        self.answers: list[int] = []
        """Status of the next answers; 200 when there is none left."""
        self.changed = threading.Condition()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self.changed:
            self.heard.append((request.command, request.path, request.headers.get("Authorization", ""), body))
            status = self.answers.pop(0) if self.answers else 200
            self.changed.notify_all()
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def holds(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.heard) >= count


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            there.take(self)

        do_PATCH = do_POST  # noqa: N815 - the name that the library looks for

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Receiver(server.server_address[1])
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield there
        server.shutdown()
        serving.join()


@asynccontextmanager
async def running(
    folder: Path, example: str, *arguments: str, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an example until the block is left, then press Ctrl-C; it must take that in good part."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / example),
        *arguments,
        cwd=folder,
        env=os.environ
        | {"CRM_TOKEN": "of-the-crm", "PYTHONUNBUFFERED": "1", "COLUMNS": "120", "LINES": "40"}
        | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def say_until(enough: Callable[[], bool], broker: Any, *messages: tuple[str, Any]) -> None:
    """Publish again and again, for nobody says when an example listens; each event counts once all the same."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        while not enough():
            for topic, event in messages:
                await client.publish(f"emotion/v1/default/{topic}", encode(event), qos=1)
            await asyncio.sleep(0.05)


async def test_the_webhook_posts_serious_alerts_and_goes_on_when_one_is_refused(
    mosquitto: Any, make: Any, receiver: Receiver, tmp_path: Path
) -> None:
    alerts = (make.alert("CA0", Severity.INFO), make.alert("CA1"), make.alert("CA2", Severity.WARNING))
    receiver.answers = [500]
    async with running(tmp_path, "webhook.py", mosquitto.url, receiver.url + "/hook") as process:
        said = [(f"alerts/{alert.data.severity.value}", alert) for alert in alerts]
        await say_until(receiver.holds(2), mosquitto, *said)
    (method, path, _, first), (*_, second) = receiver.heard
    assert (method, path) == ("POST", "/hook")
    assert first["text"] == ":rotating_light: *angry-customer* in call `CA1` (customer): Listen in."
    assert second["text"].startswith(":warning: *angry-customer* in call `CA2`")
    assert process.stderr is not None
    assert b"not posted: :rotating_light:" in await process.stderr.read()


async def test_the_csv_log_has_a_line_for_each_certain_verdict(mosquitto: Any, make: Any, tmp_path: Path) -> None:
    log = tmp_path / "emotions.csv"
    where = "calls/CA1/customer/utterance"
    events = [(where, make.utterance(1)), (where, make.utterance(2, uncertain=True)), (where, make.utterance(3))]
    for n in (1, 2):  # the second run goes on in the same file
        async with running(tmp_path, "csv_log.py", mosquitto.url, str(log)):
            lines = 2 * n + 1
            await say_until(lambda: log.exists() and log.read_text().count("\n") >= lines, mosquitto, *events)  # noqa: B023
    with log.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["time", "call", "role", "start_ms", "end_ms", "emotion", "confidence"]
    assert rows == [["2026-11-22T10:15:04.210Z", "CA1", "customer", "1000", "3000", "angry", "0.8"]] * 4


@pytest.mark.parametrize("text", ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_call_id_becomes_a_formula_in_the_spreadsheet(text: str) -> None:
    cell = runpy.run_path(str(EXAMPLES / "csv_log.py"))["cell"]
    assert cell(text) == "'" + text
    assert cell("CA1") == "CA1"


def test_the_csv_log_says_how_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "csv_log.py")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("usage: python ")
    assert "mqtt://127.0.0.1:1883 emotions.csv" in done.stderr


async def test_the_crm_gets_one_note_per_call(mosquitto: Any, make: Any, receiver: Receiver, tmp_path: Path) -> None:
    ended = [(f"calls/{call}/ended", make.ended(call)) for call in ("CA1", "CA2")]
    async with running(tmp_path, "crm_note.py", mosquitto.url, receiver.url + "/api/calls"):
        await say_until(receiver.holds(2), mosquitto, *ended)
    assert sorted(path for _, path, *_ in receiver.heard) == ["/api/calls/CA1", "/api/calls/CA2"]
    method, _, credentials, body = receiver.heard[0]
    assert (method, credentials) == ("PATCH", "Bearer of-the-crm")
    assert body["note"].startswith("Call of 245 s. The customer spoke 61 s; sounded angry 2x, neutral 1x.")


async def test_the_wallboard_shows_live_calls_and_open_alerts(mosquitto: Any, make: Any, tmp_path: Path) -> None:
    shown = bytearray()

    async def read(process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(65536):
            shown.extend(data)

    begun = [
        ("calls/CA1/state", make.state()),
        ("calls/CA2/state", make.state("CA2")),
        ("calls/CA1/customer/utterance", make.utterance()),
        ("alerts/critical", make.alert()),
    ]
    over = [("calls/CA2/ended", make.ended("CA2")), ("acknowledgements", make.acknowledgement())]
    async with running(tmp_path, "wallboard.py", mosquitto.url, FORCE_COLOR="1") as process:  # as on a terminal
        reading = asyncio.create_task(read(process))
        await say_until(lambda: b"2 live, 1 open alerts" in shown and b"Listen in." in shown, mosquitto, *begun)
        await say_until(lambda: b"1 live, 0 open alerts" in shown, mosquitto, *over)
    await reading
    assert b"angry" in shown


async def test_the_report_counts_a_recorded_day(make: Any, tmp_path: Path) -> None:
    events = [
        make.utterance(1, top="neutral"),
        make.utterance(2),
        make.utterance(3, uncertain=True),
        make.alert(),
        make.ended(),
    ]
    (tmp_path / "day.jsonl").write_bytes(b"".join(encode(event) + b"\n" for event in events))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "report.py"), "day.jsonl", cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    lines = out.decode().splitlines()
    assert lines[0] == "3 utterances, 2 with a certain verdict"
    assert lines[-1] == "1 calls ended, 1 alerts, mean 245 s"
    with (tmp_path / "calls.csv").open(newline="") as file:
        (call,) = csv.DictReader(file)
    assert (call["call_id"], call["said_angry"], call["customer_talk_ms"]) == ("CA1", "2", "61000")


def test_every_example_is_tried_here_and_read_in_a_minute() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == TRIED
    long = [path.name for path in EXAMPLES.glob("*.py") if len(path.read_text(encoding="utf-8").splitlines()) > 70]
    assert long == []
