"""Is everything there that a node needs, and does it fit together: the checks of `streamer check`.

Each check looks at one thing and says one line; a failed one never hides the next. This file must never change
anything: no outbox is made, no event published.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from pathlib import Path

import msgspec

from streamer.bus.bus import mqtt_settings
from streamer.bus.mqtt import probe
from streamer.bus.topics import Topics
from streamer.config import Settings, masked
from streamer.doors import Doors
from streamer.emotion.model import load, locate
from streamer.errors import StreamerError
from streamer.leg import prove
from streamer.tls import server_context

BROKER_WITHIN_S = 5.0


class Outcome(msgspec.Struct, frozen=True):
    """What one check found."""

    what: str
    ok: bool
    says: str


async def check_all(settings: Settings) -> list[Outcome]:
    """Check configuration, keys, model, outbox and broker, in this order."""
    return [
        await _outcome("configuration", _configuration(settings)),
        await _outcome("model", _model(settings)),
        await _outcome("outbox", _outbox(settings)),
        await _outcome("broker", _broker(settings)),
    ]


async def _outcome(what: str, check: Awaitable[str]) -> Outcome:
    try:
        return Outcome(what, ok=True, says=await check)
    except StreamerError as problem:
        return Outcome(what, ok=False, says=str(problem))


async def _configuration(settings: Settings) -> str:
    def read() -> str:
        Doors(settings)
        return ", TLS" if server_context(settings.server) else ""

    tls = await asyncio.to_thread(read)
    prove(settings.speech)
    analysed = ", ".join(settings.emotion.analyse) or "nobody"
    return f"node {settings.node}, analyses {analysed}, {len(settings.keys)} keys{tls}"


async def _model(settings: Settings) -> str:
    model = await asyncio.to_thread(lambda: load(locate(settings.emotion.model)))
    card = model.card
    found = f"{card.name} {card.version}, {len(card.labels)} emotions, sha256 {card.sha256[:12]}"
    return f"{found}; beware: {card.restriction}" if card.restriction else found


async def _outbox(settings: Settings) -> str:
    def writable() -> None:
        path = Path(settings.outbox.path).absolute()
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as problem:
            raise StreamerError(
                f"outbox.path: cannot write to {path.parent}: {problem.strerror}; choose another with outbox.path"
            ) from problem

    await asyncio.to_thread(writable)
    return f"{settings.outbox.path} can be written"


async def _broker(settings: Settings) -> str:
    mqtt = mqtt_settings(settings)
    try:
        Topics(mqtt.base)
    except ValueError as problem:
        raise StreamerError(str(problem)) from problem
    await probe(mqtt, BROKER_WITHIN_S)
    return f"{mqtt.url} answers, MQTT {mqtt.version}"


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
