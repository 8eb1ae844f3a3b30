"""`alerts --explain` and `alerts --test-outputs`: neither needs a broker."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamer_client.commands import app, run_app
from streamer_client.events import encode

RULES = """
[[rule]]
name = "angry"
severity = "warning"
message = "Listen in."
emotions = ["angry"]
count = 2
within_s = 60
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def run(*arguments: object) -> int:
    return run_app(app, "streamer-client", ["alerts", *map(str, arguments)])


def recording(make: Any) -> bytes:
    events = [make.utterance(n, start_ms=9000 * n, end_ms=9000 * n + 2000) for n in (1, 2)]
    return b"\n".join([*map(encode, events), b"{broken", b""])


def test_a_recording_is_explained(make: Any, rules: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "call.jsonl").write_bytes(recording(make))
    assert run("--rules", rules, "--explain", tmp_path / "call.jsonl") == 0
    said = capsys.readouterr()
    assert "  angry: counts; FIRES (warning), 2 utterances behind it" in said.out
    assert said.out.endswith("\n\nleft out: 1 line of no event\n")
    assert said.err == ""


def test_who_explains_need_not_have_the_secrets_of_the_outputs(make: Any, rules: Path, tmp_path: Path) -> None:
    (tmp_path / "call.jsonl").write_bytes(recording(make))
    with rules.open("a") as file:
        file.write('[[output]]\nkind = "webhook"\nurl = "https://h"\nsecret_file = "nowhere"\n')
    assert run("--rules", rules, "--explain", tmp_path / "call.jsonl") == 0


def test_a_recording_may_come_through_a_pipe(make: Any, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(recording(make))))
    assert run("--explain", "-") == 0
    assert "angry-customer: fired at 0:20.0" in capsys.readouterr().out


def test_a_recording_that_is_not_there_is_named(capsys: Any) -> None:
    assert run("--explain", "nowhere.jsonl") == 2
    assert "cannot read nowhere.jsonl: No such file" in capsys.readouterr().err


def test_outputs_are_tried_and_one_that_fails_is_the_exit_code(rules: Path, tmp_path: Path, capsys: Any) -> None:
    with rules.open("a") as file:
        file.write(f'[[output]]\nkind = "log"\npath = "{tmp_path}/alerts.jsonl"\nseverities = ["critical"]\n')
    assert run("--rules", rules, "--test-outputs") == 0
    assert capsys.readouterr().out == "ok     log: took a test alert\n"
    assert (tmp_path / "alerts.jsonl").read_text().count("This is a test") == 1
    with rules.open("a") as file:
        file.write('[[output]]\nkind = "webhook"\nurl = "http://127.0.0.1:1"\n')
    assert run("--rules", rules, "--test-outputs") == 1
    assert "WRONG  webhook: cannot reach http://127.0.0.1:1: " in capsys.readouterr().out


def test_there_must_be_an_output_to_try(rules: Path, capsys: Any) -> None:
    assert run("--rules", rules, "--test-outputs") == 2
    assert "there is no output to try; name some as [[output]]" in capsys.readouterr().err


def test_whoever_has_read_enough_of_an_explanation_ends_it_quietly(make: Any, tmp_path: Path) -> None:
    (tmp_path / "call.jsonl").write_bytes(recording(make) * 200)
    command = [sys.executable, "-c", "from streamer_client.commands import main; main()"]
    with subprocess.Popen(
        [*command, "alerts", "--explain", str(tmp_path / "call.jsonl")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")
