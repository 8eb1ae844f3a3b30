"""Which broker, and as whom: the settings of a connection, checked, with the secrets they name read.

This file must never open a socket, and no message of it may ever repeat a password.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from streamer.access.pem import PemError, PemFile, client_context, load_pair
from streamer.bus.reasons import Trouble
from streamer.errors import StreamerError


class LinkError(StreamerError):
    """The broker cannot be reached or was lost; the message says why and what to do."""

    def __init__(self, message: str, trouble: Trouble = Trouble.SETTINGS) -> None:
        super().__init__(message)
        self.trouble = trouble
        """What kind of trouble it is, for the metric."""


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
    cert_file: str = ""
    """PEM file of a certificate that the broker asks for (mutual TLS); empty = none is shown."""
    key_file: str = ""
    """Its private key, not encrypted; empty = in the certificate's file."""

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
        for name in ("ca_file", "cert_file", "key_file"):
            if getattr(self, name) and not tls:
                raise LinkError(f"mqtt.{name}: is set, but mqtt.url speaks no TLS; write mqtts:// or leave {name} out")
        if self.key_file and not self.cert_file:
            raise LinkError("mqtt.key_file: is set without mqtt.cert_file; a key is of no use without its certificate")
        if self.password_file and not self.username:
            raise LinkError("mqtt.password_file: is set without mqtt.username; set both or neither")
        return host, port or (8883 if tls else 1883), tls


def _socket_class(alerts: list[ssl.SSLError]) -> type[ssl.SSLSocket]:
    """Return a kind of socket that remembers what the broker says against us on the level of TLS.

    paho tells only that the network broke. In TLS 1.3 the broker looks at our certificate when for us the handshake is
    over, so its refusal comes with the first reading.
    """

    class HandshakingSocket(ssl.SSLSocket):
        """Closes itself when the handshake fails: paho forgets it then, once for every try."""

        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except OSError:
                self.close()
                raise

        def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
            try:
                return super().recv(buflen, flags)
            except ssl.SSLError as problem:
                if "ALERT" in (problem.reason or ""):
                    alerts.append(problem)
                raise

    return HandshakingSocket


class Secrets(msgspec.Struct, frozen=True):
    """What the files hold that the settings name."""

    password: str | None
    tls: ssl.SSLContext | None
    alerts: list[ssl.SSLError]
    """What the broker will have said against us on the level of TLS; empty until there is a connection."""


def read_secrets(settings: MqttSettings, *, tls: bool) -> Secrets:
    """Read the files that the settings name; blocking.

    Raises
    ------
    LinkError
        One of them cannot be read.
    """
    password = context = None
    alerts: list[ssl.SSLError] = []
    if settings.password_file:
        try:
            password = Path(settings.password_file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as problem:
            raise LinkError(f"mqtt.password_file: cannot read {settings.password_file}: {problem}") from problem
    if tls:
        try:
            context = _context(settings)
            context.sslsocket_class = _socket_class(alerts)
        except PemError as problem:
            raise LinkError(str(problem)) from problem
    return Secrets(password, context, alerts)


def _context(settings: MqttSettings) -> ssl.SSLContext:
    context = client_context(PemFile("mqtt.ca_file", settings.ca_file) if settings.ca_file else None)
    if settings.cert_file:
        cert = PemFile("mqtt.cert_file", settings.cert_file)
        load_pair(context, cert, PemFile("mqtt.key_file", settings.key_file) if settings.key_file else cert)
    return context
