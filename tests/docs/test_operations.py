"""The guide to operations: copies, moves and what it warns of happen as it says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.bus.database import APPLICATION_ID
from tests.conftest import Broker, collect
from tests.docs.reading import blocks, text
from tests.docs.running import STREAMER, Background, arguments, run

GUIDE = text("docs/operations.md")
NOWHERE = "mqtt://127.0.0.1:1"


@pytest.fixture
def node(ports: tuple[int, int]) -> Iterator[Callable[[Path, str], Background]]:
    """Start a node in a folder, towards a broker."""
    running: list[Background] = []
    places = ["--port", str(ports[0]), "--admin-port", str(ports[1])]

    def begin(folder: Path, broker: str) -> Background:
        running.append(Background([str(STREAMER), "serve", *places], folder, STREAMER_MQTT_URL=broker))
        running[-1].until("listening")
        return running[-1]

    yield begin
    for one in running:
        one.close()


def stop(node: Background) -> None:
    node._process.send_signal(signal.SIGTERM)
    assert node._process.wait(60) == 0, node.said


def play(folder: Path, port: int) -> None:
    line = f"streamer replay call.wav --to ws://127.0.0.1:{port} --call-id moved --speed max"
    done = run(arguments(line), folder)
    assert done.returncode == 0, done.stderr


def one_file(database: Path) -> bool:
    return not list(database.parent.glob(f"{database.name}-*"))


async def delivered(node: Any, folder: Path, broker: Broker) -> list[str]:
    """Return the ids of what a node in this folder publishes of the call when it starts."""
    async with collect(broker, "emotion/v1/default/calls/moved/#") as heard:
        running = await asyncio.to_thread(node, folder, broker.url)
        messages = await heard.until(lambda found: any(str(one.topic).endswith("/ended") for one in found))
        await asyncio.to_thread(stop, running)
    finals = [one for one in messages if str(one.topic).endswith(("/utterance", "/ended"))]
    return [json.loads(one.payload)["id"] for one in finals]


async def test_a_node_that_moves_says_what_waited_and_an_old_copy_says_it_again(
    node: Any, broker: Broker, folder: Path, ports: tuple[int, int], tmp_path: Path
) -> None:
    before = await asyncio.to_thread(node, folder, NOWHERE)
    await asyncio.to_thread(play, folder, ports[0])
    await asyncio.to_thread(stop, before)
    assert one_file(folder / "outbox.sqlite")

    elsewhere, restored = tmp_path / "elsewhere", tmp_path / "restored"
    for place in (elsewhere, restored):
        place.mkdir()
    shutil.copy(folder / "outbox.sqlite", restored)
    shutil.move(folder / "outbox.sqlite", elsewhere)

    first = await delivered(node, elsewhere, broker)
    assert len(first) > 2
    assert await delivered(node, restored, broker) == first


def test_the_state_of_alerts_is_copied_while_it_is_used_and_can_be_gone_on_with(
    start: Any, broker: Broker, folder: Path
) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("needs the program sqlite3")
    (line,) = (line for block in blocks(GUIDE, "sh") for line in block.splitlines() if line.startswith("sqlite3"))
    (folder / "rules.toml").write_text(blocks(text("docs/first-alert.md"), "toml")[0], encoding="utf-8")
    service = start("streamer alerts --rules rules.toml")
    broker.wait_logged("Sending SUBACK")
    done = subprocess.run(shlex.split(line), cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    service.close()

    for name in ("alerts.sqlite-wal", "alerts.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "alerts-copy.sqlite").replace(folder / "alerts.sqlite")
    start("streamer alerts --rules rules.toml")
    # The name of its session at the broker is in the state: the copy goes on with what the broker kept for it.
    (name,) = {*re.findall(r"Sending CONNACK to (emotion-alerts-\S+) \(0, 0\)", "\n".join(broker._output.said))}
    broker.wait_logged(rf"Sending CONNACK to {name} \(1, 0\)")


def test_a_file_of_a_newer_schema_is_refused_and_left_as_it_is(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "outbox.sqlite")) as file:
        file.executescript(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99; CREATE TABLE later (x)"
        )
    before = (folder / "outbox.sqlite").read_bytes()
    done = run(arguments("streamer serve --port 0 --admin-port 0"), folder, STREAMER_MQTT_URL=NOWHERE)
    assert done.returncode == 1
    assert "schema version 99" in done.stderr
    assert (folder / "outbox.sqlite").read_bytes() == before


def test_the_check_before_an_upgrade_changes_nothing(folder: Path, broker: Broker) -> None:
    (line,) = re.findall(r"^ *(streamer check .*)$", GUIDE, re.MULTILINE)
    (folder / "streamer.toml").write_text(f'node = "node-1"\n[mqtt]\nurl = "{broker.url}"\n', encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = run(arguments(line), folder)
    assert done.returncode == 0, done.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
