"""Where the MQTT broker is, how to get in, and every way in which that can fail put into words.

Shared by :mod:`streamer_client.subscribe` and the alerts. This file must never publish or subscribe, and never put a
password into a message.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec
from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from streamer_client.errors import BrokerError, OptionError
from streamer_client.mqtt_client import MqttClient

DEFAULT_URL = "mqtt://127.0.0.1:1883"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_VERSIONS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
_KEEPALIVE_S = 30
_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""A small packet does not wait until the one before it is acknowledged, which can take 40 ms."""
_SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long a broker keeps a persistent session's messages; as long as the server's outbox keeps its own."""

_FILES = {
    "ca_file": "ca_file names the broker's certificate authority",
    "cert_file": "cert_file names the certificate that the broker asks for",
    "key_file": "key_file names the private key of cert_file",
}


class Client(MqttClient):
    """An aiomqtt client that remembers a refused publish, which aiomqtt takes for a delivered one."""

    refused: ReasonCode | None = None
    """Why the broker last refused a message, in its acknowledgement; under 3.1.1 it has no way to say so."""
    tls_alerts: Sequence[ssl.SSLError] = ()
    """What the broker said against us on the level of TLS, which paho only logs."""

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: Any,  # noqa: ANN401 - as in aiomqtt
        flags: mqtt.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if self.tls_alerts and not self._connected.done():
            # aiomqtt would wait for its time limit, and say that nobody answers.
            self._connected.set_exception(aiomqtt.MqttError(str(self.tls_alerts[-1])))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if self._disconnected.done() and not self._disconnected.cancelled():
            # Looked at, so that a connection that went while it was being left (Mosquitto 2.0.11 hangs up after a
            # refusal) is no "exception was never retrieved" under a command's one line. Who waits still gets it.
            self._disconnected.exception()

    def _on_publish(
        self,
        client: mqtt.Client,
        userdata: Any,  # noqa: ANN401 - as in aiomqtt
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        if reason_code.is_failure:
            self.refused = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)


class Broker(msgspec.Struct, frozen=True):
    """How to reach one broker; nothing is opened or read before :meth:`client`."""

    url: str = DEFAULT_URL
    """``mqtt://host:port`` or, over TLS, ``mqtts://host:port``; may carry ``user:password@``."""
    version: str = "5"
    """``5`` or ``3.1.1``."""
    username: str = ""
    password_file: str = ""
    """File whose first line is the password."""
    ca_file: str = ""
    """Certificate authority of the broker, where the system does not know it."""
    cert_file: str = ""
    """Certificate (PEM) for a broker that asks its clients for one."""
    key_file: str = ""
    """Its private key, not encrypted; empty = in the certificate's file."""

    @property
    def address(self) -> str:
        """Scheme, host and port, for messages: never the password."""
        scheme, host, port = self._place()
        return f"{scheme}://{host}:{port}"

    def client(
        self, client_id: str | None = None, *, persistent: bool = False, will: aiomqtt.Will | None = None
    ) -> Client:
        """Return an unconnected client.

        Parameters
        ----------
        client_id : str, optional
            Made up by the library where not given.
        persistent : bool
            The broker keeps this client's subscriptions and messages while it is away, for a week under v5.
        will : aiomqtt.Will, optional
            What the broker publishes for this client when it is gone without a word.

        Raises
        ------
        OptionError
            The URL, version or a file cannot be right, or a persistent session has no `client_id`.
        """
        scheme, host, port = self._place()
        if self.version not in _VERSIONS:
            raise OptionError(f"unknown MQTT version {self.version!r}; choose from {', '.join(_VERSIONS)}")
        if persistent and not client_id:
            raise OptionError("a persistent session needs a client_id of its own: the broker keeps messages under it")
        parts = urlsplit(self.url)
        context = self._tls(scheme)
        alerts: list[ssl.SSLError] = []
        if context is not None:
            context.sslsocket_class = _socket_class(alerts)
        client = Client(
            host,
            port,
            username=self.username or unquote(parts.username or "") or None,
            password=self._password(unquote(parts.password or "")),
            identifier=client_id,
            protocol=_VERSIONS[self.version],
            keepalive=_KEEPALIVE_S,
            will=will,
            tls_context=context,
            socket_options=_AT_ONCE,
            **self._session(persistent),
        )
        client.tls_alerts = alerts
        return client

    def explain(self, problem: aiomqtt.MqttError) -> BrokerError:
        """Return what a failed or lost connection means, and what to do, in one line."""
        if isinstance(problem.__cause__, aiomqtt.MqttError):
            problem = problem.__cause__  # iteration says only that it ended; why stands behind it
        words = str(problem)
        if "[SSL: " in words:
            return BrokerError(f"the MQTT broker at {self.address}: {self._explain_tls(words)}")
        if "imed out" in words:
            return BrokerError(f"no answer from the MQTT broker at {self.address}; check the address and the firewall")
        if isinstance(problem, aiomqtt.MqttCodeError):
            reason = (words.partition("] ")[2] or words).rstrip(".")
            if "user name" in reason.lower() or "uthori" in reason:
                return BrokerError(
                    f"the MQTT broker at {self.address} does not let us in ({reason}); "
                    "check user name and password file"
                )
            if "protocol version" in reason.lower():
                return BrokerError(f"the MQTT broker at {self.address} does not speak MQTT {self.version}; try 3.1.1")
            return BrokerError(f"the MQTT broker at {self.address} ended the connection ({reason}); its log says why")
        reason = words.partition("] ")[2] if words.startswith("[Errno") else words
        return BrokerError(f"cannot reach the MQTT broker at {self.address}: {reason.lower()}; is it running there?")

    def _explain_tls(self, words: str) -> str:
        reason = words.partition("[SSL: ")[2].partition("]")[0]
        if reason == "CERTIFICATE_VERIFY_FAILED":
            why = words.partition("failed: ")[2].partition(" (_ssl")[0]
            return (
                f"its certificate is not trusted ({why}); is ca_file the authority that signed it, and the name in the "
                "address the certificate's?"
            )
        if "_ALERT_" in reason:
            what = "give the one it asks for as cert_file" if not self.cert_file else "is cert_file one that it takes?"
            return f"it does not take our certificate ({reason}); {what}"
        return f"no TLS there ({reason}); check the port, or use mqtt://"

    def _tls(self, scheme: str) -> ssl.SSLContext | None:
        """Read the files of TLS; the library's own words do not tell which of them is wrong."""
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        for name, path in files.items():
            if path and scheme != "mqtts":
                raise OptionError(f"{name} is given, but {self.address} speaks no TLS; write mqtts://")
            if path and not Path(path).is_file():
                raise OptionError(f"there is no file {path}; {_FILES[name]}")
        if scheme != "mqtts":
            return None
        if self.key_file and not self.cert_file:
            raise OptionError("key_file is given without cert_file; a key is of no use without its certificate")
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as problem:
            raise OptionError(f"cannot read a certificate in PEM from {self.ca_file}; {_FILES['ca_file']}") from problem
        if self.cert_file:
            key = self.key_file or self.cert_file
            try:
                context.load_cert_chain(self.cert_file, key, password=_no_password)
            except (OSError, ssl.SSLError) as problem:
                raise OptionError(
                    f"cannot use the certificate in {self.cert_file} with the key in {key}: both must be PEM, the key "
                    "not encrypted, and the one belong to the other"
                ) from problem
        return context

    def _place(self) -> tuple[str, str, int]:
        parts = urlsplit(self.url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in _PORTS or not parts.hostname or port == 0:
            # The URL may hold a password, so it is not repeated here.
            raise OptionError(
                "the MQTT address is not understood; expected one like mqtt://127.0.0.1:1883 or mqtts://host"
            )
        return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]

    def _password(self, from_url: str) -> str | None:
        if not self.password_file:
            return from_url or None
        try:
            lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
        except OSError as problem:
            raise OptionError(f"cannot read the password file {self.password_file}: {problem.strerror}") from problem
        if not lines:
            raise OptionError(f"the password file {self.password_file} is empty; its first line is the password")
        return lines[0]

    def _session(self, persistent: bool) -> dict[str, Any]:
        if self.version != "5":
            return {"clean_session": not persistent}
        if not persistent:
            return {"clean_start": True}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        return {"clean_start": False, "properties": properties}


def _socket_class(alerts: list[ssl.SSLError]) -> type[ssl.SSLSocket]:
    """Return a kind of socket that remembers what the broker says against us: in TLS 1.3 the first reading tells."""

    class AlertedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except OSError:
                self.close()  # paho forgets it then
                raise

        def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
            try:
                return super().recv(buflen, flags)
            except ssl.SSLError as problem:
                if "_ALERT_" in (problem.reason or ""):
                    alerts.append(problem)
                raise

    return AlertedSocket


def _no_password() -> str:
    """Keep the TLS library from asking whoever sits at the terminal."""
    return ""


def backoff(random: Random, first_s: float = 0.5, longest_s: float = 30.0) -> Iterator[float]:
    """Yield how long to wait before each next try: doubling, with jitter so that many clients do not come at once."""
    delay_s = first_s
    while True:
        yield delay_s * random.uniform(0.5, 1.0)
        delay_s = min(2 * delay_s, longest_s)
