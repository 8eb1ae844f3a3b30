"""The settings in force, as a file that could be read again but for its secrets.

This file must never show a secret: what is masked is decided in `config`.
"""

from __future__ import annotations

import msgspec

from streamer.config import Settings, masked


def shown(settings: Settings) -> str:
    """Return the settings in force as TOML-like lines, secrets masked."""
    lines: list[str] = []
    _show(masked(settings), "", lines)
    return "\n".join(lines)


def _show(table: dict[str, object], name: str, lines: list[str]) -> None:
    """Write a table, first its own keys, then its inner tables."""
    if name:
        lines.append(f"\n[{name}]")
    for key, value in table.items():
        if not isinstance(value, dict) and key != "keys":
            lines.append(f"{key} = {_toml(value)}")
    for key, value in table.items():
        if isinstance(value, dict) and key != "roles":
            _show(value, f"{name}.{key}" if name else key, lines)
        elif isinstance(value, dict):
            lines.append(f"{key} = {{ {', '.join(f'{k} = {_toml(v)}' for k, v in value.items())} }}")
    keys = table.get("keys")
    if isinstance(keys, list | tuple):
        for entry in keys:
            lines.append("\n[[keys]]")
            lines.extend(f"{key} = {_toml(value)}" for key, value in entry.items())


def _toml(value: object) -> str:
    """Return a value as TOML writes it; for these types JSON is the same."""
    return msgspec.json.encode(value).decode()
