"""Errors of the commands: each one clear line on standard error, and an exit code that is not zero."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.end_to_end.running import Node, streamer

NOBODY = "mqtt://127.0.0.1:1"
STORE = Path(__file__).resolve().parents[2] / "models" / "store"


def complaint(*arguments: str | Path, folder: Path, code: int = 1, **variables: str) -> str:
    """Run a command that must fail; return its one line."""
    done = streamer(*arguments, folder=folder, **variables)
    assert done.returncode == code, done
    assert done.stdout == ""
    line, end, rest = done.stderr.partition("\n")
    assert (end, rest) == ("\n", ""), done.stderr
    assert line.startswith("streamer: ")
    return line


def test_a_port_that_is_taken(node: Node, tmp_path: Path) -> None:
    for flags in (["--port", str(node.port), "--admin-port", "0"], ["--port", "0", "--admin-port", str(node.port)]):
        line = complaint("serve", *flags, "--mqtt", NOBODY, folder=tmp_path)
        assert f"127.0.0.1:{node.port}" in line
        assert "--port" in line


class TestModel:
    """A server without a model that fits must not come up."""

    def test_that_is_missing(self, tmp_path: Path) -> None:
        line = complaint("serve", "--model", "clairvoyant", folder=tmp_path)
        assert "'clairvoyant'" in line
        assert "telephone" in line

    def test_that_is_damaged(self, tmp_path: Path) -> None:
        model = copy(tmp_path)
        network = bytearray((model / "model.onnx").read_bytes())
        network[len(network) // 2] ^= 1
        (model / "model.onnx").write_bytes(network)
        assert "checksum" in complaint("serve", "--model", model, folder=tmp_path)

    def test_whose_card_speaks_of_other_features_than_its_network(self, tmp_path: Path) -> None:
        model = copy(tmp_path, lambda card: re.sub(r"fmax = [0-9.]+", "fmax = 3400.0", card))
        line = complaint("serve", "--model", model, folder=tmp_path)
        assert "features differ" in line
        assert "3400" in line

    def test_that_was_made_for_features_of_another_kind(self, tmp_path: Path) -> None:
        model = copy(tmp_path, lambda card: re.sub(r'kind = "[^"]+"', 'kind = "spectrogram/9"', card))
        assert "spectrogram/9" in complaint("serve", "--model", model, folder=tmp_path)


def copy(folder: Path, change: Callable[[str], str] = lambda card: card) -> Path:
    """Copy the default model, its card changed."""
    model = folder / "model"
    shutil.copytree(STORE / "telephone", model)
    card = (model / "model.toml").read_text(encoding="utf-8")
    (model / "model.toml").write_text(change(card), encoding="utf-8")
    return model


class TestConfiguration:
    """Every wrong key is named."""

    @pytest.mark.parametrize(
        ("toml", "named"),
        [
            ("[server]\nprot = 9000\n", ["server.prot", "did you mean server.port"]),
            ("[speech]\nhangover_ms = -1\n", ["speech.hangover_ms"]),
            ("[emotion]\nanalyse = ['customer', 'agent']\n", ["emotion.analyse", "lawful_basis"]),
            ("[[keys]]\nid = 'a'\nsecret_file = 'nowhere'\n", ["keys", "nowhere"]),
            ("[mqtt]\nbase = 'a/#'\n", ["mqtt.base"]),
            ("[mqtt]\nurl = 'http://broker'\n", ["mqtt.url", "http://broker"]),
            ("node = \n", ["TOML"]),
        ],
    )
    def test_that_is_wrong(self, tmp_path: Path, toml: str, named: list[str]) -> None:
        (tmp_path / "streamer.toml").write_text(toml, encoding="utf-8")
        line = complaint("serve", "--config", "streamer.toml", "--port", "0", "--admin-port", "0", folder=tmp_path)
        assert [word for word in named if word not in line] == []

    def test_in_the_working_folder_is_found_by_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "streamer.toml").write_text("[server]\nprot = 9000\n", encoding="utf-8")
        assert "server.prot" in complaint("serve", folder=tmp_path)

    def test_that_is_missing(self, tmp_path: Path) -> None:
        assert "there.toml" in complaint("serve", "--config", "there.toml", folder=tmp_path)

    def test_in_an_unknown_variable(self, tmp_path: Path) -> None:
        line = complaint("serve", folder=tmp_path, STREAMER_SPEECH_HANGOVER="400")
        assert "STREAMER_SPEECH_HANGOVER" in line

    def test_in_a_variable_of_the_wrong_kind(self, tmp_path: Path) -> None:
        line = complaint("serve", folder=tmp_path, STREAMER_SPEECH_HANGOVER_MS="a while")
        assert "HANGOVER_MS" in line.upper()


class TestOutbox:
    """What lies there may be the only copy of somebody's events."""

    def test_in_use_by_another_server(self, node: Node, tmp_path: Path) -> None:
        line = complaint("serve", "--outbox", node.folder / "outbox.sqlite", folder=tmp_path)
        assert "another running server" in line

    def test_in_no_folder(self, tmp_path: Path) -> None:
        assert "does not exist" in complaint("serve", "--outbox", tmp_path / "no" / "box.sqlite", folder=tmp_path)

    def test_that_is_no_database(self, tmp_path: Path) -> None:
        letter = tmp_path / "letter.txt"
        letter.write_text("Dear operator, " * 100, encoding="utf-8")
        assert "not an SQLite database" in complaint("serve", "--outbox", letter, folder=tmp_path)
        assert letter.read_text(encoding="utf-8") == "Dear operator, " * 100

    def test_that_is_the_database_of_another_program(self, tmp_path: Path) -> None:
        other = tmp_path / "addresses.sqlite"
        with sqlite3.connect(other) as database:
            database.execute("CREATE TABLE people (name TEXT)")
        database.close()
        before = other.read_bytes()
        assert "another program" in complaint("serve", "--outbox", other, folder=tmp_path)
        assert other.read_bytes() == before


class TestCheck:
    """`streamer check` says what is wrong, all of it at once."""

    def test_with_everything_in_order(self, broker: Broker, tmp_path: Path) -> None:
        done = streamer("check", folder=tmp_path, STREAMER_MQTT_URL=broker.url)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        found = {line.split()[1]: line.split()[0] for line in lines}
        everything = "configuration model secrets clock files outbox ports certificate broker publish retained"
        assert list(found) == [f"{what}:" for what in everything.split()]
        assert {found[what] for what in ("configuration:", "model:", "broker:", "publish:")} == {"ok"}
        assert set(found.values()) <= {"ok", "warn"}  # the clock, the limits and the disk are the machine's
        assert any(broker.url in line for line in lines)
        assert list(tmp_path.iterdir()) == []

    def test_with_two_things_wrong_names_both(self, tmp_path: Path) -> None:
        done = streamer("check", folder=tmp_path, STREAMER_MQTT_URL=NOBODY, STREAMER_EMOTION_MODEL="clairvoyant")
        assert done.returncode == 1
        wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
        assert len(wrong) == 2
        assert "clairvoyant" in wrong[0]
        assert NOBODY in wrong[1]
        assert "Traceback" not in done.stderr

    def test_prints_the_settings_in_force_with_secrets_masked(self, tmp_path: Path) -> None:
        (tmp_path / "streamer.toml").write_text(
            '[speech]\nhangover_ms = 500\n[dialects.twilio]\ntoken = "c0ffee"\n'
            '[[keys]]\nid = "crm"\nsecret = "of-the-crm"\n',
            encoding="utf-8",
        )
        variables = {"STREAMER_MQTT_URL": NOBODY, "STREAMER_SPEECH_HANGOVER_MS": "600"}
        done = streamer("check", "--config", "streamer.toml", "--print", folder=tmp_path, **variables)
        assert "hangover_ms = 600" in done.stdout
        assert f'url = "{NOBODY}"' in done.stdout
        assert 'id = "crm"' in done.stdout
        assert "c0ffee" not in done.stdout
        assert "of-the-crm" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--bogus"], "--bogus"),
        (["serve", "--port", "eighty"], "--port"),
        (["dance"], "dance"),
        (["replay"], "FILE"),
        (["replay", "call.wav", "--speed", "-1"], "-1"),
        (["replay", "call.wav", "--dialect", "morse"], "morse"),
        (["watch", "--mqtt", "http://x"], "mqtt://"),
    ],
)
def test_a_command_line_that_is_wrong(tmp_path: Path, arguments: list[str], named: str) -> None:
    done = streamer(*arguments, folder=tmp_path)
    assert done.returncode in {1, 2}
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["watch", "alerts"])
def test_a_broker_that_is_not_there(tmp_path: Path, command: str) -> None:
    done = streamer(command, "--mqtt", NOBODY, folder=tmp_path)
    assert done.returncode == 1
    assert NOBODY in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    shutil.copy(STORE.parents[1] / "streamer" / "demo" / "call.flac", tmp_path / "call.flac")
    line = complaint("replay", "call.flac", "--quiet", "--to", "ws://127.0.0.1:1/v1/stream", folder=tmp_path)
    assert "ws://127.0.0.1:1" in line


@pytest.mark.parametrize("command", ["serve", "demo", "check", "replay", "watch", "alerts"])
def test_every_command_has_help_with_examples(tmp_path: Path, command: str) -> None:
    done = streamer(command, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Examples:" in done.stdout


def test_the_version_is_told(tmp_path: Path) -> None:
    assert re.fullmatch(r"streamer \d+\.\d+\.\d+\S*\n", streamer("--version", folder=tmp_path).stdout)
