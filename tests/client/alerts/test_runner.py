from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from streamer_client.alerts.engine import Engine
from streamer_client.alerts.output import OutputError
from streamer_client.alerts.rules import default_rules, parse_rules
from streamer_client.alerts.runner import run_alerts
from streamer_client.alerts.state import Effect, State
from streamer_client.broker import Broker
from streamer_client.errors import BrokerError, ClientError
from streamer_client.events import AlertEvent, UtteranceEvent, decode, encode
from streamer_client.share import Share


@asynccontextmanager
async def running(broker: Any, **more: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Run the alert service; the block begins when it listens."""
    listening = asyncio.Event()
    service = asyncio.create_task(
        run_alerts(
            more.pop("rules", default_rules()), broker=Broker(broker.url), on_status=lambda *_: listening.set(), **more
        )
    )
    waiting = asyncio.create_task(listening.wait())
    try:
        await asyncio.wait({service, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if service.done():
            await service
        yield service
    finally:
        waiting.cancel()
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


async def test_what_is_said_while_the_service_is_away_is_heard_after_its_restart(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path
) -> None:
    first, second = outburst(make)
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard:
        async with running(mosquitto, state=tmp_path / "alerts.sqlite"):
            await speak(mosquitto, first)
        await speak(mosquitto, second)
        async with running(mosquitto, state=tmp_path / "alerts.sqlite"):
            (message,) = await heard.count(1)
    assert decode(message.payload).data.utterances == (first.id, second.id)


async def test_a_restarted_service_does_not_repeat_itself(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path
) -> None:
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard:
        for call in ("CA1", "CA2"):
            async with running(mosquitto, state=tmp_path / "alerts.sqlite"):
                await speak(mosquitto, *outburst(make), *outburst(make, call=call))
                await heard.until(lambda messages, call=call: call in map(alerted_call, messages))  # type: ignore[misc]
    assert list(map(alerted_call, heard.messages)) == ["CA1", "CA2"]


@pytest.mark.parametrize("taken", [True, False])
async def test_an_alert_in_doubt_is_looked_for_on_the_bus_before_it_is_published_again(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path, taken: bool
) -> None:
    path, printed = tmp_path / "alerts.sqlite", []
    async with running(mosquitto, state=path):
        pass  # the broker keeps its session from now on
    # As if the service had been killed while it published: it does not know whether the broker has the alert.
    state = State(path)
    state.apply(Effect(alerts=[(make.alert(), ("mqtt",))]), 0.0)
    state.close()
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard:
        if taken:
            async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
                await client.publish("emotion/v1/default/alerts/critical", encode(make.alert()), qos=1)
        async with running(mosquitto, state=path, on_alert=printed.append):
            await speak(mosquitto, *outburst(make, call="CA2"))
            messages = await heard.until(lambda messages: "CA2" in map(alerted_call, messages))
    assert list(map(alerted_call, messages)) == ["CA1", "CA2"]
    assert printed[0] == make.alert()


class Pager:
    """An output that is out of order at first."""

    name = "pager"

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.sent: asyncio.Queue[AlertEvent] = asyncio.Queue()
        self.failed = asyncio.Event()

    async def send(self, alert: AlertEvent) -> None:
        if self.broken:
            self.failed.set()
            raise OutputError("no signal", retry=True)
        self.sent.put_nowait(alert)


async def test_alerts_reach_every_output_even_if_only_after_a_restart(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path
) -> None:
    path, broken, whole = tmp_path / "alerts.sqlite", Pager(broken=True), Pager()
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard:
        async with running(mosquitto, state=path, outputs=[broken]):
            await speak(mosquitto, *outburst(make))
            await broken.failed.wait()
            await heard.count(1)
        async with running(mosquitto, state=path, outputs=[whole]):
            alert = await whole.sent.get()
    assert alert == decode(heard.messages[0].payload)


async def test_a_rule_may_leave_the_bus_out(mosquitto: Any, collecting: Any, make: Any) -> None:
    text = """
[[rule]]
name = "quiet"
severity = "info"
message = "m"
emotions = ["angry"]
within_s = 60
outputs = ["pager"]

[[rule]]
name = "loud"
severity = "info"
message = "m"
emotions = ["angry"]
within_s = 60
outputs = ["mqtt"]

[[output]]
kind = "pager"
"""
    pager = Pager()
    async with (
        collecting(mosquitto, "emotion/v1/+/alerts/#") as heard,
        running(mosquitto, rules=parse_rules(text, "rules.toml"), outputs=[pager]),
    ):
        await speak(mosquitto, make.utterance())
        alert = await pager.sent.get()
        (message,) = await heard.count(1)
    assert (alert.data.rule, decode(message.payload).data.rule) == ("quiet", "loud")


async def test_an_acknowledgement_is_kept_with_its_alert(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path
) -> None:
    path = tmp_path / "alerts.sqlite"
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard, running(mosquitto, state=path):
        await speak(mosquitto, *outburst(make))
        (message,) = await heard.count(1)
        alert = decode(message.payload).id
        event = make.acknowledgement()
        event = msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, alert=alert))
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.publish("emotion/v1/default/acknowledgements", encode(event), qos=1)
        await speak(mosquitto, *outburst(make, call="CA2"))
        await heard.count(2)  # what came before has been stored
    state = State(path)
    assert [(one.by, one.note) for one in state.acknowledged(alert)] == [("desk-2", "Called back.")]
    state.close()


async def test_two_services_on_one_state_are_refused(mosquitto: Any, tmp_path: Path) -> None:
    async with running(mosquitto, state=tmp_path / "alerts.sqlite"):
        with pytest.raises(ClientError, match="another alert service uses the state"):
            await run_alerts(default_rules(), broker=Broker(mosquitto.url), state=tmp_path / "alerts.sqlite")


async def test_a_session_works_under_mqtt_3_1_1_as_well(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path
) -> None:
    path = tmp_path / "alerts.sqlite"
    broker = Broker(mosquitto.url, "3.1.1")
    first, second = outburst(make)
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard:
        for event in (first, second):
            ready = asyncio.Event()
            service = asyncio.create_task(
                run_alerts(default_rules(), broker=broker, state=path, on_status=lambda *_, ready=ready: ready.set())
            )
            await ready.wait()
            await speak(mosquitto, event)
            if event is second:
                await heard.count(1)
            service.cancel()
            await asyncio.wait([service])
    assert len(heard.messages) == 1


async def test_an_alert_that_no_topic_can_carry_is_kept_as_failed_and_holds_up_none(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # An earlier version took the tenant from the event alone.
    def found(name: str, tenant: str) -> AlertEvent:
        alert = make.alert(name)
        call = msgspec.structs.replace(alert.data.call, tenant=tenant)
        return msgspec.structs.replace(alert, data=msgspec.structs.replace(alert.data, call=call))

    path = tmp_path / "alerts.sqlite"
    state = State(path)
    state.apply(Effect(alerts=[(found("bad", "a#"), ("mqtt",)), (found("good", "default"), ("mqtt",))]), 0.0)
    state.close()
    async with collecting(mosquitto, "emotion/v1/default/alerts/#") as bus, running(mosquitto, state=path):
        (message,) = await bus.count(1)
    assert alerted_call(message) == "good"
    assert "alert bad-alert cannot be published and is kept as failed" in caplog.text
    after = State(path)
    assert after.run("SELECT alert FROM deliveries WHERE state = 'failed'").fetchall() == [("bad-alert",)]
    after.close()


async def test_one_of_three_that_share_is_away_and_its_calls_wait_for_it(
    mosquitto: Any, collecting: Any, make: Any, tmp_path: Path
) -> None:
    calls = [f"CA{number}" for number in range(12)]
    waiting = {call for call in calls if Share(2, 3).has("default", call)}
    assert 0 < len(waiting) < len(calls)

    def member(number: int) -> Any:
        return running(mosquitto, share=f"{number}/3", name=f"of-three-{number}", state=tmp_path / f"{number}.sqlite")

    async with member(2):
        pass  # its session stands, and it goes away
    async with collecting(mosquitto, "emotion/v1/+/alerts/#") as heard, member(1), member(3):
        for call in calls:
            await speak(mosquitto, *outburst(make, call=call))
        await heard.count(len(calls) - len(waiting))
        assert {alerted_call(message) for message in heard.messages}.isdisjoint(waiting)
        async with member(2):
            messages = await heard.count(len(calls))
    assert sorted(map(alerted_call, messages)) == sorted(calls)
    assert len({decode(message.payload).id for message in messages}) == len(calls)
