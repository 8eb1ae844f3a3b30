from __future__ import annotations

from typing import Any

import pytest
from streamer_client.broker import Broker
from streamer_client.errors import BrokerError
from streamer_client.events import decode
from streamer_client.publish import publish


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_an_event_goes_out_as_the_server_sends_its_own(
    mosquitto: Any, collecting: Any, make: Any, version: str
) -> None:
    broker = Broker(mosquitto.url, version)
    async with collecting(mosquitto, "a/#") as heard, broker.client() as client:
        await publish(client, broker, "a/b", make.alert())
        (message,) = await heard.count(1)
    assert decode(message.payload) == make.alert()
    assert (message.qos, message.retain) == (1, False)
    if version == "5":
        assert message.properties.ContentType == "application/cloudevents+json"
        assert message.properties.UserProperty == [
            ("specversion", "1.0"),
            ("id", "CA1-alert"),
            ("type", "emotion-streamer.alert.v1"),
            ("source", "/alerts"),
            ("subject", "CA1"),
        ]


async def test_what_the_broker_refuses_is_said(mosquitto_with: Any, make: Any, tmp_path: Any) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read #\n")
    broker = Broker(mosquitto_with(f"acl_file {rights}").url)
    async with broker.client() as client:
        with pytest.raises(BrokerError, match=r"forbids us to publish on a/b \(.*\); allow it for this user"):
            await publish(client, broker, "a/b", make.alert())
