"""The client's README and guides: every Python example in them runs, and every rule in them loads."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from streamer_client.alerts.rules import parse_rules
from streamer_client.commands import app, run_app
from streamer_client.events import Severity, encode
from streamer_client.pretty import format_event

ROOT = Path(__file__).parents[2]
README = ROOT / "clients/python/README.md"
CLIENT_GUIDE = ROOT / "docs/python-client.md"
GUIDES = [README, *(ROOT / "docs" / name for name in ("python-client.md", "replay.md", "alerts.md"))]


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


async def perform(code: str, folder: Path, **replacements: str) -> None:
    """Run an example as its reader would, in a folder with a call.wav, towards the test's own servers."""
    for address, own in replacements.items():
        code = code.replace({"server": "ws://127.0.0.1:8765", "broker": "mqtt://127.0.0.1:1883"}[address], own)

    def there() -> None:
        with contextlib.chdir(folder):
            exec(compile(code, "example", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own documents

    await asyncio.to_thread(there)


async def test_the_readme_streams_a_call(server: Any, recorded: Any, make: Any, capsys: Any) -> None:
    server.events = [make.utterance(1), make.utterance(2, uncertain=True)]
    await perform(blocks(README, "python")[0], recorded(seconds=0.1).parent, server=server.url)
    assert capsys.readouterr().out == "1000 angry\n"
    assert len(server.calls[0].audio) == 3200


async def test_the_readme_follows_the_bus(mosquitto: Any, make: Any, capsys: Any, tmp_path: Path) -> None:
    over = threading.Event()

    async def speak() -> None:
        topics = {"CA1/customer/utterance": make.utterance(), "CA1/ended": make.ended()}
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            while not over.is_set():  # nobody says when the example listens
                await client.publish("emotion/v1/default/alerts/critical", encode(make.alert()), qos=1)
                for topic, event in topics.items():
                    await client.publish(f"emotion/v1/default/calls/{topic}", encode(event), qos=1)
                await asyncio.to_thread(over.wait, 0.05)

    speaking = asyncio.create_task(speak())
    await perform(blocks(README, "python")[1], tmp_path, broker=mosquitto.url)
    over.set()
    await speaking
    assert "■ ended" in capsys.readouterr().out


async def performed_while(speaks: dict[str, Any], broker: Any, code: str, folder: Path) -> None:
    """Run an example that listens, and say these things again and again until it has heard enough."""
    over = threading.Event()

    async def speak() -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            while not over.is_set():  # nobody says when the example listens
                for topic, event in speaks.items():
                    await client.publish(f"emotion/v1/default/{topic}", encode(event), qos=1)
                await asyncio.to_thread(over.wait, 0.05)

    speaking = asyncio.create_task(speak())
    try:
        await perform(code, folder, broker=broker.url)
    finally:
        over.set()
        await speaking


async def test_the_readme_listens_without_asyncio(mosquitto: Any, make: Any, capsys: Any, tmp_path: Path) -> None:
    said = {
        "calls/CA1/customer/utterance": make.utterance(confidence=0.6),
        "calls/CA2/customer/utterance": make.utterance(call="CA2"),
    }
    await performed_while(said, mosquitto, blocks(README, "python")[3], tmp_path)
    assert capsys.readouterr().out == "CA2 1000 0.8\n"


async def test_the_guide_filters(mosquitto: Any, make: Any, capsys: Any, tmp_path: Path) -> None:
    said = {
        "calls/CA1/customer/utterance": make.utterance(top="happy"),
        "alerts/info": make.alert("CA2", Severity.INFO),
        "alerts/critical": make.alert(),
    }
    await performed_while(said, mosquitto, blocks(CLIENT_GUIDE, "python")[0], tmp_path)
    assert capsys.readouterr().out == "alert: Listen in.\n"


async def test_the_guide_listens_without_asyncio(mosquitto: Any, make: Any, capsys: Any, tmp_path: Path) -> None:
    await performed_while({"calls/CA1/ended": make.ended()}, mosquitto, blocks(CLIENT_GUIDE, "python")[1], tmp_path)
    assert capsys.readouterr().out == "CA1 has ended\n"


async def test_the_guide_makes_tables(make: Any, capsys: Any, tmp_path: Path) -> None:
    said = [make.utterance(1), make.utterance(2), make.utterance(3, top="sad"), make.alert(), make.ended()]
    (tmp_path / "day.jsonl").write_bytes(b"\n".join(map(encode, said)))
    await perform(blocks(CLIENT_GUIDE, "python")[2], tmp_path)
    out = capsys.readouterr().out.splitlines()
    assert out[1] == "CA1    angry"
    assert out[-1].split() == ["0", "CA1", "245000", "1", "61000", "2"]


async def test_the_readme_replays_a_recording(server: Any, recorded: Any, make: Any, capsys: Any) -> None:
    server.events = [make.utterance()]
    await perform(blocks(README, "python")[2], recorded().parent, server=server.url)
    assert capsys.readouterr().out == "call 1\n"
    assert server.calls[0].texts[0]["speed"] is None


async def test_the_guide_replays_a_recording(server: Any, recorded: Any, make: Any, capsys: Any) -> None:
    server.events = [make.utterance()]
    await perform(blocks(ROOT / "docs/replay.md", "python")[0], recorded().parent, server=server.url)
    assert capsys.readouterr().out == format_event(make.utterance()) + "\n"


async def test_the_guide_evaluates_rules(make: Any, capsys: Any) -> None:
    names: dict[str, Any] = {}
    exec(blocks(ROOT / "docs/alerts.md", "python")[0], names)  # noqa: S102 - our own document
    for n in (1, 2):
        names["on_event"](make.utterance(n, start_ms=9000 * n, end_ms=9000 * n + 2000), now_s=0.0)
    assert "angry-customer" in capsys.readouterr().out


def test_the_rules_of_the_guide_load() -> None:
    rules = [rule for text in blocks(ROOT / "docs/alerts.md", "toml") for rule in parse_rules(text, "alerts.md")]
    assert [rule.name for rule in rules] == ["angry-customer"]


def test_no_python_example_is_left_out_of_these_tests() -> None:
    assert [len(blocks(guide, "python")) for guide in GUIDES] == [4, 3, 1, 1]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_the_flags_in_the_documents_exist(guide: Path, capsys: Any) -> None:
    lines = [line for block in blocks(guide, "sh") for line in block.splitlines() if "streamer-client " in line]
    for line in lines:
        command, *_ = line.split("streamer-client ")[1].split()
        run_app(app, "streamer-client", [command, "--help"])
        known = capsys.readouterr().out
        assert [flag for flag in re.findall(r"(?<!\S)--[a-z-]+", line) if flag not in known] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_the_links_in_the_documents_lead_somewhere(guide: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", guide.read_text(encoding="utf-8"))
    assert [name for name in targets if not (guide.parent / name).exists()] == []
