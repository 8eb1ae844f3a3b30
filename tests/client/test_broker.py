from __future__ import annotations

import socket
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.broker import Broker, backoff
from streamer_client.errors import BrokerError, OptionError

from tests.certificates import Pair, authority, locked, signed


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://host", "mqtt://host:1883"),
        ("mqtts://host", "mqtts://host:8883"),
        ("mqtt://user:hunter2@host:9", "mqtt://host:9"),
    ],
)
def test_the_address_has_a_port_and_no_password(url: str, address: Any) -> None:
    assert Broker(url).address == address


@pytest.mark.parametrize("url", ["", "host", "http://host", "mqtt://", "mqtt://host:0", "mqtt://u:hunter2@host:99999"])
def test_what_is_no_broker_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(OptionError, match=r"expected one like mqtt://127\.0\.0\.1:1883") as caught:
        _ = Broker(url).address
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("broker", "persistent", "words"),
    [
        (Broker(version="4"), False, "unknown MQTT version '4'; choose from 5, 3.1.1"),
        (Broker(), True, "needs a client_id"),
        (Broker(password_file="nowhere"), False, "cannot read the password file nowhere: No such file"),
        (Broker("mqtts://host", ca_file="nowhere"), False, "there is no file nowhere; ca_file names"),
        (Broker("mqtts://host", cert_file="nowhere"), False, "there is no file nowhere; cert_file names"),
        (Broker("mqtts://host", key_file=__file__), False, "key_file is given without cert_file"),
        (Broker("mqtt://host", ca_file=__file__), False, "ca_file is given, but mqtt://host:1883 speaks no TLS"),
        (Broker("mqtts://host", ca_file=__file__), False, "cannot read a certificate in PEM from .*; ca_file names"),
        (Broker("mqtts://host", cert_file=__file__), False, "cannot use the certificate in .* with the key in"),
    ],
)
async def test_settings_that_cannot_be_right_are_named(broker: Any, persistent: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        broker.client(persistent=persistent)


async def test_a_small_packet_does_not_wait_for_the_one_before_it(mosquitto: Any) -> None:
    client = Broker(mosquitto.url).client()
    async with client:
        connection = client._client.socket()
        assert connection is not None
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_locked_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    broker = Broker("mqtts://host", cert_file=str(ours.cert), key_file=str(locked(ours, "hunter2")))
    with pytest.raises(OptionError, match="the key not encrypted"):
        broker.client()


async def test_a_broker_that_asks_for_a_certificate_gets_ours_and_refusing_it_is_said_in_words(
    mosquitto_with: Any, tmp_path: Path
) -> None:
    ca = authority(tmp_path, "ca")
    its, ours = signed(ca, tmp_path, "broker"), signed(ca, tmp_path, "reader")
    strangers = signed(authority(tmp_path, "other-ca"), tmp_path, "stranger")
    running = mosquitto_with(
        f"cafile {ca.cert}", f"certfile {its.cert}", f"keyfile {its.key}", "require_certificate true"
    )
    url = running.url.replace("mqtt:", "mqtts:")

    async def open_as(shows: Pair | None, trusts: str = str(ca.cert)) -> None:
        files = (str(shows.cert), str(shows.key)) if shows else ("", "")
        broker = Broker(url, ca_file=trusts, cert_file=files[0], key_file=files[1])
        try:
            async with broker.client():
                pass
        except aiomqtt.MqttError as problem:
            raise broker.explain(problem) from problem

    await open_as(ours)
    with pytest.raises(BrokerError, match=r"does not take our certificate \(.*REQUIRED\); give the one it asks for"):
        await open_as(None)
    with pytest.raises(BrokerError, match=r"does not take our certificate \(.*UNKNOWN_CA\); is cert_file one"):
        await open_as(strangers)
    with pytest.raises(BrokerError, match=r"is not trusted .*; is ca_file the authority"):
        await open_as(ours, trusts="")


async def test_an_empty_password_file_is_no_password(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    with pytest.raises(OptionError, match="is empty; its first line is the password"):
        Broker(password_file=str(tmp_path / "secret")).client()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Operation timed out", "no answer from the MQTT broker at mqtt://127.0.0.1:1883"),
        ("[Errno 111] Connection refused", "connection refused; is it running there?"),
        ("[Errno -2] Name or service not known", "name or service not known; is it running there?"),
    ],
)
def test_what_the_network_says_becomes_one_line(said: Any, words: str) -> None:
    assert words in str(Broker().explain(aiomqtt.MqttError(said)))


@given(seed=st.integers(), first_s=st.floats(0.01, 5), tries=st.integers(1, 30))
def test_waiting_grows_to_its_limit_and_never_beyond(seed: int, first_s: Any, tries: Any) -> None:
    waits = list(islice(backoff(Random(seed), first_s, longest_s=10), tries))
    for number, wait_s in enumerate(waits):
        longest_s = min(10, first_s * 2**number)
        assert longest_s / 2 <= wait_s <= longest_s
