"""The guides tell the truth: links lead somewhere, commands exist, and what a reader would type or copy works."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from streamer_client.commands import app as client_app
from streamer_client.events import UtteranceEvent, decode

from streamer.auth import Keyring
from streamer.bus.topics import Topics
from streamer.cli import app as server_app
from streamer.config import load
from streamer.emotion.model import LABELS, locate
from streamer.emotion.model import load as load_model
from streamer.platforms import PATHS
from tests.conftest import Broker, collect
from tests.docs.reading import GUIDES, ROOT, anchors, blocks, command_lines, links, rows, text
from tests.docs.running import arguments, run

PROGRAMS = {"streamer": server_app, "streamer-client": client_app}
named = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
Here = Callable[[str], str]


@named
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(guide: Path) -> None:
    document = guide.read_text(encoding="utf-8")
    for path, anchor in links(document):
        target = guide.parent / path if path else guide
        assert target.exists(), f"{guide.name} links to {path}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{path}#{anchor}"


@named
def test_every_command_line_is_one_that_the_program_takes(guide: Path) -> None:
    for line in command_lines(guide.read_text(encoding="utf-8"), *PROGRAMS):
        program, *rest = shlex.split(line.partition(" > ")[0], comments=True)  # what a shell does with it is its own
        group: Any = typer.main.get_command(PROGRAMS[program])
        if not rest[0].startswith("-"):
            command = group.commands[rest[0]]
            command.make_context(rest[0], rest[1:])  # raises on a flag or a value that cannot be


def test_guides_are_short_and_the_changelog_has_this_version() -> None:
    for guide in GUIDES:
        assert len(guide.read_text(encoding="utf-8").splitlines()) < 200, guide.name
    assert "0.1.0" in text("CHANGELOG.md")


def test_getting_started_works_from_top_to_bottom(
    start: Any, here: Here, broker: Broker, folder: Path, ports: tuple[int, int]
) -> None:
    guide = text("docs/start.md")
    lines = {line.split()[1]: line for line in command_lines(guide, "streamer")}
    (config,) = blocks(guide, "toml")
    (checked,) = blocks(guide, "text")
    (folder / "streamer.toml").write_text(here(config), encoding="utf-8")

    done = run(arguments(lines["check"]), folder)
    assert done.returncode == 0, done.stdout
    assert varying(done.stdout) == varying(here(checked))

    alerts = start(lines["alerts"])
    broker.wait_logged("Sending SUBACK")
    start(lines["serve"]).until("listening")
    watch = start(lines["watch"])
    watch.until("node-1 .*online")  # retained: whoever sees it, listens

    played = run(arguments(lines["replay"], "--to", f"ws://127.0.0.1:{ports[0]}", "--speed", "max"), folder)
    assert played.returncode == 0, played.stderr
    assert "customer" in played.stdout
    assert "first" in watch.until("■ ended")
    assert "first" in alerts.until("▲")

    for url in re.findall(r"http://\S+", "".join(blocks(guide, "sh"))):
        with urllib.request.urlopen(here(url), timeout=10) as answer:  # noqa: S310 - http, from the pattern above
            assert answer.status == 200


def varying(output: str) -> str:
    """Leave out what changes with the model and the machine."""
    return re.sub(r"^(?:ok|warn) +(model|clock|files|outbox): .*", r"\1: ...", output, flags=re.MULTILINE).strip()


def example(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python example as its reader would."""
    (folder / "example.py").write_text(code, encoding="utf-8")
    return run([sys.executable, "example.py"], folder)


def test_the_whole_client_of_the_protocols_guide_runs(serving: Any, here: Here, folder: Path) -> None:
    serving()
    (code,) = blocks(text("docs/native-protocol.md"), "python")
    done = example(here(code), folder)
    assert done.returncode == 0, done.stderr
    first, *verdicts, last = done.stdout.splitlines()
    assert json.loads(first)["type"] == "ready"
    assert json.loads(last) == {"type": "ended", "utterances": len(verdicts)}
    assert all(line.split()[2] in LABELS for line in verdicts)
    assert verdicts


def test_the_readmes_example_of_the_protocol_runs(serving: Any, here: Here, folder: Path) -> None:
    serving()
    (code,) = blocks(text("README.md"), "python")
    done = example(here(code), folder)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [said[0]["type"], said[-1]["type"]] == ["ready", "ended"]
    assert len(said) == said[-1]["utterances"] + 2 > 2


async def test_twilios_guide_works_with_a_replay_signed_as_twilio_signs(
    serving: Any, here: Here, broker: Broker, folder: Path, ports: tuple[int, int]
) -> None:
    guide = text("docs/twilio.md")
    (config,) = blocks(guide, "toml")
    (line,) = command_lines(guide, "streamer")
    config = config.replace("wss://calls.example.com", f"wss://127.0.0.1:{ports[0]}")
    (folder / "streamer.toml").write_text(config, encoding="utf-8")
    serving()
    command = arguments(here(line), "--speed", "max")

    async with collect(broker, "emotion/v1/acme/#") as heard:
        done = run(command, folder)
        assert done.returncode == 0, done.stderr
        messages = await heard.until(lambda messages: any(str(one.topic).endswith("/ended") for one in messages))
    assert any(str(message.topic).endswith("/customer/utterance") for message in messages)

    for flag in ("--key", "--token"):
        wrong = list(command)
        wrong[wrong.index(flag) + 1] += "-not"
        assert run(wrong, folder).returncode == 1, flag


@pytest.mark.parametrize("name", ["README.md", "docs/twilio.md"])
def test_the_twiml_says_what_the_server_understands(name: str) -> None:
    (twiml,) = blocks(text(name), "xml")
    stream = ET.fromstring(twiml).find("Start/Stream")  # noqa: S314 - our own document
    assert stream is not None
    scheme, _, rest = stream.attrib["url"].partition("://")
    assert scheme == "wss"
    assert "/" + rest.partition("/")[2] in PATHS
    assert stream.attrib["track"] == "both_tracks"
    assert {one.attrib["name"] for one in stream.iter("Parameter")} <= {"token", "notice", "withdraw"}


def test_the_readmes_configuration_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = blocks(text("README.md"), "toml")
    (tmp_path / "streamer.toml").write_text(config, encoding="utf-8")
    (tmp_path / "twilio-auth-token").write_text("made up\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = load(Path("streamer.toml"), {}, {})
    assert settings.keys[0].dialects == ("twilio",)
    Keyring.of(settings)


def test_the_readmes_event_is_one_and_stands_under_its_topic() -> None:
    readme = text("README.md")
    (block,) = blocks(readme, "json")
    event = decode(block)
    assert isinstance(event, UtteranceEvent)
    assert set(event.data.emotion.scores) == set(LABELS)
    data = event.data
    assert f"`{Topics().utterance(data.call.tenant, data.call.id, data.speaker.role)}`" in readme


def test_the_readme_shows_what_its_two_commands_print() -> None:
    readme = text("README.md")
    for name, words in {
        "demo": ("$ make demo", "● live", "customer", "■ ended"),
        "test": ("$ make test",),
    }.items():
        (shown,) = re.findall(rf"<!-- {name} -->\n```text\n(.*?)```\n<!-- /{name} -->", readme, re.DOTALL)
        assert [word for word in words if word not in shown] == []


def test_the_guide_to_the_models_gives_the_figures_of_their_cards() -> None:
    for _, (name, _, _, figures, at_work) in rows(text("docs/models.md")):
        card = load_model(locate(name.strip("`"))).card
        shown = [float(figure) for figure in figures.split(",")]
        assert shown == [round(card.figures[f"crema_d_uar_{when}"], 1) for when in ("cold", "after_10")], name
        assert (at_work == "yes") == card.commercial_use


def test_every_module_of_the_server_has_its_place_in_the_architecture() -> None:
    listed = [
        name for _, cells in rows(text("docs/architecture.md")) for name in re.findall(r"`([\w/]+\.py)`", cells[0])
    ]
    package = ROOT / "streamer"
    there = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.name != "__init__.py"}
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize(
    ("guide", "sources"),
    [
        ("docs/native-protocol.md", ["wire/native.py", "session.py", "server.py", "call.py"]),
        ("docs/twilio.md", ["wire/twilio.py", "wire/media_json.py"]),
        ("docs/signalwire.md", ["wire/signalwire.py", "wire/media_json.py"]),
        ("docs/telnyx.md", ["wire/telnyx.py", "wire/media_json.py"]),
        ("docs/plivo.md", ["wire/plivo.py", "wire/media_json.py"]),
        ("docs/exotel.md", ["wire/exotel.py", "wire/media_json.py"]),
        ("docs/genesys.md", ["wire/audiohook.py"]),
        ("docs/jambonz.md", ["wire/jambonz.py", "wire/fork.py", "wire/fields.py"]),
        ("docs/freeswitch.md", ["wire/freeswitch.py", "wire/fork.py", "wire/fields.py"]),
        ("docs/vonage.md", ["wire/vonage.py", "wire/fields.py"]),
        ("docs/asterisk.md", ["wire/asterisk.py", "wire/audiosocket.py"]),
        ("docs/audiocodes.md", ["wire/audiocodes.py"]),
    ],
)
def test_the_codes_of_the_guide_are_the_ones_that_are_sent(guide: str, sources: list[str]) -> None:
    source = "\n".join(text(f"streamer/{name}") for name in sources)
    sent = set(re.findall(r"Fault\(\s*(?:code=)?\"([a-z_]+)\"", source))
    document = text(guide)
    assert sent
    assert {code for code in sent if f"`{code}`" not in document} == set()
