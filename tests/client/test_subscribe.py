from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from streamer_client.broker import Broker
from streamer_client.errors import BrokerError, OptionError
from streamer_client.events import UnknownEvent, encode
from streamer_client.share import Share
from streamer_client.subscribe import KINDS, Subscription, subscribe, topics

from tests.certificates import authority, client_context, signed

CALLS = "emotion/v1/default/calls"


def topic(event: Any) -> str:
    data = event.data
    return f"emotion/v1/{data.call.tenant}/calls/{data.call.id}/{data.speaker.role}/utterance"


async def publish(broker: Any, *messages: tuple[str, bytes], retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for where, payload in messages:
            await client.publish(where, payload, qos=1, retain=retain)


async def first(events: Subscription, count: int) -> list:
    found = []
    async for event in events:
        found.append(event)
        if len(found) == count:
            return found
    pytest.fail("the subscription ended by itself")


def test_the_filters_are_the_topics_of_the_contract() -> None:
    assert topics(KINDS, tenant="acme") == [
        "emotion/v1/acme/calls/+/+/utterance",
        "emotion/v1/acme/calls/+/+/partial",
        "emotion/v1/acme/calls/+/state",
        "emotion/v1/acme/calls/+/ended",
        "emotion/v1/acme/alerts/+",
        "emotion/v1/acme/acknowledgements",
        "emotion/v1/nodes/+/status",
    ]
    assert topics(["utterance"], base="x/y", call="CA1", role="customer") == [
        "x/y/v1/default/calls/CA1/customer/utterance"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": ["laughter"]},
        {"kinds": []},
        {"call": "a/b"},
        {"call": ""},
        {"tenant": "#"},
        {"role": "cust+"},
        {"base": ""},
    ],
)
def test_a_filter_that_cannot_be_right_is_refused(wrong: Any) -> None:
    with pytest.raises(OptionError):
        topics(**wrong)
    with pytest.raises(OptionError):
        subscribe(**wrong)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_events_come_typed_and_each_once(mosquitto: Any, make: Any, version: Any) -> None:
    one, two = make.utterance(1), make.utterance(2)
    async with subscribe(mosquitto.url, version=version) as events:
        await publish(mosquitto, *((topic(event), encode(event)) for event in (one, one, two, one, two)))
        await publish(mosquitto, (topic(one), encode(make.utterance(3))))
        assert await first(events, 3) == [one, two, make.utterance(3)]
        assert events.duplicates == 3


async def test_the_memory_for_ids_is_bounded(mosquitto: Any, make: Any) -> None:
    one, two = make.utterance(1), make.utterance(2)
    async with subscribe(mosquitto.url, dedupe=1) as events:
        await publish(mosquitto, *((topic(event), encode(event)) for event in (one, two, one, one, two)))
        assert await first(events, 4) == [one, two, one, two]


async def test_what_is_no_event_is_counted_logged_and_passed_over(
    mosquitto: Any, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    event = make.utterance()
    async with subscribe(mosquitto.url) as events:
        with caplog.at_level(logging.WARNING, "streamer_client"):
            where = f"{CALLS}/CA1/customer/utterance"
            await publish(
                mosquitto,
                (where, b"hello"),
                (where, b'{"type":"emotion-streamer.utterance.v1","id":"1"}'),
                (where, b'{"type":"emotion-streamer.utterance.v9","id":"2"}'),
                (where, b""),
                (topic(event), encode(event)),
            )
            assert await first(events, 1) == [event]
        assert (events.unreadable, events.unknown) == (2, 1)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert where in caplog.text


async def test_what_somebody_had_the_broker_keep_is_not_taken_for_new(
    mosquitto: Any, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    old, event = make.utterance(1), make.utterance(2)
    await publish(mosquitto, (topic(old), encode(old)), retain=True)
    with caplog.at_level(logging.WARNING, "streamer_client"):
        async with subscribe(mosquitto.url) as events:
            await publish(mosquitto, (topic(event), encode(event)))
            assert await first(events, 1) == [event]
            assert (events.stale, events.duplicates) == (1, 0)
            # What is retained anew while somebody listens has just been said.
            await publish(mosquitto, (topic(old), encode(old)), retain=True)
            assert await first(events, 1) == [old]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"skipped a retained message on {topic(old)}, where nothing of ours is ever retained")


async def test_a_flood_of_what_is_no_event_is_no_flood_of_lines(
    mosquitto: Any, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    event, where = make.utterance(), f"{CALLS}/CA1/customer/utterance"
    async with subscribe(mosquitto.url) as events:
        with caplog.at_level(logging.WARNING, "streamer_client"):
            await publish(mosquitto, *[(where, b"hello")] * 120, (topic(event), encode(event)))
            assert await first(events, 1) == [event]
        assert events.unreadable == 120
    told = [record.getMessage().rpartition("(")[2] for record in caplog.records]
    assert told == [f"{count} so far)" for count in (1, 2, 3, 10, 100)]


async def test_programs_that_pass_events_on_see_unknown_ones_and_the_payload(mosquitto: Any) -> None:
    payload = b'{"type":"emotion-streamer.utterance.v9","id":"2","mood":"mellow"}'
    async with subscribe(mosquitto.url) as events:
        await publish(mosquitto, (f"{CALLS}/CA1/customer/utterance", payload))
        item = await anext(aiter(events.received()))
    assert (item.payload, item.event.type) == (payload, "emotion-streamer.utterance.v9")
    assert isinstance(item.event, UnknownEvent)


async def test_a_retained_state_comes_and_its_clearing_does_not(mosquitto: Any, make: Any) -> None:
    state = make.state()
    await publish(mosquitto, (f"{CALLS}/CA1/state", encode(state)), retain=True)
    async with subscribe(mosquitto.url, kinds=["state", "ended"]) as events:
        assert await first(events, 1) == [state]
        await publish(mosquitto, (f"{CALLS}/CA1/state", b""), retain=True)
        await publish(mosquitto, (f"{CALLS}/CA1/ended", encode(make.ended())))
        assert await first(events, 1) == [make.ended()]


async def test_alerts_of_other_calls_are_left_out_where_one_call_is_asked_for(mosquitto: Any, make: Any) -> None:
    async with subscribe(mosquitto.url, kinds=["alert"], call="CA2") as events:
        for call in ("CA1", "CA2"):
            await publish(mosquitto, ("emotion/v1/default/alerts/critical", encode(make.alert(call))))
        assert await first(events, 1) == [make.alert("CA2")]


async def test_a_broker_that_goes_and_comes_back_is_followed_again(mosquitto: Any, make: Any) -> None:
    told: asyncio.Queue = asyncio.Queue()
    async with subscribe(mosquitto.url, on_status=lambda *said: told.put_nowait(said)) as events:
        reading = asyncio.create_task(first(events, 2))
        assert (await told.get())[0] == "connected"
        await publish(mosquitto, (topic(make.utterance(1)), encode(make.utterance(1))))
        await asyncio.to_thread(mosquitto.stop)
        status, reason = await told.get()
        assert status == "lost"
        assert "ended the connection" in reason
        await asyncio.to_thread(mosquitto.start)
        while status != "connected":
            status, _ = await told.get()
        await publish(mosquitto, *((topic(make.utterance(n)), encode(make.utterance(n))) for n in (1, 2)))
        assert await reading == [make.utterance(1), make.utterance(2)]
        assert events.duplicates == 1


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_persistent_session_misses_nothing_while_away(mosquitto: Any, make: Any, version: Any) -> None:
    follow = {"client_id": "dashboard-1", "persistent": True, "version": version}
    async with subscribe(mosquitto.url, **follow):
        pass
    await publish(mosquitto, (topic(make.utterance()), encode(make.utterance())))
    async with subscribe(mosquitto.url, **follow) as events:
        assert await first(events, 1) == [make.utterance()]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_was_not_committed_comes_again_and_what_was_does_not(
    mosquitto: Any, make: Any, version: Any
) -> None:
    handed: list[str] = []
    committed, stuck = asyncio.Event(), asyncio.Event()

    async def commit() -> None:
        if handed == ["1"]:
            committed.set()
            return
        stuck.set()
        await asyncio.Future()  # as a disk that does not answer, until the process is killed

    def follow(commit: Any) -> Subscription:
        return Subscription(
            Broker(mosquitto.url, version), topics(), client_id="keeper", persistent=True, commit=commit
        )

    async def hear(events: Subscription) -> None:
        async for event in events:
            handed.append(event.id)  # noqa: PERF401 - commit looks at it meanwhile

    async def say(name: str) -> None:
        event = make.utterance(name=name)
        await publish(mosquitto, (topic(event), encode(event)))

    async with follow(commit) as events, asyncio.timeout(60):
        hearing = asyncio.create_task(hear(events))
        for name, then in (("1", committed), ("2", stuck)):
            await say(name)
            await then.wait()
        hearing.cancel()
        await asyncio.wait((hearing,))
    await say("3")
    async with follow(None) as events:
        assert [event.id for event in await first(events, 2)] == ["2", "3"]


async def test_a_loop_left_early_hangs_up_by_itself(mosquitto: Any, make: Any) -> None:
    await publish(mosquitto, (f"{CALLS}/CA1/state", encode(make.state())), retain=True)
    seen = [event async for event in _one(subscribe(mosquitto.url, kinds=["state"], client_id="reader-7"))]
    assert seen == [make.state()]
    await asyncio.to_thread(mosquitto.wait_logged, r"reader-7.*disconnected")


async def _one(events: Subscription) -> AsyncIterator[Any]:
    iteration = aiter(events)
    yield await anext(iteration)
    await iteration.aclose()


async def test_no_broker_at_the_start_is_one_clear_line() -> None:
    with pytest.raises(
        BrokerError, match=r"cannot reach the MQTT broker at .*connection refused; is it running there\?"
    ):
        await anext(aiter(subscribe("mqtt://127.0.0.1:1")))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_broker_that_does_not_know_us_is_one_clear_line(mosquitto_with: Any, version: Any) -> None:
    strict = mosquitto_with("allow_anonymous false")
    with pytest.raises(BrokerError, match=r"does not let us in .*; check user name and password file"):
        await anext(aiter(subscribe(strict.url, version=version)))


async def test_the_password_is_the_first_line_of_its_file(
    mosquitto_with: Any, find_program: Any, tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    make_password = await asyncio.create_subprocess_exec(
        find_program("mosquitto_passwd"), "-b", "-c", str(passwords), "reader", "open sesame"
    )
    assert await make_password.wait() == 0
    passwords.chmod(0o644)
    (tmp_path / "secret").write_text("open sesame\nanother line\n")
    broker = mosquitto_with("allow_anonymous false", f"password_file {passwords}")
    told = []
    async with subscribe(
        broker.url, username="reader", password_file=str(tmp_path / "secret"), on_status=lambda *said: told.append(said)
    ):
        assert told == [("connected", broker.url)]


async def test_a_forbidden_topic_is_an_error_and_not_a_silent_stream(
    mosquitto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbid(*_arguments: object, **_named: object) -> tuple[int]:
        return (0x87,)  # MQTT 5, section 3.9.3: not authorized

    # Mosquitto's own access lists grant the subscription and withhold the messages, so the answer is made up here.
    monkeypatch.setattr(aiomqtt.Client, "subscribe", forbid)
    with pytest.raises(BrokerError, match="forbids us to subscribe to emotion/v1/"):
        await anext(aiter(subscribe(mosquitto.url)))


def test_at_least_one_id_is_remembered() -> None:
    with pytest.raises(OptionError, match="dedupe=0"):
        subscribe(dedupe=0)


async def test_filters_beyond_topics_leave_out_what_is_not_wanted_and_count_it(mosquitto: Any, make: Any) -> None:
    said = [
        make.utterance(1, top="happy"),
        make.utterance(2, confidence=0.5),
        make.utterance(3, uncertain=True),
        make.utterance(4),
    ]
    kinds = ["utterance", "alert"]
    async with subscribe(
        mosquitto.url, kinds=kinds, emotions=["angry"], min_confidence=0.7, severities=["warning"]
    ) as events:
        await publish(mosquitto, ("emotion/v1/default/alerts/critical", encode(make.alert())))
        await publish(mosquitto, *((topic(event), encode(event)) for event in said))
        assert await first(events, 1) == said[3:]
        assert events.passed_over == 4


async def test_what_is_cleared_is_told_by_its_topic(mosquitto: Any, make: Any) -> None:
    cleared: list[str] = []
    async with subscribe(mosquitto.url, kinds=["state", "ended"], on_cleared=cleared.append) as events:
        await publish(mosquitto, (f"{CALLS}/CA1/state", b""), (f"{CALLS}/CA1/ended", encode(make.ended())))
        assert await first(events, 1) == [make.ended()]
    assert cleared == [f"{CALLS}/CA1/state"]


async def test_the_members_of_a_group_share_the_events_and_others_get_all(mosquitto: Any, make: Any) -> None:
    wanted = [make.utterance(n) for n in range(1, 41)]
    found: dict[str, list[Any]] = {"one": [], "two": [], "alone": []}
    shared = asyncio.Event()

    async def take(name: str, events: Subscription) -> None:
        async for event in events:
            found[name].append(event)
            if len(found["one"]) + len(found["two"]) >= 40 and len(found["alone"]) >= 40:
                shared.set()

    async with (
        subscribe(mosquitto.url, group="crm") as one,
        subscribe(mosquitto.url, group="crm") as two,
        subscribe(mosquitto.url) as alone,
    ):
        tasks = [
            asyncio.create_task(take(name, events)) for name, events in (("one", one), ("two", two), ("alone", alone))
        ]
        await publish(mosquitto, *((topic(event), encode(event)) for event in wanted))
        await shared.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert found["alone"] == wanted
    assert sorted(event.sequence for event in found["one"] + found["two"]) == [event.sequence for event in wanted]
    assert found["one"]
    assert found["two"]


def test_a_group_is_a_prefix_of_every_topic() -> None:
    assert topics(["utterance", "alert"], group="crm") == [
        "$share/crm/emotion/v1/default/calls/+/+/utterance",
        "$share/crm/emotion/v1/default/alerts/+",
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"group": "a/b"}, "got group='a/b'; give a name without"),
        ({"group": "crm", "kinds": ["utterance", "state"]}, "group='crm' for state; a broker sends no retained"),
        ({"group": "crm", "version": "3.1.1"}, "MQTT 3.1.1, which knows no groups"),
        ({"kinds": "alert"}, r"got kinds='alert'; give a list, such as \['alert'\]"),
    ],
)
def test_a_group_or_list_that_cannot_be_right_is_refused(wrong: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        subscribe(**wrong)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_events_come_over_tls_that_asks_for_our_certificate(
    mosquitto_with: Any, make: Any, tmp_path: Path, version: Any
) -> None:
    ca = authority(tmp_path, "ca")
    its, ours = signed(ca, tmp_path, "broker"), signed(ca, tmp_path, "reader")
    broker = mosquitto_with(
        f"cafile {ca.cert}", f"certfile {its.cert}", f"keyfile {its.key}", "require_certificate true"
    )
    files = {"ca_file": str(ca.cert), "cert_file": str(ours.cert), "key_file": str(ours.key)}
    async with subscribe(broker.url.replace("mqtt:", "mqtts:"), version=version, **files) as events:
        context = client_context(ca, ours)
        async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=context) as client:
            await client.publish(topic(make.utterance()), encode(make.utterance()), qos=1)
        assert await first(events, 1) == [make.utterance()]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_clean_session_leaves_nothing_behind_at_the_broker(mosquitto: Any, make: Any, version: Any) -> None:
    follow = {"client_id": "visitor", "version": version}
    async with subscribe(mosquitto.url, **follow):
        pass
    await publish(mosquitto, (topic(make.utterance(1)), encode(make.utterance(1))))
    async with subscribe(mosquitto.url, **follow) as events:
        await publish(mosquitto, (topic(make.utterance(2)), encode(make.utterance(2))))
        assert await first(events, 1) == [make.utterance(2)]


async def test_an_event_on_a_topic_that_is_not_its_own_is_left_out_and_counted(
    mosquitto: Any, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with subscribe(mosquitto.url, kinds=["acknowledgement", "ended"], tenant="+") as events:
        for event in (make.ended(), make.ended(tenant="acme"), make.alert()):
            await publish(mosquitto, ("emotion/v1/default/acknowledgements", encode(event)))
        await publish(
            mosquitto, (f"{CALLS}/CA2/ended", encode(make.ended())), (f"{CALLS}/CA1/ended", encode(make.ended()))
        )
        assert await first(events, 1) == [make.ended()]
    assert events.unreadable == 4
    assert "emotion/v1/default/acknowledgements: got an event whose type, tenant" in caplog.text


async def test_three_that_share_the_calls_have_each_event_once_and_a_call_whole(mosquitto: Any, make: Any) -> None:
    calls = [f"CA{number}" for number in range(12)]
    said = [event for call in calls for event in (make.utterance(1, call=call), make.utterance(2, call=call))]
    last = [make.status()]  # everybody's, and behind all the others
    had: list[list[Any]] = []
    async with (
        subscribe(mosquitto.url, kinds=["utterance", "status"], share="1/3") as one,
        subscribe(mosquitto.url, kinds=["utterance", "status"], share="2/3") as two,
        subscribe(mosquitto.url, kinds=["utterance", "status"], share="3/3") as three,
    ):
        await publish(mosquitto, *((topic(event), encode(event)) for event in said))
        await publish(mosquitto, *(("emotion/v1/nodes/node-1/status", encode(event)) for event in last))
        for member in (one, two, three):
            events: list[Any] = []
            async for event in member:
                if event in last:
                    break
                events.append(event)
            had.append(events)
            assert member.passed_over == len(said) - len(events)
    whose = [{event.data.call.id for event in events} for events in had]
    assert sorted(call for calls_of_one in whose for call in calls_of_one) == sorted(calls)
    assert all(whose)
    for events, calls_of_one in zip(had, whose, strict=True):
        assert events == [event for event in said if event.data.call.id in calls_of_one]


async def test_a_share_hears_the_clearing_of_its_own_calls_only_and_their_alerts(mosquitto: Any, make: Any) -> None:
    mine = next(Share(member, 2) for member in (1, 2) if Share(member, 2).has("default", "CA1"))
    other = next(call for call in ("CA2", "CA3", "CA4") if not mine.has("default", call))
    cleared: list[str] = []
    async with subscribe(mosquitto.url, kinds=["state", "alert"], share=str(mine), on_cleared=cleared.append) as events:
        await publish(mosquitto, (f"{CALLS}/{other}/state", b""), (f"{CALLS}/CA1/state", b""))
        alerts = [make.alert(other), make.alert("CA1")]
        await publish(mosquitto, *(("emotion/v1/default/alerts/critical", encode(alert)) for alert in alerts))
        (heard,) = await first(events, 1)
    assert heard.data.call.id == "CA1"
    assert cleared == [f"{CALLS}/CA1/state"]


def test_a_share_within_a_group_is_refused() -> None:
    with pytest.raises(OptionError, match="give one of them"):
        subscribe(group="crm", share="1/2")
