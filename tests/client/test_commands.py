"""The commands as a person meets them: what is printed where, and the exit code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from streamer_client.commands import app, run_app
from streamer_client.commands.options import listed
from streamer_client.commands.replay import Ticker, failures, summary
from streamer_client.errors import ClientError, OptionError
from streamer_client.events import encode
from streamer_client.replay import Progress, Replayed

WHERE = "emotion/v1/default/calls/CA1/customer/utterance"
PROGRAM = [sys.executable, "-c", "from streamer_client.commands import main; main()"]


async def run(*arguments: object) -> int:
    """Run a command beside the test's own servers."""
    return await asyncio.to_thread(run_app, app, "streamer-client", [str(argument) for argument in arguments])


def wrong(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Return exit code and the one line that a command ends with."""
    code = run_app(app, "streamer-client", [str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("streamer-client: ")
    return code, said.err.strip()


@pytest.mark.parametrize("command", ["replay", "watch", "alerts"])
def test_every_command_has_help_with_examples(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, "streamer-client", [command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert re.search(rf"^ +streamer-client {command} ", text, re.MULTILINE)
    assert "\b" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "Missing command; see `streamer-client --help`"),
        (["replay"], 2, "Missing argument 'FILE...'; see `streamer-client replay --help`"),
        (["replay", "nowhere.wav"], 1, "there is no file nowhere.wav"),
        (["replay", "nowhere.wav", "--dialect", "morse"], 2, "unknown dialect 'morse'; choose from native, twilio"),
        (["replay", "nowhere.wav", "--chunk", "20..30"], 2, "got a chunk of '20..30'; give milliseconds like 20"),
        (["replay", "nowhere.wav", "--pause", "5"], 2, "got --pause '5'; give AT:SECONDS, for example 12.5:3"),
        (["replay", "nowhere.wav", "--stall", "5:0"], 2, "got a stall of 0 s at 5 s; give a time from 0 on"),
        (["replay", "nowhere.wav", "--loss", "200"], 2, "got 200 % of loss; give 0 to 100"),
        (["replay", "nowhere.wav", "--jitter", "50", "--speed", "max"], 2, "at full speed there is no clock"),
        (["replay", "nowhere.wav", "--reorder", "5"], 2, "messages of native do not say where they belong"),
        (["replay", "nowhere.wav", "--dialect", "audiosocket", "--to", "ws://h"], 2, "as in tcp://127.0.0.1:8766"),
        (["replay", "nowhere.wav", "--pair", "x"], 2, "got --pair 'x'; give ROLE=PATTERN"),
        (["replay", "nowhere.wav", "--metadata", "nowhere.csv"], 2, "cannot read nowhere.csv: no such file"),
        (["replay", "nowhere.wav", "--resume", "no/where"], 2, "cannot use no/where to resume from"),
        (["replay", "nowhere.wav", "--speed", "fast"], 2, "got speed 'fast'; give a number above 0, or max"),
        (["replay", "nowhere.wav", "--roles", "customer,"], 2, "got --roles 'customer,'"),
        (["replay", "nowhere.wav", "--to", "localhost:8765"], 2, "expected one like ws://127.0.0.1:8765/v1/stream"),
        (["watch", "--mqtt", "mqtt://127.0.0.1:1"], 1, "connection refused; is it running there?"),
        (["watch", "--mqtt", "localhost"], 2, "expected one like mqtt://127.0.0.1:1883"),
        (["watch", "--kinds", "laughter"], 2, "got kinds laughter; choose from utterance, partial"),
        (["watch", "--colour"], 2, "No such option: --colour"),
        (["alerts", "--rules", "nowhere.toml"], 1, "cannot read the rules in nowhere.toml"),
        (["alerts", "--explain", "nowhere.jsonl"], 2, "cannot read nowhere.jsonl: No such file"),
        (["alerts", "--test-outputs"], 2, "there is no output to try; name some as [[output]]"),
    ],
)
def test_an_error_is_one_clear_line_and_a_code(
    capsys: pytest.CaptureFixture[str], arguments: Any, code: int, words: str
) -> None:
    got, line = wrong(capsys, *arguments)
    assert got == code
    assert words in line


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--state", "nowhere/a.sqlite"], 1, "the folder of the alert state nowhere/a.sqlite does not exist; make it"),
        (["--state", ":memory:", "--tenant", "a/b"], 2, "got tenant='a/b'; give one level of a topic"),
        (["--state", ":memory:", "--mqtt", "mqtt://127.0.0.1:1"], 1, "connection refused; is it running there?"),
    ],
)
def test_an_alert_service_that_cannot_start_says_why_behind_its_rules(
    capsys: pytest.CaptureFixture[str], arguments: Any, code: int, words: str
) -> None:
    assert run_app(app, "streamer-client", ["alerts", *arguments]) == code
    rules, following, error = capsys.readouterr().err.splitlines()
    assert rules.startswith("3 rules: ")
    assert following.startswith("following tenant ")
    assert words in error


def test_rules_are_checked_without_a_broker(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "waiting"\nseverity = "info"\nmessage = "m"\nemotions = ["angry"]\n'
        'silence_of = "agent"\nsilence_s = 20\n[[output]]\nkind = "log"\n'
    )
    assert run_app(app, "streamer-client", ["alerts", "--rules", str(rules), "--check"]) == 0
    said = capsys.readouterr().err
    assert "1 rules: waiting\n1 outputs besides the bus: log\n" in said
    assert "rule waiting: only calls in which the agent is analysed can be judged" in said


def test_a_replay_without_a_server_says_so(capsys: pytest.CaptureFixture[str], recorded: Any) -> None:
    code, line = wrong(capsys, "replay", recorded(), "--to", "ws://127.0.0.1:1")
    assert code == 1
    assert line.endswith("connection refused; is the server running there? (`streamer serve` starts one)")


def test_roles_that_do_not_fit_are_named_with_the_file(capsys: pytest.CaptureFixture[str], recorded: Any) -> None:
    code, line = wrong(capsys, "replay", recorded(), "--roles", "customer")
    assert code == 1
    assert "has 2 channels; give one role per channel" in line


async def test_a_replay_prints_events_and_a_summary(
    capsys: pytest.CaptureFixture[str], server: Any, recorded: Any, make: Any
) -> None:
    server.events = [make.utterance(), make.ended()]
    assert await run("replay", recorded(), "--to", server.url, "--speed", "max") == 0
    said = capsys.readouterr()
    assert [line.split()[1] for line in said.out.splitlines()] == ["CA1", "CA1"]
    assert said.err == "call: 0:00.1 of audio streamed, 2 utterance events\n"


async def test_a_replay_that_goes_on_says_what_was_done_before(
    server: Any, recorded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded()
    flags = ("--to", server.url, "--speed", "max", "--resume", str(path.parent / "state"))
    assert await run("replay", path, *flags) == 0
    capsys.readouterr()
    assert await run("replay", path, *flags) == 0
    assert capsys.readouterr() == ("", "1 call done before and not played again\n")
    assert len(server.calls) == 1


async def test_a_quiet_replay_prints_nothing(
    capsys: pytest.CaptureFixture[str], server: Any, recorded: Any, make: Any
) -> None:
    server.events = [make.utterance()]
    assert await run("replay", recorded(), "--to", server.url, "--speed", "max", "--quiet", "--call-id", "CA7") == 0
    assert capsys.readouterr() == ("", "")
    assert server.calls[0].texts[0]["call_id"] == "CA7"


async def test_the_flags_of_a_replay_reach_the_wire(
    server: Any, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_STREAMER_KEY", "secret")
    flags = ["--to", server.url, "--speed", "20", "--roles", "agent,customer", "--notice", "--encoding", "pcma"]
    assert await run("replay", recorded(), *flags) == 0
    start = server.calls[0].texts[0]
    assert [channel["role"] for channel in start["channels"]] == ["agent", "customer"]
    assert (start["speed"], start["notice"], start["encoding"]) == (20, True, "pcma")
    assert server.calls[0].headers["Authorization"] == "Bearer secret"


async def test_the_faults_of_a_line_reach_the_wire(
    capsys: pytest.CaptureFixture[str], server: Any, recorded: Any
) -> None:
    flags = [
        "--dialect",
        "twilio",
        "--speed",
        "50",
        "--chunk",
        "20-40",
        "--jitter",
        "20",
        "--loss",
        "20",
        "--seed",
        "3",
    ]
    more = ["--reorder", "20", "--pause", "0.2:0.1", "--pause", "0.5:0.1", "--stall", "0.7:0.1"]
    assert await run("replay", recorded(seconds=1), "--to", server.url, *flags, *more) == 0
    places = [int(one["media"]["timestamp"]) for one in server.calls[0].texts if one["event"] == "media"]
    (lost,) = re.findall(r"(\d+) messages lost", capsys.readouterr().err)
    assert int(lost) > 0
    assert places != sorted(places)
    assert not [place for place in places if 240 <= place < 300 or 540 <= place < 600]


async def test_a_twilio_replay_finds_its_path(server: Any, recorded: Any) -> None:
    assert await run("replay", recorded(), "--to", server.url, "--dialect", "twilio", "--speed", "max", "-q") == 0
    assert server.calls[0].path == "/twilio"


async def test_one_failed_file_of_several_fails_the_command(
    capsys: pytest.CaptureFixture[str], server: Any, recorded: Any
) -> None:
    assert await run("replay", "nowhere.wav", recorded(), "--to", server.url, "--speed", "max") == 1
    said = capsys.readouterr().err
    assert "call: 0:00.1 of audio streamed" in said
    assert said.endswith("streamer-client: nowhere: there is no file nowhere.wav; check the name\n")


def outcome(name: str, error: str | None) -> Replayed:
    return Replayed(Path(name), name, 1000, 0, ClientError(error) if error else None)


def test_one_reason_for_many_files_is_one_line() -> None:
    outcomes = [outcome(name, "no server") for name in "abcde"] + [outcome("f", "not audio"), outcome("g", None)]
    assert failures(outcomes) == ["a, b, c and 2 more: no server", "f: not audio"]
    assert summary(outcomes) == ["g: 0:01.0 of audio streamed, 0 utterance events"]


def test_progress_for_a_log_comes_now_and_then() -> None:
    lines: list[str] = []
    now_s = 0.0
    tick = Ticker(lines.append, lambda: now_s)
    for second in range(12):
        now_s = float(second)
        tick(Progress("CA1", Path("a.wav"), 1000 * second, 20_000))
    assert lines == ["CA1: 0:05.0 of 0:20.0 (25%)", "CA1: 0:10.0 of 0:20.0 (50%)"]


def test_a_list_of_names_is_read() -> None:
    assert listed("a, b", "--kinds") == ("a", "b")
    with pytest.raises(OptionError, match="got --kinds ''"):
        listed("", "--kinds")


class Child:
    """A command of ours in a process of its own, read line by line."""

    def __init__(self, *arguments: str, errors: bool = False) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        self.errors = errors

    def line(self) -> str:
        stream = self.process.stderr if self.errors else self.process.stdout
        assert stream is not None
        return stream.readline()

    def interrupted(self) -> tuple[int, str]:
        """Return exit code and what was said on standard error after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate()
        return self.process.returncode, err


async def until_heard(broker: Any, stop: threading.Event, *payloads: bytes) -> None:
    """Publish again and again until somebody has heard it: nobody says when a watcher listens."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        while not stop.is_set():
            for payload in payloads:
                await client.publish(WHERE, payload, qos=1)
            await asyncio.to_thread(stop.wait, 0.05)


async def test_watch_json_is_for_programs_and_ctrl_c_ends_it_quietly(mosquitto: Any, make: Any) -> None:
    child = Child("watch", "--mqtt", mosquitto.url, "--json")
    heard = threading.Event()
    speaking = asyncio.create_task(until_heard(mosquitto, heard, encode(make.utterance())))
    line = await asyncio.to_thread(child.line)
    heard.set()
    await speaking
    assert json.loads(line)["data"]["emotion"]["top"] == "angry"
    assert await asyncio.to_thread(child.interrupted) == (130, "")


async def test_alerts_prints_each_alert_and_ctrl_c_ends_it_quietly(mosquitto: Any, make: Any, tmp_path: Path) -> None:
    child = Child("alerts", "--mqtt", mosquitto.url, "--state", str(tmp_path / "alerts.sqlite"))
    heard = threading.Event()
    events = [make.utterance(n, start_ms=9000 * n, end_ms=9000 * n + 2000) for n in (1, 2)]
    speaking = asyncio.create_task(until_heard(mosquitto, heard, *map(encode, events)))
    line = await asyncio.to_thread(child.line)
    heard.set()
    await speaking
    assert "▲ WARNING  angry-customer  CA1 customer:" in line
    code, err = await asyncio.to_thread(child.interrupted)
    rules = "3 rules: angry-customer, distressed-customer, escalation"
    following = f"following tenant default at {mosquitto.url}, state {tmp_path / 'alerts.sqlite'}; Ctrl-C ends it"
    assert (code, err) == (130, f"{rules}\n{following}\n")


async def test_ctrl_c_in_a_replay_is_quiet_and_hangs_up(server: Any, recorded: Any) -> None:
    over = asyncio.Event()

    async def listen(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        await socket.recv()
        begun.set()
        await socket.wait_closed()
        over.set()

    begun = asyncio.Event()
    server.handlers["/v1/stream"] = listen
    child = Child("replay", str(recorded(seconds=600)), "--to", server.url)
    await begun.wait()
    assert await asyncio.to_thread(child.interrupted) == (130, "")
    await over.wait()
