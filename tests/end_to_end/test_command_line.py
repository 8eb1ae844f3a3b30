"""`replay`, `watch` and `demo`, typed as a person types them."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
import soundfile

from tests.conformance.contract import wrong_with
from tests.conftest import Broker, collect
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import STREAMER, Node, environment, streamer
from tests.end_to_end.sounds import RATE_HZ, Samples, resampled
from tests.end_to_end.speaking import Outcome, essence, native_call
from tests.processes import PATIENCE_S

THE_MODEL_KNOWS_ANGER = True
"""Whether the default model is good enough to raise the angry-customer alert on the shipped call."""


@pytest.fixture
def folder(tmp_path: Path, sentence: Samples) -> Path:
    """A folder with one sentence as every kind of file."""
    soundfile.write(tmp_path / "stereo.wav", sentence, RATE_HZ)
    soundfile.write(tmp_path / "mono.wav", sentence[:, 0], RATE_HZ)
    soundfile.write(tmp_path / "stereo.flac", sentence, RATE_HZ)
    soundfile.write(tmp_path / "mulaw.wav", sentence, RATE_HZ, subtype="ULAW")
    soundfile.write(tmp_path / "wide.wav", resampled(sentence, 48_000), 48_000)
    (tmp_path / "text.wav").write_text("no audio", encoding="utf-8")
    return tmp_path


def replay(node: Node, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Replay as fast as possible to the node."""
    return streamer("replay", *arguments, "--to", node.url, "--speed", "max", folder=folder)


class TestReplay:
    """Recordings as live calls."""

    @pytest.mark.parametrize("name", ["stereo.wav", "mono.wav", "stereo.flac", "mulaw.wav", "wide.wav"])
    async def test_every_kind_of_file(self, node: Node, broker: Broker, folder: Path, name: str) -> None:
        call = f"replay-{name}"
        async with listening(broker, call) as bus:
            done = await asyncio.to_thread(replay, node, folder, name, "--call-id", call)
            await bus.ended()
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
        assert len(bus.events("utterance")) == 1
        assert bus.events("utterance")[0]["data"]["speaker"]["role"] == "customer"
        assert bus.events("utterance")[0]["data"]["emotion"]["top"] in done.stdout

    async def test_the_call_is_named_after_the_file_and_roles_can_change_places(
        self, node: Node, broker: Broker, folder: Path
    ) -> None:
        (folder / "stereo.wav").rename(folder / "named-after-me.wav")
        async with listening(broker, "named-after-me") as bus:
            await asyncio.to_thread(replay, node, folder, "named-after-me.wav", "--roles", "agent,customer")
            summary = await bus.ended()
        assert [speaker["role"] for speaker in summary["data"]["speakers"]] == ["agent", "customer"]

    async def test_several_files_are_several_calls(self, node: Node, broker: Broker, folder: Path) -> None:
        async with listening(broker, "+") as bus:
            done = await asyncio.to_thread(replay, node, folder, "mono.wav", "stereo.flac")
            await bus.until(lambda: len(bus.events("ended")) >= 2)
        assert done.returncode == 0
        assert {event["data"]["call"]["id"] for event in bus.events("ended")} >= {"mono", "stereo"}

    async def test_one_bad_file_among_several_fails_and_is_named_while_the_others_are_played(
        self, node: Node, broker: Broker, folder: Path
    ) -> None:
        async with listening(broker, "+") as bus:
            done = await asyncio.to_thread(replay, node, folder, "text.wav", "mono.wav", "--quiet")
            if "mono" not in done.stderr:
                await bus.until(lambda: bool(bus.events("ended")))
        assert done.returncode == 1
        assert "text.wav" in done.stderr
        assert "Traceback" not in done.stderr

    def test_quiet_prints_nothing(self, node: Node, folder: Path) -> None:
        done = replay(node, folder, "mono.wav", "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    async def test_as_twilio_it_is_the_same_call(
        self, node: Node, broker: Broker, folder: Path, verdict: dict[str, object]
    ) -> None:
        async with listening(broker, "as-twilio") as bus:
            done = await asyncio.to_thread(
                streamer,
                *("replay", "stereo.wav", "--dialect", "twilio", "--to", node.twilio_url, "--speed", "max"),
                *("--call-id", "as-twilio"),
                folder=folder,
            )
            await bus.ended()
        assert done.returncode == 0
        assert [essence(event) for event in bus.events("utterance")] == [verdict]
        assert bus.events("utterance")[0]["data"]["call"]["dialect"] == "twilio"

    def test_a_refusal_of_the_server_is_one_line(self, node: Node, folder: Path) -> None:
        wrong_path = f"ws://127.0.0.1:{node.port}/v1/nothing"
        done = streamer("replay", "mono.wav", "--quiet", "--to", wrong_path, folder=folder)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "404" in done.stderr or "nothing at" in done.stderr


KINDS = "state,utterance,ended"


def following(*arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a command that goes on until it is stopped, in the folder where it leaves its files, if any."""
    pipe = subprocess.PIPE
    return subprocess.Popen([STREAMER, *arguments], env=environment(), cwd=folder, stdout=pipe, stderr=pipe, text=True)


async def test_watch_prints_one_cloudevent_a_line(
    node: Node, broker: Broker, folder: Path, verdict: dict[str, object]
) -> None:
    with following("watch", "--mqtt", broker.url, "--json", "--call", "watched", "--kinds", KINDS) as watching:
        try:
            await asyncio.to_thread(broker.wait_logged, "calls/watched/ended")  # the last of its subscriptions
            done = await asyncio.to_thread(replay, node, folder, "stereo.wav", "--call-id", "watched", "--quiet")
            assert watching.stdout is not None
            lines = [await asyncio.to_thread(watching.stdout.readline) for _ in range(3)]
            watching.send_signal(signal.SIGINT)
            rest, errors = await asyncio.to_thread(watching.communicate, timeout=PATIENCE_S)
        finally:
            watching.kill()
    events = [json.loads(line) for line in lines]
    kinds = [event["type"].split(".")[1] for event in events]
    assert done.returncode == 0
    assert kinds == ["state", "utterance", "ended"]
    assert [wrong_with(event, kind) for event, kind in zip(events, kinds, strict=True)] == [[], [], []]
    assert essence(events[1]) == verdict
    assert (watching.returncode, rest, errors) == (130, "", "")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What a newcomer sees first, played fast."""
    return streamer("demo", "--speed", "max", folder=tmp_path_factory.mktemp("demo"))


def test_the_demo_ends_well(demo: subprocess.CompletedProcess[str]) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")


def test_the_demo_prints_every_utterance(demo: subprocess.CompletedProcess[str], reference: Outcome) -> None:
    printed = [line for line in demo.stdout.splitlines() if re.search(r"demo +customer +\d:", line)]
    assert len(printed) == len(reference.utterances)
    for line, said in zip(printed, reference.utterances, strict=True):
        assert said["top"] in line


def test_the_demo_prints_the_alert_of_the_angry_customer(demo: subprocess.CompletedProcess[str]) -> None:
    assert ("angry-customer" in demo.stdout) == THE_MODEL_KNOWS_ANGER


async def test_the_alert_stands_on_the_bus_with_the_utterances_behind_it(  # noqa: PLR0917 - fixtures
    node: Node, broker: Broker, recording: Samples, reference: Outcome, call_id: str, tmp_path: Path
) -> None:
    angry = [said for said in reference.utterances if said["top"] == "angry" and not said["uncertain"]]
    with following("alerts", "--mqtt", broker.url, folder=tmp_path) as alerts:
        try:
            await asyncio.to_thread(broker.wait_logged, r"emotion-alerts-\w+/fence \(QoS")  # its last subscription
            async with collect(broker, "emotion/v1/default/alerts/#") as heard, listening(broker, call_id) as bus:
                await native_call(node.url, recording, call_id=call_id)
                await bus.ended()
                await heard.count(int(len(angry) >= 2 and THE_MODEL_KNOWS_ANGER))
        finally:
            alerts.kill()
    said = {event["id"] for event in bus.events("utterance")}
    for message in heard.messages:
        alert = json.loads(message.payload)
        assert wrong_with(alert, "alert") == []
        assert set(alert["data"]["utterances"]) <= said
        assert str(message.topic) == f"emotion/v1/default/alerts/{alert['data']['severity']}"
        assert (message.qos, message.retain) == (1, False)
