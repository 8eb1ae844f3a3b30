"""What a server was set to do, said once at each start: for whoever must show later what was in force.

One line of the log, ``configuration in force``, and, where `privacy.audit_file` names a file, the same as a line of
JSON at its end. Only what an auditor asks for stands in it in words; the digest covers every setting, so two starts
with one digest were set alike. This file must never show a secret, nor write over what an earlier start has written.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Final

from streamer.auth import is_loopback
from streamer.config import MASK, ConfigError, KeySettings, Settings, masked
from streamer.emotion.model import ModelCard

EVENT: Final = "configuration in force"


def digest(settings: Settings) -> str:
    """Return the SHA-256 of the whole configuration in force, defaults included and secrets masked.

    Returns
    -------
    str
        64 hexadecimal digits: of two starts the same if, and only if, every setting but the secrets was the same.
    """
    return hashlib.sha256(_canonical(settings).encode()).hexdigest()


def in_force(settings: Settings, card: ModelCard, version: str) -> dict[str, Any]:
    """Return what is in force, as values that JSON can hold.

    Parameters
    ----------
    settings
        The whole configuration.
    card
        Of the model that was loaded.
    version
        Of this program.
    """
    plain = json.loads(_canonical(settings))
    server, mqtt, emotion, outbox = (plain[name] for name in ("server", "mqtt", "emotion", "outbox"))
    salt_file = settings.privacy.salt_file
    return {
        "version": version,
        "node": settings.node,
        "configuration_sha256": digest(settings),
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "analysed": emotion["analyse"],
        "lawful_basis": emotion["lawful_basis"],
        "require_notice": emotion["require_notice"],
        "partial_every_ms": emotion["partial_every_ms"],
        "labels": {name: table["labels"] for name, table in plain["dialects"].items() if table.get("labels")},
        "pseudonyms": f"secret in the file {salt_file}" if salt_file else "secret in the outbox's file",
        "outbox": outbox,
        "broker": {name: mqtt[name] for name in ("url", "username", "base", "version")},
        "broker_tls": mqtt["url"].startswith("mqtts:"),
        "listens": f"{server['host']}:{server['port']}",
        "tls": _tls(settings),
        "without_key": _without_key(settings),
        "keys": [_key(key, settings) for key in settings.keys],
        "origins": server["origins"],
        "traces": settings.tracing.enabled,
        "log_level": settings.log.level,
    }


def append(path: str, line: dict[str, Any], at: str) -> None:
    """Add a start to the audit file, which is made, for this user alone, where it is missing; blocking.

    Parameters
    ----------
    path
        The file.
    line
        From :func:`in_force`.
    at
        When, as RFC 3339 writes it.

    Raises
    ------
    ConfigError
        It cannot be written. The server must not start then: what was in force could not be shown.
    """
    written = json.dumps({"time": at, "event": EVENT, **line}, ensure_ascii=False) + "\n"
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, written.encode())  # in one piece: another server may append to the same file
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as problem:
        raise ConfigError(
            f"privacy.audit_file: cannot write {path}: {problem.strerror}; check its folder and the rights of this "
            "user, or leave the key out to have the log only"
        ) from problem


def _canonical(settings: Settings) -> str:
    return json.dumps(masked(settings), sort_keys=True, separators=(",", ":"))


def _tls(settings: Settings) -> str:
    if not settings.server.tls_cert_file:
        return "off"
    return "mutual" if settings.server.tls_client_ca_file else "on"


def _without_key(settings: Settings) -> str:
    """Return who comes in without a key, certificate or entry in a list."""
    server = settings.server
    if server.open:
        return "everybody"
    return "loopback" if is_loopback(server.host) and not server.require_key else "nobody"


def _key(key: KeySettings, settings: Settings) -> dict[str, Any]:
    """Return what a key opens; its id too, except where that alone is the secret."""
    is_secret = key.id in settings.dialects.audiohook.unsigned_keys
    return {
        "id": MASK if is_secret else key.id,
        "tenant": key.tenant,
        "dialects": list(key.dialects) or ["all"],
        "max_calls": key.max_calls,
        "certificate": bool(key.certificate),
    }
