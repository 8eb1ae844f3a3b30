"""The broker as `streamer check` sees it: what it takes, what it forbids, what misleads on our topics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from streamer.bus.cloudevents import Kind
from streamer.bus.retained import Census, Junk
from streamer.bus.rights import May, Right
from streamer.checks import broker
from streamer.checks.broker import limits, of_certificate, publish, retained, tenants
from streamer.checks.outcome import Level, Outcome
from streamer.config import load
from streamer.errors import StreamerError
from tests.certificates import authority, signed
from tests.conftest import Broker, MakeBroker


async def found(url: str, **more: Any) -> dict[str, list[Outcome]]:
    outcomes: dict[str, list[Outcome]] = {}
    flags = {key.replace("_", ".", 1): value for key, value in more.items()}
    for one in await broker.check(load(None, {}, {"mqtt.url": url, "node": "node-1"} | flags)):
        outcomes.setdefault(one.what, []).append(one)
    return outcomes


async def test_a_broker_that_takes_everything_is_well_and_is_left_as_it_was(
    mosquitto: Broker, collecting: Callable[..., Any]
) -> None:
    async with collecting(mosquitto, "#") as heard:
        outcomes = await found(mosquitto.url)
        messages = await heard.count(5)
    assert [one.level for group in outcomes.values() for one in group] == [Level.OK] * 3
    assert outcomes["broker"][0].says.endswith("answers, MQTT 5; takes packets of any size, 20 unacknowledged at once")
    assert outcomes["publish"][0].says == "status, state, utterance, partial, ended are taken"
    assert {bytes(message.payload) for message in messages} == {b""}
    async with collecting(mosquitto, "#") as kept:
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.publish("end", b"", qos=1)
        assert [str(message.topic) for message in await kept.count(1)] == ["end"]


async def test_3_1_1_tells_no_limits(mosquitto: Broker) -> None:
    outcomes = await found(mosquitto.url, mqtt_version="3.1.1")
    assert outcomes["broker"][0].says.endswith("which limits it has, this version does not tell")
    assert outcomes["publish"][0].level is Level.OK


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_broker_that_keeps_nothing_is_wrong(mosquitto_with: MakeBroker, version: str) -> None:
    outcomes = await found(mosquitto_with("retain_available false").url, mqtt_version=version)
    wrong = [one for one in outcomes["publish"] if one.level is Level.WRONG]
    assert [one.says.partition(" ")[0] for one in wrong] == ["state"]
    if version == "5":
        assert outcomes["broker"][0].level is Level.WRONG
        assert "keeps no retained messages" in outcomes["broker"][0].says


async def test_a_broker_without_qos_1_is_wrong(mosquitto_with: MakeBroker) -> None:
    with pytest.raises(StreamerError, match="allow QoS 1 at the broker"):
        await found(mosquitto_with("max_qos 0").url)


async def test_small_packets_are_warned_of(mosquitto_with: MakeBroker) -> None:
    outcomes = await found(mosquitto_with("max_packet_size 4000").url)
    assert outcomes["broker"][0].level is Level.WARN
    assert "at most 4000 bytes" in outcomes["broker"][0].says


async def test_a_user_who_may_only_write_as_the_manual_says_is_well(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic write emotion/v1/#\n", encoding="utf-8")
    url = mosquitto_with(f"acl_file {rights}").url
    outcomes = await found(url)
    assert {one.level for group in outcomes.values() for one in group} == {Level.OK}
    assert "nothing that this user may read" in outcomes["retained"][0].says
    (unknown,) = (await found(url, mqtt_version="3.1.1"))["publish"]
    assert unknown.level is Level.WARN
    assert "MQTT 3.1.1 cannot say that a message was refused" in unknown.says


async def test_the_certificate_of_the_broker_is_shown(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    root = authority(tmp_path, "root")
    pair = signed(root, tmp_path, "broker")
    url = mosquitto_with(f"certfile {pair.cert}", f"keyfile {pair.key}").url.replace("mqtt:", "mqtts:")
    outcomes = await found(url, mqtt_ca_file=str(root.cert))
    (certificate,) = outcomes["broker certificate"]
    assert certificate.level is Level.WARN
    assert "only 1 day left: renew it at the broker" in certificate.says


def test_a_certificate_with_time_left_is_well() -> None:
    outcome = of_certificate({"notAfter": "Jan  1 00:00:00 2030 GMT"}, 1_790_000_000.0)
    assert (outcome.level, outcome.says) == (Level.OK, "trusted, 1197 days left")


async def test_no_broker_is_one_error() -> None:
    with pytest.raises(StreamerError, match="nothing listens there"):
        await found("mqtt://127.0.0.1:1")


async def test_a_base_that_is_no_topic_is_one_error() -> None:
    with pytest.raises(StreamerError, match=r"mqtt\.base"):
        await found("mqtt://127.0.0.1:1", mqtt_base="a/#")


async def test_a_broker_that_wants_tls_is_told_from_one_that_is_full(
    mosquitto_with: MakeBroker, tmp_path: Path
) -> None:
    pair = signed(authority(tmp_path, "root"), tmp_path, "broker")
    with pytest.raises(StreamerError, match="wants TLS; write mqtts://"):
        await found(mosquitto_with(f"certfile {pair.cert}", f"keyfile {pair.key}").url)


async def test_retained_junk_is_counted_named_and_left_alone(mosquitto: Broker, collecting: Callable[..., Any]) -> None:
    topics = [f"emotion/v1/default/calls/c{n}/customer/utterance" for n in range(5)]
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        for topic in topics:
            await client.publish(topic, json.dumps({}), qos=1, retain=True)
    (outcome,) = (await found(mosquitto.url))["retained"]
    assert outcome.level is Level.WARN
    assert outcome.says.startswith("5 of 5 messages under emotion/v1 mislead whoever subscribes (5 never_retained): ")
    assert "and 2 more; find who publishes them" in outcome.says
    async with collecting(mosquitto, "emotion/#") as kept:
        assert len(await kept.count(5)) == 5


async def test_a_broker_that_forbids_reading_is_in_order(monkeypatch: pytest.MonkeyPatch, mosquitto: Broker) -> None:
    async def forbidden(*_: Any, **__: Any) -> Census:
        raise broker.LinkError("this user may not subscribe to emotion/v1/# (Not authorized)")

    monkeypatch.setattr(broker, "look", forbidden)
    (outcome,) = (await found(mosquitto.url))["retained"]
    assert outcome.level is Level.OK
    assert "not looked at: this user may not subscribe" in outcome.says


async def test_a_broker_that_goes_away_while_it_is_asked_is_one_line(
    monkeypatch: pytest.MonkeyPatch, mosquitto: Broker
) -> None:
    async def gone(*_: Any) -> list[Right]:
        raise broker.LinkError("broker mqtt://x: nothing listens there")

    monkeypatch.setattr(broker.Asking, "rights", gone)
    (outcome,) = (await found(mosquitto.url))["publish"]
    assert outcome.level is Level.WRONG


def test_answers_are_grouped_by_what_the_broker_says() -> None:
    outcomes = publish(
        [
            Right(Kind.STATUS, "t/status", May.YES),
            Right(Kind.STATE, "t/state", May.NO, "Not authorized"),
            Right(Kind.ENDED, "t/ended", May.NO, "Not authorized"),
            Right(Kind.UTTERANCE, "t/utterance", May.NO, "Quota exceeded"),
        ]
    )
    assert [one.says for one in outcomes] == [
        "status are taken",
        "state, ended cannot be published, as on t/state: Not authorized",
        "utterance cannot be published, as on t/utterance: Quota exceeded",
    ]


def test_all_in_order_is_said_with_how_much_it_was() -> None:
    assert retained(Census(3, ()), "emotion").says == "3 messages under emotion/v1, all in order"
    junk = retained(Census(3, ((Junk.UNREADABLE, "a"), (Junk.STALE_STATE, "b"))), "emotion")
    assert "(1 unreadable, 1 stale_state): a, b; find" in junk.says


def test_the_tenants_asked_for_are_those_of_the_keys() -> None:
    keys = [{"id": "a", "secret": "s", "tenant": "acme"}, {"id": "b", "secret": "t", "tenant": "acme"}]
    assert tenants(load(None, {}, {"keys": keys})) == ["acme"]
    assert tenants(load(None, {}, {})) == ["default"]


def test_limits_are_asked_of_the_connection() -> None:
    class Link:
        highest_qos, keeps_retained, largest_packet, most_in_flight = 2, True, 20_000, 7

    link: Any = Link()
    outcome = limits(link, "x answers", tells=True)
    assert (outcome.level, outcome.says) == (
        Level.OK,
        "x answers; takes packets of at most 20000 bytes, 7 unacknowledged at once",
    )
    link.highest_qos = 0
    assert limits(link, "x answers", tells=True).level is Level.WRONG
