"""The settings in force: a file with every key, that can be read again, and no secret."""

from __future__ import annotations

import tomllib
from pathlib import Path

from streamer.checks.shown import shown
from streamer.config import load


def test_what_is_shown_is_toml_with_every_key_and_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "streamer.toml"
    config.write_text('[[keys]]\nid = "a"\nsecret = "hunter2"\n', encoding="utf-8")
    text = shown(load(config, {}, {"server.port": 1234}))
    tables = tomllib.loads(text)
    assert tables["server"]["port"] == 1234
    assert tables["dialects"]["twilio"]["roles"] == {"inbound": "customer", "outbound": "agent"}
    assert tables["keys"][0]["id"] == "a"
    assert "hunter2" not in text
    again = tmp_path / "again.toml"
    again.write_text(text, encoding="utf-8")
    assert load(again, {}, {}).server.port == 1234
