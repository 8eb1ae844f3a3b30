"""The guides to the first alert and to the outputs work as a reader would follow them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
from streamer_client.alerts.outputs.load import parse_outputs
from streamer_client.alerts.outputs.mail import MailSettings
from streamer_client.alerts.outputs.trying import example
from streamer_client.alerts.outputs.webhook import WebhookSettings
from streamer_client.events import AcknowledgementEvent, AlertEvent, Severity, decode

from tests.conftest import Broker, collect
from tests.docs.reading import blocks, command_lines, rows, text
from tests.docs.running import arguments, run

Here = Callable[[str], str]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a guide's line of the program, with its output to a file where it says so."""
    command, _, file = line.partition(" > ")
    done = run(arguments(command), folder)
    if file:
        (folder / file.strip()).write_text(done.stdout, encoding="utf-8")
    return done


def test_the_first_rule_fires_for_who_follows_the_page(start: Any, broker: Broker, folder: Path, ports: Any) -> None:
    guide = text("docs/first-alert.md")
    (rule,), (shown,) = blocks(guide, "toml"), blocks(guide, "text")
    check, analyse, explain, serve, alerts, replay = command_lines(guide, "streamer")
    (folder / "my.toml").write_text(rule, encoding="utf-8")

    checked = shell(check, folder)
    assert (checked.returncode, checked.stderr) == (0, "1 rules: upset-twice\n")
    assert shell(analyse, folder).returncode == 0
    explained = shell(explain, folder)
    assert explained.returncode == 0, explained.stderr
    assert "FIRES (warning), 2 utterances behind it" in explained.stdout
    assert "upset-twice: fired at " in explained.stdout
    # As the page shows it, but for what the model makes of it.
    assert varying(shown) <= varying(explained.stdout)

    start(serve, "--port", str(ports[0]), "--admin-port", str(ports[1])).until("listening")
    service = start(alerts)
    broker.wait_logged("Sending SUBACK to emotion-alerts-")
    played = run([*arguments(replay), "--to", f"ws://127.0.0.1:{ports[0]}", "--speed", "max"], folder)
    assert played.returncode == 0, played.stderr
    assert "upset-twice" in service.until("▲ WARNING")


def varying(explained: str) -> set[str]:
    return {re.sub(r"[a-f0-9]{32}|[\d:.-]+|\b(fear|angry|sad|disgust)\b", "*", line) for line in explained.splitlines()}


def test_the_outputs_of_the_guide_load_and_can_be_tried(folder: Path, monkeypatch: Any) -> None:
    (config,) = blocks(text("docs/alert-outputs.md"), "toml")
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    for name, content in {
        "crm.secret": secret,
        "chat.url": "https://chat.example.com/T0",
        "mail.password": "x",
    }.items():
        (folder / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(folder)
    assert [output.name for output in parse_outputs(config, "rules.toml", {})] == ["log", "crm", "chat", "mail"]

    # Those elsewhere cannot be tried here; the log can.
    only_log = text("docs/first-alert.md").split("```toml\n")[1].split("```")[0] + config.split("\n\n")[0]
    (folder / "rules.toml").write_text(only_log, encoding="utf-8")
    (trial,) = (line for line in command_lines(text("docs/alert-outputs.md"), "streamer") if "--test-outputs" in line)
    done = shell(trial, folder)
    assert (done.returncode, done.stdout) == (0, "ok     log: took a test alert\n")
    alert = decode((folder / "alerts.jsonl").read_bytes())
    assert isinstance(alert, AlertEvent)
    assert alert.data.severity is Severity.INFO

    (folder / "rules.toml").write_text(only_log + '\n[[output]]\nkind = "webhook"\nurl = "http://127.0.0.1:1/"\n')
    failed = shell(trial, folder)
    assert failed.returncode == 1
    assert "WRONG  webhook: cannot reach http://127.0.0.1:1" in failed.stdout


def test_every_key_of_an_output_stands_in_the_table() -> None:
    table = {cells[0]: cells[1] for _, cells in rows(text("docs/alert-outputs.md"))}
    for kind, settings in {"`webhook`": WebhookSettings, "`mail`": MailSettings}.items():
        keys = {str(name).rstrip("_") for name in settings.__struct_fields__} - {"name", "severities"}
        assert keys == set(re.findall(r"`(\w+)`", table[kind]))


async def test_the_alert_of_the_guide_can_be_acknowledged(broker: Broker, folder: Path) -> None:
    (line,) = (line for line in command_lines(text("docs/alert-outputs.md"), "streamer") if " acknowledge " in line)
    async with collect(broker, "emotion/v1/default/acknowledgements") as heard:
        done = run([*arguments(line), "--mqtt", broker.url], folder)
        assert done.returncode == 0, done.stderr
        (message,) = await heard.count(1)
    event = decode(message.payload)
    assert isinstance(event, AcknowledgementEvent)
    asked = shlex.split(line)
    assert (event.data.alert, event.data.by) == (asked[2], asked[asked.index("--by") + 1])
    assert done.stdout == f"said on the bus: alert {event.data.alert} of call CA1 is acknowledged by Desk 2\n"


async def test_the_python_of_the_guide_acknowledges(here: Here, broker: Broker) -> None:
    (code,) = blocks(text("docs/alert-outputs.md"), "python")
    names: dict[str, Any] = {}
    exec(here(code), names)  # noqa: S102 - our own document
    alert = example("a1", 0.0)
    async with collect(broker, "emotion/v1/default/acknowledgements") as heard:
        await asyncio.to_thread(names["take"], alert)
        (message,) = await heard.count(1)
    event = decode(message.payload)
    assert isinstance(event, AcknowledgementEvent)
    assert event.data.alert == "a1"


async def test_what_watch_has_recorded_explains_itself_as_the_guide_says(
    start: Any, broker: Broker, folder: Path
) -> None:
    guide = text("docs/alert-outputs.md")
    watch, analyse, explain = (line for line in command_lines(guide, "streamer") if "call.jsonl" in line)
    (folder / "rules.toml").write_text(blocks(text("docs/first-alert.md"), "toml")[0], encoding="utf-8")
    assert shell(analyse, folder).returncode == 0
    recorded = (folder / "call.jsonl").read_text(encoding="utf-8")
    direct = shell(explain, folder).stdout
    assert "upset-twice: fired at" in direct

    watching = start(watch.partition(" > ")[0])
    broker.wait_logged("Sending SUBACK")
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for line in recorded.splitlines():
            kind = json.loads(line)["type"].split(".")[1]
            topic = {"ended": "calls/call/ended", "alert": "alerts/warning"}.get(kind, f"calls/call/customer/{kind}")
            await client.publish(f"emotion/v1/default/{topic}", line, qos=1)
    await asyncio.to_thread(watching.until, "emotion-streamer.ended.v1")
    (folder / "call.jsonl").write_text("\n".join(watching.said), encoding="utf-8")
    assert shell(explain, folder).stdout == direct
