"""One connection to the broker: opened, used, closed, with every way it can fail said in words.

On aiomqtt, whose `publish` tells neither the reason code of an acknowledgement nor that the broker closed the
connection before it answered; both are added here, on its hooks (aiomqtt 2.5, hence `<3` among the dependencies). This
file must never connect again by itself and never keep a message: both are for those above it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, ConnectFlags, DisconnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from streamer_client.mqtt_client import MqttClient

from streamer.bus.cloudevents import Outgoing
from streamer.bus.failures import explain
from streamer.bus.reasons import Trouble, advice, trouble
from streamer.bus.settings import LinkError, MqttSettings, Secrets, read_secrets

_KEEPALIVE_S: Final = 20
_CLOSE_S: Final = 2.0
_MOST_IN_FLIGHT: Final = 65535


# paho and aiomqtt log each broken connection as an error; the supervisor says it once, in words.
_quiet = logging.getLogger("streamer.bus.paho")
_quiet.setLevel(logging.CRITICAL)


def publish_properties(message: Outgoing, kind: int = PacketTypes.PUBLISH) -> Properties:
    """Return the MQTT 5 properties of a message (CloudEvents MQTT binding, structured mode)."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    if message.payload:
        properties.PayloadFormatIndicator = 1
    if message.content_type:
        properties.ContentType = message.content_type
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    if message.properties:
        properties.UserProperty = list(message.properties)
    return properties


async def connect(
    settings: MqttSettings,
    *,
    client_id: str | None = None,
    will: Outgoing | None = None,
    will_delay_s: int = 0,
    timeout_s: float = 10,
) -> Link:
    """Return an open connection.

    Parameters
    ----------
    settings
        Which broker, and as whom.
    client_id
        Name of the session; None lets the broker give one. Two connections of one name put each other out.
    will
        What the broker publishes when the connection breaks without a goodbye.
    will_delay_s
        Under v5, how long the broker waits with that for the same client to come back.
    timeout_s
        How long the broker may take to answer.

    Raises
    ------
    LinkError
        It did not come about.
    """
    host, port, tls = settings.address()
    secrets = await asyncio.to_thread(read_secrets, settings, tls=tls)
    link = Link(settings, host, port, secrets, client_id, will, will_delay_s, timeout_s)
    await link.open()
    return link


class Link(MqttClient):
    """An open connection; made by :func:`connect`, used once."""

    def __init__(  # noqa: PLR0917 - called in one place, above
        self,
        settings: MqttSettings,
        host: str,
        port: int,
        secrets: Secrets,
        client_id: str | None,
        will: Outgoing | None,
        will_delay_s: int,
        timeout_s: float,
    ) -> None:
        self._settings = settings
        self._tls_alerts = secrets.alerts
        self._v5 = settings.version == "5"
        self._acks: dict[int, asyncio.Future[ReasonCode | None]] = {}
        self._call_keys: dict[int, str] = {}
        """Whose the messages are that were sent, by packet number, until they are written (QoS 0) or acknowledged."""
        self._why_lost: ReasonCode | None = None
        self.most_in_flight = _MOST_IN_FLIGHT
        """Unacknowledged messages that the broker takes (its Receive Maximum)."""
        self.largest_packet: int | None = None
        """Bytes of the largest packet that the broker takes; None where it does not say (3.1.1 never does)."""
        self.highest_qos = 2
        self.keeps_retained = True
        # In v5 the will waits only while the session lives, and only a client that comes back to it stops the will.
        options: dict[str, Any] = {"clean_session": True}
        if self._v5:
            session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            session.SessionExpiryInterval = 2 * will_delay_s
            options = {"clean_start": not will_delay_s, "properties": session}
        super().__init__(
            host,
            port,
            username=settings.username or None,
            password=secrets.password,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if self._v5 else aiomqtt.ProtocolVersion.V311,
            will=self._will(will, will_delay_s) if will else None,
            timeout=timeout_s,
            logger=_quiet,
            keepalive=_KEEPALIVE_S,
            # The window is kept by whoever sends; a second one in here would hold messages back unseen.
            max_inflight_messages=_MOST_IN_FLIGHT,
            tls_context=secrets.tls,
            **options,
        )

    def _will(self, message: Outgoing, delay_s: int) -> aiomqtt.Will:
        properties = None
        if self._v5:
            properties = publish_properties(message, PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = delay_s
        return aiomqtt.Will(message.topic, message.payload, message.qos, message.retain, properties)

    async def open(self) -> None:
        """Connect, once.

        Raises
        ------
        LinkError
            It did not come about; nothing is left open.
        """
        opening = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread that connects cannot be stopped; what it opened must not be left behind.
            if not self._connected.done():
                self._connected.set_exception(aiomqtt.MqttError("given up"))
                self._connected.exception()  # seen, whoever still waits for it
            self.abort()
            await asyncio.wait([opening])
            if not opening.cancelled():
                opening.exception()
            self.abort()
            raise
        except aiomqtt.MqttError as problem:
            self.abort()
            raise explain(problem, self._settings) from problem
        self._disconnected.add_done_callback(self._fail_acks)

    def send(self, message: Outgoing) -> asyncio.Future[ReasonCode | None]:
        """Hand a message to the network; the future is the acknowledgement's reason code (None for QoS 0).

        Raises
        ------
        LinkError
            The connection is gone. The future fails with it too when it goes before the acknowledgement comes.
        """
        self.check()
        future: asyncio.Future[ReasonCode | None] = asyncio.get_running_loop().create_future()
        info = self._client.publish(
            message.topic,
            message.payload,
            message.qos,
            message.retain,
            publish_properties(message) if self._v5 else None,
        )
        if info.rc != MQTT_ERR_SUCCESS:
            raise LinkError(f"the broker is gone ({info.rc.name})", Trouble.LOST)
        if message.call_key and message.payload and not info.is_published():
            self._call_keys[info.mid] = message.call_key
        if message.qos:
            self._acks[info.mid] = future
        else:
            future.set_result(None)
        return future

    def fits(self, message: Outgoing) -> bool:
        """Return whether the broker takes packets of this message's size (MQTT 5, section 3.2.2.3.6)."""
        if self.largest_packet is None:
            return True
        rest = len(publish_properties(message).pack()) + len(message.topic.encode()) + 4 + len(message.payload)  # type: ignore[no-untyped-call]
        length_bytes = max(1, -(-rest.bit_length() // 7))
        return 1 + length_bytes + rest <= self.largest_packet

    @property
    def certificate(self) -> Mapping[str, object]:
        """The broker's certificate as `ssl.SSLSocket.getpeercert` gives it; empty without TLS."""
        sock = self._client.socket()
        return (sock.getpeercert() or {}) if isinstance(sock, ssl.SSLSocket) else {}

    def recall(self, call_key: str) -> None:
        """Take back what a call has sent and the network has not begun to take; its futures are cancelled.

        The message that clears the call's state is none of it. What the network has, or has the beginning of, stays.
        """
        # paho has no verb for it. Whoever writes to its queue runs in this event loop, so nothing changes meanwhile.
        queue = self._client._out_packet  # noqa: SLF001
        kept = []
        for packet in tuple(queue):
            mid = packet["mid"]
            is_theirs = packet["info"] is not None and self._call_keys.get(mid) == call_key
            if packet["pos"] or not is_theirs:
                kept.append(packet)
                continue
            del self._call_keys[mid]
            self._client._out_messages.pop(mid, None)  # noqa: SLF001
            ack = self._acks.pop(mid, None)
            if ack is not None:
                ack.cancel()
        queue.clear()
        queue.extend(kept)

    @property
    def has_unwritten(self) -> bool:
        """Whether messages wait for the network to take them."""
        return bool(self._client.want_write())

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._disconnected.done()

    def on_lost(self, tell: asyncio.Event) -> None:
        """Have an event set when the connection is gone."""
        self._disconnected.add_done_callback(lambda _: tell.set())

    def check(self) -> None:
        """Raise :class:`LinkError` where the connection is gone."""
        if self.lost:
            raise self._reason()

    async def close(self) -> None:
        """Say goodbye, so that the will is dropped; where the network does not take it, hang up."""
        if not self.lost:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self.__aexit__(None, None, None)
        self.abort()

    def abort(self) -> None:
        """Hang up without a goodbye: the broker publishes the will."""
        if self._client.socket() is not None:
            # paho closes its socket only on what the network says, and this one says nothing any more.
            self._client._sock_close()  # noqa: SLF001
        if not self._disconnected.done():
            self._disconnected.set_exception(aiomqtt.MqttError("given up"))
        if not self._disconnected.cancelled():
            self._disconnected.exception()  # seen, so that asyncio does not report it as forgotten

    def _on_connect(
        self,
        client: Client,
        userdata: Any,  # noqa: ANN401 - paho's signature
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.most_in_flight = getattr(properties, "ReceiveMaximum", _MOST_IN_FLIGHT)
        self.largest_packet = getattr(properties, "MaximumPacketSize", None)
        self.highest_qos = getattr(properties, "MaximumQoS", 2)
        self.keeps_retained = bool(getattr(properties, "RetainAvailable", 1))
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,  # noqa: ANN401 - paho's signature
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._why_lost = reason_code
        if not self._connected.done():
            # aiomqtt would wait for its time limit.
            problem = aiomqtt.MqttError("closed without an answer")
            problem.__context__ = self._tls_alerts[-1] if self._tls_alerts else None
            self._connected.set_exception(problem)
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(
        self,
        client: Client,
        userdata: Any,  # noqa: ANN401, ARG002 - paho's signature
        sock: Any,  # noqa: ANN401
    ) -> None:
        def write() -> None:
            try:
                client.loop_write()
            except Exception as problem:  # noqa: BLE001 - whatever it is, it ends the connection and is its reason
                if not self._disconnected.done():
                    self._disconnected.set_exception(problem)

        def register() -> None:
            # aiomqtt registers without looking: a socket closed in the meantime, or another one of its number.
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(register)

    def _on_publish(
        self,
        client: Client,
        userdata: Any,  # noqa: ANN401 - paho's signature
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        self._call_keys.pop(mid, None)
        ack = self._acks.pop(mid, None)
        if ack is not None and not ack.done():
            ack.set_result(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _reason(self) -> LinkError:
        code = self._why_lost
        if code is None:
            return LinkError("the connection broke", Trouble.LOST)
        text = f"the broker closed the connection ({code}); {advice(code.value)}"
        return LinkError(text, trouble(code.value))

    def _fail_acks(self, lost: asyncio.Future[None]) -> None:
        if not lost.cancelled():
            lost.exception()
        acks, self._acks = self._acks, {}
        for ack in acks.values():
            if not ack.done():
                ack.set_exception(self._reason())
                ack.exception()
