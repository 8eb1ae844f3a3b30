"""The troubleshooting guide says what the program says: metrics, keys, log lines, close reasons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.end_to_end.running import Node, streamer

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SPOKEN = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "streamer").rglob("*.py")))
"""What the program can say; sentences that are broken over lines are joined."""
TABLES = ("server", "mqtt", "outbox", "speech", "emotion", "audio", "dialects.twilio", "privacy", "log")


def joined(source: str) -> str:
    return re.sub(r'"\s*\n\s*f?"', "", source)


async def test_every_metric_it_names_is_there(node: Node) -> None:
    _, page = await node.get("/metrics")
    named = set(re.findall(r"streamer_[a-z_]+", GUIDE))
    assert len(named) > 10
    assert {name for name in named if f"# HELP {name} " not in page} == set()


def test_every_key_it_names_is_there(tmp_path: Path) -> None:
    printed = streamer("check", "--print", folder=tmp_path, STREAMER_MQTT_URL="mqtt://127.0.0.1:1").stdout
    there: set[str] = set()
    table = ""
    for line in printed.splitlines():
        if found := re.fullmatch(r"\[([a-z.]+)\]", line):
            table = found[1]
        elif found := re.match(r"([a-z_]+) = ", line):
            there.add(f"{table}.{found[1]}")
    named = {key for key in re.findall(r"`([a-z.]+\.[a-z_]+)\b", GUIDE) if key.rpartition(".")[0] in TABLES}
    assert len(named) > 20
    assert named - there == set()


LOGGED = re.findall(r"log `([^`]+)`", GUIDE)
CODES = re.findall(r"^\| 10\d\d \| `([a-z_]+)`", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("line", sorted(set(LOGGED)))
def test_every_log_line_it_quotes_can_be_said(line: str) -> None:
    said = joined(SPOKEN)
    assert [part for part in re.split(r"\.\.\.|mqtt://|; ", line) if part.strip(" :") not in said] == []


@pytest.mark.parametrize("code", sorted(set(CODES)))
def test_every_reason_of_a_close_can_be_given(code: str) -> None:
    assert f'"{code}"' in SPOKEN
