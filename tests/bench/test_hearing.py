"""The subscription: what is ours is heard with its moment, and a broker that is not there is said."""

from __future__ import annotations

import select

import pytest
from paho.mqtt import publish

from streamer.bench.hearing import Ear, HearingError
from streamer.bench.plan import Plan
from tests.conftest import Broker


def plan(port: int) -> Plan:
    return Plan(port=1, mqtt_port=port, calls=1, seconds=1.0, run="heard")


def test_utterances_of_our_calls_are_heard_and_no_others(mosquitto: Broker) -> None:
    ear = Ear(plan(mosquitto.port))
    try:
        for call, kind in (("x-c00000", "utterance"), ("heard-c00000", "partial"), ("heard-c00001", "utterance")):
            topic = f"emotion/v1/default/calls/{call}/customer/{kind}"
            publish.single(topic, call, qos=1, hostname="127.0.0.1", port=mosquitto.port)
        while not ear.heard:
            select.select([ear.fileno()], [], [], 20)
            ear.listen()
        ((came_s, payload),) = ear.heard
        assert payload == b"heard-c00001"
        assert came_s > 0
    finally:
        ear.close()


def test_a_broker_that_is_not_there_is_said() -> None:
    with pytest.raises(HearingError, match="no connection to the broker"):
        Ear(plan(1))


def test_a_broker_that_goes_away_is_said(mosquitto: Broker) -> None:
    ear = Ear(plan(mosquitto.port))
    mosquitto.stop()

    def listen_on() -> None:
        while True:
            select.select([ear.fileno()], [], [], 20)
            ear.listen()

    with pytest.raises(HearingError, match="was lost"):
        listen_on()
