"""What the guides to scaling and to brokers give to copy is taken by the programs it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamer_client.share import Share

from benchmarks.balancer import SHIPPED
from streamer.auth import Keyring
from streamer.config import load
from tests.conftest import MakeBroker
from tests.docs.reading import blocks, command_lines, text


def test_a_nodes_configuration_loads(tmp_path: Path) -> None:
    (config,) = blocks(text("docs/scaling.md"), "toml")
    secret = tmp_path / "token"
    secret.write_text("made up\n", encoding="utf-8")
    file = tmp_path / "streamer.toml"
    file.write_text(config.replace("/etc/streamer/twilio-auth-token", str(secret)), encoding="utf-8")
    settings = load(file, {}, {})
    Keyring.of(settings)
    assert settings.server.auth_failures_per_minute == 0


def test_the_shares_of_the_guide_make_a_whole() -> None:
    lines = command_lines(text("docs/scaling.md"), "streamer-client")
    shares = [Share.parse(line.split("--share ")[1].split()[0]) for line in lines]
    assert [share.member for share in shares] == list(range(1, shares[0].of + 1))
    for option in ("--name", "--state"):
        assert len({line.split(f"{option} ")[1].split()[0] for line in lines}) == len(lines)


def test_what_the_guide_says_of_haproxy_stands_in_its_file() -> None:
    guide, shipped = text("docs/scaling.md"), SHIPPED.read_text(encoding="utf-8")
    for words in ("leastconn", "timeout tunnel 4h", "hard-stop-after", "127.0.0.1:8405", "peers", "maxconn"):
        assert words in guide
        assert words in shipped


def test_mosquitto_takes_the_settings_of_the_guide(mosquitto_with: MakeBroker) -> None:
    settings, bridge = blocks(text("docs/brokers.md"), "text")
    own = {"persistence", "max_queued_messages"}  # of every broker of the tests
    mosquitto_with(*(line for line in settings.splitlines() if line.split()[0] not in own), persistent=True)
    assert "connection" in bridge


@pytest.mark.parametrize("guide", ["docs/brokers.md", "benchmarks/results/brokers.md"])
def test_what_was_tried_on_other_brokers_is_what_the_report_says(guide: str) -> None:
    rows = [line for line in text("benchmarks/results/brokers.md").splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 7
    for row in rows:
        assert row in text(guide)
