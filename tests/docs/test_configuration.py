"""The guides to the configuration have every key, with the default, the unit and the range in force."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer.config import ConfigError, KeySettings, Settings, load
from tests.docs.reading import blocks, rows, text

GUIDE = text("docs/configuration.md") + text("docs/dialects.md")
UNITS = {"_ms": "ms", "_s": "s", "_bytes": "bytes", "_dbfs": "dBFS"}
NO_TOML = {"node": "the host's name", "id": "required"}


def documented() -> dict[str, tuple[str, str]]:
    """Return dotted key to default and unit as they stand in the guide."""
    found = {}
    for heading, (key, default, unit, _meaning) in rows(GUIDE):
        table = "" if heading == "Top level" else heading.strip("[]") + "."
        found[table + key.strip("`")] = (default.strip("`"), unit)
    return found


def in_force() -> dict[str, Any]:
    """Return dotted key to default; of `keys`, those of an entry."""
    found: dict[str, Any] = {}

    def walk(table: dict[str, Any], prefix: str) -> None:
        for name, value in table.items():
            if isinstance(value, dict) and name not in {"roles", "participants", "calls_per_tenant"}:
                walk(value, f"{prefix}{name}.")
            else:
                found[prefix + name] = value

    settings = msgspec.to_builtins(Settings())
    settings["keys"] = msgspec.to_builtins(KeySettings(id=""))
    walk(settings, "")
    return found


def test_the_guides_have_every_key_and_no_other() -> None:
    assert sorted(documented()) == sorted(in_force())


@pytest.mark.parametrize(("key", "default"), in_force().items())
def test_a_default_is_the_one_in_force(key: str, default: Any) -> None:
    shown, _unit = documented()[key]
    name = key.rpartition(".")[2]
    if name in NO_TOML:
        assert shown == NO_TOML[name]
    else:
        assert tomllib.loads(f"value = {shown}")["value"] == (list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("key", in_force())
def test_the_unit_is_the_one_in_the_name(key: str) -> None:
    _default, unit = documented()[key]
    suffix = next((end for end in UNITS if key.endswith(end)), None)
    assert suffix is None or re.match(rf"{UNITS[suffix]}\b", unit)


RANGES = [
    (key, int(found[1]), int(found[2]))
    for key, (_default, unit) in documented().items()
    if (found := re.search(r"(-?\d+) to (\d+)", unit))
]


@pytest.mark.parametrize(("key", "least", "most"), RANGES)
def test_a_range_is_the_one_in_force(key: str, least: int, most: int) -> None:
    for value in (least, most):
        load(None, {}, {key: value})
    for value in (least - 1, most + 1):
        with pytest.raises(ConfigError, match=re.escape(key)):
            load(None, {}, {key: value})


def test_the_example_of_keys_loads(tmp_path: Path) -> None:
    (example,) = blocks(GUIDE, "toml")
    (tmp_path / "streamer.toml").write_text(example, encoding="utf-8")
    assert [key.tenant for key in load(tmp_path / "streamer.toml", {}, {}).keys] == ["acme", "acme"]


def test_the_variables_of_the_guide_are_settings() -> None:
    names = set(re.findall(r"\bSTREAMER_[A-Z_]+\b", GUIDE)) - {"STREAMER_CONFIG", "STREAMER_"}
    examples = {"STREAMER_SPEECH_HANGOVER_MS": "300", "STREAMER_MQTT_URL": "mqtt://b", "STREAMER_LOG_FORMAT": "json"}
    assert names == set(examples)
    assert load(None, examples, {}).speech.hangover_ms == 300
