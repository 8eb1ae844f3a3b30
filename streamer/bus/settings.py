"""Which broker, and as whom: the settings of a connection, checked, with the secrets they name read.

This file must never open a socket, and no message of it may ever repeat a password.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from streamer.errors import StreamerError


class LinkError(StreamerError):
    """The broker cannot be reached or was lost; the message says why and what to do."""


class MqttSettings(msgspec.Struct, frozen=True):
    """Which broker, and as whom."""

    url: str = "mqtt://127.0.0.1:1883"
    """``mqtt://host[:port]``, or ``mqtts://host[:port]`` for TLS. Never with a password in it: URLs are logged."""
    version: Literal["5", "3.1.1"] = "5"
    base: str = "emotion"
    """First level of every topic."""
    username: str = ""
    password_file: str = ""
    """File with the password on its first line; read at every connect, so that it can be changed in place."""
    ca_file: str = ""
    """PEM file of the authority that signed the broker's certificate; empty = those of the system."""

    def address(self) -> tuple[str, int, bool]:
        """Return host, port and whether TLS is spoken.

        Raises
        ------
        LinkError
            The URL or what goes with it cannot be.
        """
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError as problem:
            raise LinkError(f"mqtt.url: {problem}; expected mqtt://host:1883 or mqtts://host:8883") from problem
        if "@" in parts.netloc:
            raise LinkError("mqtt.url: holds a user or password; use mqtt.username and mqtt.password_file")
        if parts.scheme not in {"mqtt", "mqtts"} or not host or parts.path.strip("/") or parts.query:
            raise LinkError(f"mqtt.url: got {self.url!r}, expected mqtt://host:1883 or mqtts://host:8883")
        tls = parts.scheme == "mqtts"
        if self.ca_file and not tls:
            raise LinkError("mqtt.ca_file: is set, but mqtt.url speaks no TLS; write mqtts:// or leave ca_file out")
        if self.password_file and not self.username:
            raise LinkError("mqtt.password_file: is set without mqtt.username; set both or neither")
        return host, port or (8883 if tls else 1883), tls


class _HandshakingSocket(ssl.SSLSocket):
    """A socket that closes itself when the handshake fails: paho forgets it then, once for every try."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Secrets(msgspec.Struct, frozen=True):
    """What the files hold that the settings name."""

    password: str | None
    tls: ssl.SSLContext | None


def read_secrets(settings: MqttSettings, *, tls: bool) -> Secrets:
    """Read the files that the settings name; blocking.

    Raises
    ------
    LinkError
        One of them cannot be read.
    """
    password = context = None
    if settings.password_file:
        try:
            password = Path(settings.password_file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as problem:
            raise LinkError(f"mqtt.password_file: cannot read {settings.password_file}: {problem}") from problem
    if tls:
        try:
            context = ssl.create_default_context(cafile=settings.ca_file or None)
            context.sslsocket_class = _HandshakingSocket
        except (OSError, ssl.SSLError) as problem:
            raise LinkError(f"mqtt.ca_file: cannot read {settings.ca_file} as PEM: {problem}") from problem
    return Secrets(password, context)
