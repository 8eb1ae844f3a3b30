"""Where the MQTT broker is, how to get in, and every way in which that can fail put into words.

Shared by :mod:`streamer_client.subscribe` and the alerts. This file must never publish or subscribe, and never put a
password into a message.
"""

from __future__ import annotations

from collections.abc import Iterator
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

DEFAULT_URL = "mqtt://127.0.0.1:1883"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_VERSIONS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
_KEEPALIVE_S = 30
_SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long a broker keeps a persistent session's messages; as long as the server's outbox keeps its own."""


class Client(aiomqtt.Client):
    """An aiomqtt client that remembers a refused publish, which aiomqtt takes for a delivered one."""

    refused: ReasonCode | None = None
    """Why the broker last refused a message, in its acknowledgement; under 3.1.1 it has no way to say so."""

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

    @property
    def address(self) -> str:
        """Scheme, host and port, for messages: never the password."""
        scheme, host, port = self._place()
        return f"{scheme}://{host}:{port}"

    def client(self, client_id: str | None = None, *, persistent: bool = False) -> Client:
        """Return an unconnected client.

        Parameters
        ----------
        client_id : str, optional
            Made up by the library where not given.
        persistent : bool
            The broker keeps this client's subscriptions and messages while it is away, for a week under v5.

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
        if self.ca_file and not Path(self.ca_file).is_file():
            raise OptionError(f"there is no file {self.ca_file}; ca_file names the broker's certificate authority")
        return Client(
            host,
            port,
            username=self.username or unquote(parts.username or "") or None,
            password=self._password(unquote(parts.password or "")),
            identifier=client_id,
            protocol=_VERSIONS[self.version],
            keepalive=_KEEPALIVE_S,
            tls_params=aiomqtt.TLSParameters(ca_certs=self.ca_file or None) if scheme == "mqtts" else None,
            **self._session(persistent),
        )

    def explain(self, problem: aiomqtt.MqttError) -> BrokerError:
        """Return what a failed or lost connection means, and what to do, in one line."""
        if isinstance(problem.__cause__, aiomqtt.MqttError):
            problem = problem.__cause__  # iteration says only that it ended; why stands behind it
        words = str(problem)
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


def backoff(random: Random, first_s: float = 0.5, longest_s: float = 30.0) -> Iterator[float]:
    """Yield how long to wait before each next try: doubling, with jitter so that many clients do not come at once."""
    delay_s = first_s
    while True:
        yield delay_s * random.uniform(0.5, 1.0)
        delay_s = min(2 * delay_s, longest_s)
