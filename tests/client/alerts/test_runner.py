from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from streamer_client.alerts.engine import Engine
from streamer_client.alerts.rules import default_rules
from streamer_client.alerts.runner import run_alerts
from streamer_client.broker import Broker
from streamer_client.errors import BrokerError
from streamer_client.events import UtteranceEvent, decode, encode


@asynccontextmanager
async def running(broker: Any, **more: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Run the alert service; the block begins when it listens."""
    listening = asyncio.Event()
    service = asyncio.create_task(
        run_alerts(default_rules(), broker=Broker(broker.url), on_status=lambda *_: listening.set(), **more)
    )
    try:
        await listening.wait()
        yield service
    finally:
        service.cancel()
        await asyncio.wait([service])


async def speak(broker: Any, *events: UtteranceEvent) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for event in events:
            call = event.data.call
            await client.publish(f"emotion/v1/{call.tenant}/calls/{call.id}/customer/utterance", encode(event), qos=1)


def outburst(make: Any, **more: Any) -> list[UtteranceEvent]:
    return [make.utterance(n, start_ms=9000 * n, end_ms=9000 * n + 2000, **more) for n in (1, 2)]


def alerted_call(message: aiomqtt.Message) -> str:
    return decode(message.payload).data.call.id


async def test_an_angry_customer_becomes_an_alert_on_its_topic(mosquitto: Any, collecting: Any, make: Any) -> None:
    printed = []
    async with (
        collecting(mosquitto, "emotion/v1/+/alerts/#") as heard,
        running(mosquitto, on_alert=printed.append),
    ):
        await speak(mosquitto, *outburst(make), *outburst(make))
        await speak(mosquitto, *outburst(make, call="CA2"))
        first, second = await heard.count(2)
    alert = decode(first.payload)
    assert first.topic.value == "emotion/v1/default/alerts/warning"
    assert (first.qos, first.retain) == (1, False)
    assert first.properties.ContentType == "application/cloudevents+json"
    assert ("id", alert.id) in first.properties.UserProperty
    assert alert.data.utterances == tuple(event.id for event in outburst(make))
    assert decode(second.payload).data.call.id == "CA2"
    assert printed[0] == alert


async def test_an_alert_goes_to_the_tenant_of_its_call(mosquitto: Any, collecting: Any, make: Any) -> None:
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard, running(mosquitto, tenant="+"):
        await speak(mosquitto, *outburst(make, tenant="acme"))
        (message,) = await heard.count(1)
    assert message.topic.value == "emotion/v1/acme/alerts/warning"


async def test_a_second_service_gives_the_alert_the_same_id(mosquitto: Any, collecting: Any, make: Any) -> None:
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard:
        for times in (1, 2):
            async with running(mosquitto):
                await speak(mosquitto, *outburst(make))
                messages = await heard.count(times)
    assert len({decode(message.payload).id for message in messages}) == 1


async def test_alerts_go_on_after_the_broker_was_away(mosquitto: Any, collecting: Any, make: Any) -> None:
    back: asyncio.Queue = asyncio.Queue()
    service = asyncio.create_task(
        run_alerts(default_rules(), broker=Broker(mosquitto.url), on_status=lambda said, _: back.put_nowait(said))
    )
    try:
        assert await back.get() == "connected"
        async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard:
            await speak(mosquitto, outburst(make)[0])
            await speak(mosquitto, *outburst(make, call="CA2"))
            await heard.count(1)
            await asyncio.to_thread(mosquitto.stop)
            await asyncio.to_thread(mosquitto.start)
            while await back.get() != "connected":
                pass
            await speak(mosquitto, outburst(make)[1])
            # What was not acknowledged when the broker went is delivered again: at least once, with the same id.
            messages = await heard.until(lambda messages: len(set(map(alerted_call, messages))) == 2)
    finally:
        service.cancel()
        await asyncio.wait([service])
    assert list(dict.fromkeys(map(alerted_call, messages))) == ["CA2", "CA1"]
    assert len({decode(message.payload).id for message in messages}) == 2


async def test_without_a_broker_the_service_does_not_start() -> None:
    with pytest.raises(BrokerError, match="is it running there"):
        await run_alerts(default_rules(), broker=Broker("mqtt://127.0.0.1:1"))


async def test_an_error_of_the_rules_ends_the_service_instead_of_leaving_it_deaf(
    mosquitto: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_engine: object, _event: object, *, now_s: float) -> None:
        raise ZeroDivisionError(now_s)

    monkeypatch.setattr(Engine, "receive", fail)
    async with running(mosquitto) as service:
        await speak(mosquitto, make.utterance())
        with pytest.raises(ZeroDivisionError):
            await service


async def test_a_broker_that_forbids_alerts_ends_the_service_in_words(
    mosquitto_with: Any, make: Any, tmp_path: Path
) -> None:
    (tmp_path / "acl").write_text("topic readwrite emotion/v1/+/calls/#\n")
    (tmp_path / "acl").chmod(0o644)
    strict = mosquitto_with(f"acl_file {tmp_path / 'acl'}")
    async with running(strict) as service:
        await speak(strict, *outburst(make))
        with pytest.raises(BrokerError, match=r"forbids us to publish on emotion/v1/default/alerts/warning \(Not auth"):
            await service
