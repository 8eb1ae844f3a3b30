"""What must not be within reach of others: a port that nobody has to show anything at, a file with a secret in it.

The first is refused at the start, so that a server that was put on a network by one changed address never takes
strangers' calls; the second is said, for what others on the machine may read is the operator's business. This file
must never read a secret, only who else could.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from streamer.auth import is_loopback
from streamer.config import ConfigError, Settings, masked

_HAS_MODES: Final = os.name == "posix"
"""Windows has lists of rights, and gives each file a mode that says nothing."""


def refuse_open_ports(settings: Settings) -> None:
    """Refuse to listen beyond this machine where nothing says who may come in.

    What is no address of loopback in so many words counts as beyond: every name but `localhost`, an empty host (all
    addresses), and spellings of an address that only the system understands.

    Raises
    ------
    ConfigError
        The message names the key and the ways out.
    """
    server = settings.server
    if not (is_loopback(server.host) or server.open or _has_credential(settings)):
        raise ConfigError(
            f"server.host: {server.host!r} can be reached from other machines, but there is no [[keys]] entry, so "
            "nobody could come in. Add one (docs/security.md), or listen on 127.0.0.1, or say server.open = true "
            "where something in front of this server checks who comes"
        )
    audiosocket = settings.dialects.audiosocket
    host = audiosocket.host or server.host
    if audiosocket.port and not (is_loopback(host) or audiosocket.allow or _has_certificate(settings)):
        raise ConfigError(
            f"dialects.audiosocket.host: {host!r} can be reached from other machines, but dialects.audiosocket.allow "
            'names none of them. Name the PBX there, or set dialects.audiosocket.host = "127.0.0.1" '
            "(server.open does not open this port: the protocol has no secret)"
        )


def _has_credential(settings: Settings) -> bool:
    """Whether anything could let a WebSocket in; tokens in a first message and Exotel's proxy are no keys."""
    plivo, exotel = settings.dialects.plivo, settings.dialects.exotel
    return bool(
        settings.keys
        or (plivo.auth == "token" and (plivo.token or plivo.token_file))
        or (exotel.auth == "token" and (exotel.token or exotel.token_file))
        or exotel.auth == "proxy"
    )


def _has_certificate(settings: Settings) -> bool:
    return settings.dialects.audiosocket.tls and any(key.certificate for key in settings.keys)


def readable_secrets(settings: Settings, config_file: Path | None) -> list[str]:
    """Return a sentence for each file with a secret in it that everybody on this machine may read.

    Files that cannot be looked at are left to what opens them. Blocking.

    Parameters
    ----------
    settings
        Names the files.
    config_file
        Where they were read from; None where there is none.
    """
    server, mqtt = settings.server, settings.mqtt
    found = {"server.tls_key_file": server.tls_key_file or server.tls_cert_file}
    found["mqtt.key_file"] = mqtt.key_file or mqtt.cert_file
    found["mqtt.password_file"] = mqtt.password_file
    found["privacy.salt_file"] = settings.privacy.salt_file
    found |= {f"keys: {number}. secret_file": key.secret_file for number, key in enumerate(settings.keys, 1)}
    for name in settings.dialects.__struct_fields__:
        found[f"dialects.{name}.token_file"] = getattr(getattr(settings.dialects, name), "token_file", "")
    if config_file is not None and masked(settings) != msgspec.to_builtins(settings):
        found["the configuration"] = str(config_file)
    return [
        f"{what}: {path} holds a secret, and everybody on this machine may read it (mode {mode:04o}); chmod o-r it"
        for what, path in found.items()
        if path and (mode := _mode(path)) & stat.S_IROTH
    ]


def _mode(path: str) -> int:
    if not _HAS_MODES:
        return 0
    try:
        return stat.S_IMODE(Path(path).stat().st_mode)
    except OSError:
        return 0
