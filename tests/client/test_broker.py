from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.broker import Broker, backoff
from streamer_client.errors import OptionError


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
        (Broker("mqtts://host", ca_file="nowhere"), False, "there is no file nowhere"),
    ],
)
async def test_settings_that_cannot_be_right_are_named(broker: Any, persistent: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        broker.client(persistent=persistent)


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
