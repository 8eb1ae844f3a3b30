"""The generator's subscription: utterance events, each with the moment at which it came.

A client of the broker without a thread, so that it shares the generator's loop. This file must never do more with an
event while the load lasts than note it.
"""

from __future__ import annotations

import time
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from streamer.bench.plan import Plan

_WITHIN_S: Final = 10.0
_KEEPALIVE_S: Final = 3600


class HearingError(Exception):
    """The broker does not take the subscription; the message says more."""


class Ear:
    """Hears the utterances of a plan's calls.

    Parameters
    ----------
    plan
        Which broker, and whose calls.

    Raises
    ------
    HearingError
        It is not there or refuses.
    """

    def __init__(self, plan: Plan) -> None:
        self.heard: list[tuple[float, bytes]] = []
        """When each event came, on the monotonic clock in s, and its payload."""
        self._mark = f"/{plan.run}-c"
        self._subscribed = False
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"{plan.run}-ear", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        try:
            self._client.connect(plan.host, plan.mqtt_port, keepalive=_KEEPALIVE_S)
        except OSError as problem:
            raise HearingError(f"no connection to the broker: {problem}") from problem
        until_s = time.monotonic() + _WITHIN_S
        asked = False
        while not self._subscribed:
            code = self._client.loop(0.05)
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or time.monotonic() > until_s:
                raise HearingError(f"the broker did not take the subscription: {code.name}")
            if self._client.is_connected() and not asked:
                self._client.subscribe(f"{plan.base}/v1/+/calls/+/+/utterance", qos=0)
                asked = True

    def fileno(self) -> int:
        """Return the socket's number, for `select`."""
        found = self._client.socket()
        if found is None:
            raise HearingError("the connection to the broker was lost")
        return int(found.fileno())

    def listen(self) -> None:
        """Take what has come.

        Raises
        ------
        HearingError
            The connection is lost.
        """
        code = self._client.loop_read()
        if code not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN):
            raise HearingError(f"the connection to the broker was lost: {code.name}")

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:  # noqa: ANN401 - paho's
        if self._mark in message.topic:
            self.heard.append((time.monotonic(), bytes(message.payload)))

    def _on_subscribe(self, *_: Any) -> None:  # noqa: ANN401 - paho's
        self._subscribed = True
