"""The command line: help with examples, and one clear line for each thing that is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def streamer(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from streamer.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", ["serve", "demo", "check", "analyse", "replay", "watch", "alerts", "acknowledge", "dashboard"]
)
def test_every_command_has_help_with_examples(command: str, tmp_path: Path) -> None:
    done = streamer(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    _, _, examples = done.stdout.partition("\n  Examples:\n")
    assert f"    streamer {command}" in examples.splitlines()[0]  # one a line, to be pasted


def test_without_a_command_there_is_help_and_the_version_is_told(tmp_path: Path) -> None:
    nothing = streamer(cwd=tmp_path)
    assert "serve" in nothing.stdout + nothing.stderr
    assert "...\n" not in (nothing.stdout + nothing.stderr).partition("Commands:")[2]  # no summary is cut
    done = streamer("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("streamer 0.")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["serve", "--config", "none.toml"], 1, "none.toml"),
        (["serve", "--model", "nowhere"], 1, "nowhere"),
        (["serve", "--analyse", "agent"], 1, "lawful_basis"),
        (["serve", "--analyse", "boss"], 1, "emotion.analyse"),
        (["serve", "--workers", "0"], 1, "server.workers"),
        (["serve", "--prot", "1"], 2, "--prot"),
        (["serve", "--port", "x"], 2, "--port"),
        (["nonsense"], 2, "nonsense"),
        (["demo", "--speed", "fast"], 2, "fast"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(
    arguments: list[str], code: int, named: str, tmp_path: Path
) -> None:
    done = streamer(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_the_configuration_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[server]\nprot = 1\n", encoding="utf-8")
    done = streamer("check", cwd=tmp_path, STREAMER_CONFIG="my.toml")
    assert done.returncode == 1
    assert "server.prot: unknown key; did you mean server.port?" in done.stderr


def test_a_streamer_toml_in_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "streamer.toml").write_text("[server]\nprot = 1\n", encoding="utf-8")
    assert "server.prot" in streamer("serve", cwd=tmp_path).stderr
    assert "none.toml" in streamer("serve", "--config", "none.toml", cwd=tmp_path).stderr


def test_check_fails_when_something_is_wrong_and_shows_the_settings(tmp_path: Path) -> None:
    done = streamer("check", "--print", cwd=tmp_path, STREAMER_MQTT_URL="mqtt://127.0.0.1:1")
    assert done.returncode == 1
    assert 'url = "mqtt://127.0.0.1:1"' in done.stdout
    assert "WRONG  broker" in done.stdout
    assert "ok     model" in done.stdout


def test_check_speaks_to_machines_too_and_fails_alike(tmp_path: Path) -> None:
    done = streamer("check", "--json", cwd=tmp_path, STREAMER_MQTT_URL="mqtt://127.0.0.1:1")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["ok"] is False
    assert {"what": "broker", "level": "wrong"}.items() <= said["checks"][-1].items()
    both = streamer("check", "--json", "--print", cwd=tmp_path)
    assert (both.returncode, both.stdout) == (2, "")
    assert "use one of them" in both.stderr


def test_help_is_quick_to_load_neither_model_nor_audio_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from streamer.cli import app; "
        "heavy = {'librosa', 'onnxruntime', 'scipy', 'torch'} & set(sys.modules); sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
