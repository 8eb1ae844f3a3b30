"""Whatever is wrong with the broker: calls go on, the log says it once and in words, a metric counts it, `streamer
check` names it, and when it is mended everything is delivered.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from iotcore import Broker as Rumqttd

from streamer.checks import outcome as checks
from streamer.checks.broker import check
from streamer.config import load
from streamer.errors import StreamerError
from tests.certificates import Pair, authority, dated, signed
from tests.conftest import Broker, MakeBroker, collect
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.hearing import Bus, level, listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import Samples
from tests.end_to_end.speaking import Outcome, native_call

Found = dict[str, list[tuple[str, str]]]
"""What `streamer check` found, by what it looked at: level and words."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def checked(url: str, **settings: str) -> Found:
    """Return what `streamer check` says of a broker.

    Asked in this process: the command itself would load a model first, each time, that these tests are not about.
    """
    flags = {f"mqtt.{key}": value for key, value in settings.items()}
    found: Found = {}
    try:
        outcomes = await check(load(None, {}, flags | {"mqtt.url": url, "node": "node-1"}))
    except StreamerError as problem:  # as `check_all` does for every check
        outcomes = [checks.Outcome("broker", checks.Level.WRONG, str(problem))]
    for one in outcomes:
        found.setdefault(one.what, []).append((one.level.value, one.says))
    return found


async def figure(node: Node, name: str, label: str = "") -> float:
    """Return a figure of `/metrics`."""
    _, page = await node.get("/metrics")
    found = re.search(rf"^streamer_{name}{re.escape(label)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def told(node: Node, words: str) -> list[str]:
    """Return the log's lines with certain words in them."""
    return [line["event"] for line in node.log if words in line["event"]]


async def is_named(node: Node, url: str, *, words: str, reason: str, **settings: str) -> None:
    """A broker that cannot be used: one line in the log, a metric, and the same words of `check`."""
    await node.logged("broker mqtt", lambda line: words in line["event"])
    found = await checked(url, **settings)
    assert found["broker"][0][0] == "wrong"
    assert words in found["broker"][0][1]
    assert await figure(node, "broker_failures_total", f'{{reason="{reason}"}}') >= 1
    assert await figure(node, "broker_connected") == 0
    assert len(told(node, words)) == 1
    assert told(node, "events are kept in the outbox")


async def all_arrive(bus: Bus, outcome: Outcome) -> None:
    """Every verdict that the caller's side was told is heard on the bus, and the summary behind it."""
    await bus.ended()
    assert {event["id"] for event in bus.events("utterance")} == {event["id"] for event in outcome.events} != set()


class Certificates:
    """An authority, and certificates of all kinds for a broker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = authority(folder, "authority")
        self.good = signed(self.authority, folder, "good")

    def kind(self, name: str) -> Pair:
        """Return a certificate with which something is wrong."""
        match name:
            case "expired":
                return dated(self.authority, self.folder, "expired", "20200101000000Z", "20200201000000Z")
            case "of another host":
                return signed(self.authority, self.folder, "elsewhere", good_for="DNS:broker.example.com")
            case _:
                return signed(authority(self.folder, "stranger"), self.folder, "unknown")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def with_tls(make: MakeBroker, shows: Path, key: Path) -> tuple[Broker, Observers]:
    """Start a Mosquitto that does TLS at its port, and lets observers in without at another."""
    observers = Observers(free_port())
    lines = (f"certfile {shows}", f"keyfile {key}", f"listener {observers.port} 127.0.0.1")
    return make(*lines, persistent=True), observers


class Observers:
    """Where a subscriber of the test listens, whatever the node has to go through."""

    def __init__(self, port: int) -> None:
        self.port = port


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unknown", "set mqtt.ca_file to the authority that signed it"),
        ("expired", "certificate has expired"),
        ("of another host", "write the name that stands in it into mqtt.url"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted(
    *,
    mosquitto_with: MakeBroker,
    start_node: StartNode,
    certificates: Certificates,
    sentence: Samples,
    call_id: str,
    tmp_path: Path,
    kind: str,
    words: str,
) -> None:
    shown, key = tmp_path / "shown.pem", tmp_path / "shown.key"

    def show(pair: Pair) -> None:
        shown.write_bytes(pair.cert.read_bytes())
        key.write_bytes(pair.key.read_bytes())

    show(certificates.kind(kind))
    broker, observers = with_tls(mosquitto_with, shown, key)
    url = f"mqtts://127.0.0.1:{broker.port}"
    trusted = str(certificates.authority.cert)
    node = await start_node(url, config=f'[mqtt]\nca_file = "{trusted}"\n')
    async with listening(observers, call_id) as bus:  # type: ignore[arg-type] - its port is all that is needed
        outcome = await native_call(node.url, sentence, call_id=call_id)
        await is_named(node, url, words=words, reason="tls", ca_file=trusted)
        show(certificates.good)
        broker.stop()
        broker.start()
        await all_arrive(bus, outcome)
    (_, says), *_ = (await checked(url, ca_file=trusted))["broker certificate"]
    assert "days left" in says or "day left" in says


async def test_tls_is_spoken_where_there_is_none(
    mosquitto_with: MakeBroker, start_node: StartNode, sentence: Samples, call_id: str
) -> None:
    broker = mosquitto_with(persistent=True)
    wrong = f"mqtts://127.0.0.1:{broker.port}"
    node = await start_node(wrong)
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, sentence, call_id=call_id)
        await is_named(node, wrong, words="use mqtt:// in mqtt.url", reason="tls")
        await again(start_node, node, broker.url)
        await all_arrive(bus, outcome)


async def test_tls_is_not_spoken_where_it_is_wanted(
    mosquitto_with: MakeBroker,
    start_node: StartNode,
    certificates: Certificates,
    sentence: Samples,
    call_id: str,
) -> None:
    broker, observers = with_tls(mosquitto_with, certificates.good.cert, certificates.good.key)
    node = await start_node(broker.url)
    async with listening(observers, call_id) as bus:  # type: ignore[arg-type]
        outcome = await native_call(node.url, sentence, call_id=call_id)
        await is_named(node, broker.url, words="wants TLS; write mqtts:// in mqtt.url", reason="tls")
        config = f'[mqtt]\nca_file = "{certificates.authority.cert}"\n'
        await again(start_node, node, f"mqtts://127.0.0.1:{broker.port}", config=config)
        await all_arrive(bus, outcome)


async def again(start_node: StartNode, node: Node, url: str, **options: Any) -> Node:
    """Kill a node, and start it anew in its folder, with its outbox and another configuration."""
    await node.kill()
    return await start_node(url, folder=node.folder, **options)


@pytest.fixture
def passwords(find_program: Callable[[str], str], tmp_path: Path) -> Callable[[str, str], Path]:
    """Set the password of a user in a file for Mosquitto."""
    file = tmp_path / "passwords"
    file.touch()
    return lambda user, password: _set_password(find_program("mosquitto_passwd"), file, user, password)


def _set_password(program: str, file: Path, user: str, password: str) -> Path:
    subprocess.run([program, "-b", str(file), user, password], check=True, capture_output=True)
    return file


@pytest.mark.parametrize("known", [True, False], ids=["wrong password", "unknown user"])
async def test_a_user_whom_the_broker_does_not_let_in(
    *,
    mosquitto_with: MakeBroker,
    start_node: StartNode,
    passwords: Callable[[str, str], Path],
    sentence: Samples,
    call_id: str,
    tmp_path: Path,
    known: bool,
) -> None:
    file = passwords("streamer" if known else "somebody", "right")
    broker = mosquitto_with(f"password_file {file}", "allow_anonymous true", persistent=True)
    secret = tmp_path / "secret"
    secret.write_text("wrong\n", encoding="utf-8")
    secret.chmod(0o600)
    config = f'[mqtt]\nusername = "streamer"\npassword_file = "{secret}"\n'
    node = await start_node(broker.url, config=config)
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, sentence, call_id=call_id)
        user = {"username": "streamer", "password_file": str(secret)}
        await is_named(node, broker.url, words="refuses 'streamer'", reason="credentials", **user)
        assert "check mqtt.username and mqtt.password_file" in told(node, "refuses 'streamer'")[0]
        if known:
            secret.write_text("right\n", encoding="utf-8")
        else:
            passwords("streamer", "wrong")
            broker.reload()
        await all_arrive(bus, outcome)
    assert "wrong\n" not in node.text()


async def test_a_topic_that_is_forbidden(
    *,
    mosquitto_with: MakeBroker,
    start_node: StartNode,
    passwords: Callable[[str, str], Path],
    sentence: Samples,
    call_id: str,
    tmp_path: Path,
) -> None:
    rights, secret = tmp_path / "rights", tmp_path / "secret"
    allowed = (
        "topic readwrite #\nuser streamer\ntopic write emotion/v1/nodes/#\ntopic write emotion/v1/+/calls/+/state\n"
    )
    rights.write_text(allowed, encoding="utf-8")
    secret.write_text("right\n", encoding="utf-8")
    secret.chmod(0o600)
    file = passwords("streamer", "right")
    broker = mosquitto_with(f"password_file {file}", f"acl_file {rights}", "allow_anonymous true", persistent=True)
    config = f'[mqtt]\nusername = "streamer"\npassword_file = "{secret}"\n'
    user = {"username": "streamer", "password_file": str(secret)}
    node = await start_node(broker.url, config=config)
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, sentence, call_id=call_id)
        line = await node.logged("the broker refuses messages (Not authorized)")
        assert "check what this user may write to" in line["event"]
        assert line["kind"] == "utterance"
        assert await figure(node, "publish_refused_total", '{reason="Not authorized"}') >= 1
        for version, words in (("5", "Not authorized; check what"), ("3.1.1", "closed the connection; check what")):
            found = await checked(broker.url, version=version, **user)
            (wrong,) = [says for level, says in found["publish"] if level == "wrong"]
            assert wrong.startswith("utterance, partial, ended cannot be published, as on emotion/v1/default/calls/")
            assert words in wrong
        assert len(told(node, "the broker refuses messages")) == 1
        assert len(told(node, "the broker closes the connection after each message that it refuses")) <= 1
        rights.write_text(allowed + "topic write emotion/v1/+/calls/#\n", encoding="utf-8")
        broker.reload()
        await again(start_node, node, broker.url, config=config)  # or wait for the next try, within a minute
        await all_arrive(bus, outcome)
    assert {outcome for outcome, _ in (await checked(broker.url, **user))["publish"]} == {"ok"}


async def test_a_broker_without_room_for_another_connection(
    mosquitto_with: MakeBroker, start_node: StartNode, sentence: Samples, call_id: str
) -> None:
    observers = Observers(free_port())
    broker = mosquitto_with("max_connections 1", f"listener {observers.port} 127.0.0.1", persistent=True)
    with contextlib.ExitStack() as guests:
        turned_away = 0
        while turned_away < 3:  # at first by what found the broker to be up, which may still have a place
            turned_away = 0 if has_place(guests.enter_context(guest(broker.port))) else turned_away + 1
        node = await start_node(broker.url)
        async with listening(observers, call_id) as bus:  # type: ignore[arg-type]
            outcome = await native_call(node.url, sentence, call_id=call_id)
            await is_named(node, broker.url, words="it takes no more connections", reason="no_answer")
            guests.close()
            await all_arrive(bus, outcome)


def guest(port: int) -> socket.socket:
    """Return a connection that has asked for a place at the broker."""
    connection = socket.create_connection(("127.0.0.1", port))
    name = f"guest-{connection.getsockname()[1]}".encode()
    rest = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name  # CONNECT of MQTT 3.1.1
    with contextlib.suppress(ConnectionError):  # there was no place
        connection.sendall(bytes([0x10, len(rest)]) + rest)
    return connection


def has_place(connection: socket.socket) -> bool:
    """Return whether a guest is accepted."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(4) == b"\x20\x02\x00\x00"
    return False


async def test_a_broker_that_takes_no_messages_of_this_size(
    mosquitto_with: MakeBroker, start_node: StartNode, sentence: Samples, call_id: str
) -> None:
    broker = mosquitto_with("message_size_limit 600", persistent=True)
    node = await start_node(broker.url)
    async with listening(broker, call_id) as bus:
        outcome = await native_call(node.url, sentence, call_id=call_id)
        line = await node.logged("3 connections in a row broke on the same message")
        assert "raise its limit (Mosquitto: message_size_limit)" in line["event"]
        assert await figure(node, "broker_failures_total", '{reason="lost"}') >= 3
        assert await figure(node, "outbox_rows") >= 1
        assert bus.events("utterance") == []
        widen(broker, "message_size_limit 600", "message_size_limit 100000")
        broker.reload()
        await all_arrive(bus, outcome)
    assert len(told(node, "connections in a row broke")) == 1


def widen(broker: Broker, old: str, new: str) -> None:
    """Change a line of a broker's configuration."""
    text = broker._config.read_text(encoding="utf-8")
    assert old in text
    broker._config.write_text(text.replace(old, new), encoding="utf-8")


RUMQTTD = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v4.1]
name = "old"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
dynamic_filters = true
"""


@pytest.fixture
def old_broker(tmp_path: Path) -> Iterator[Observers]:
    """A broker that speaks MQTT 3.1.1 and nothing else."""
    port = free_port()
    config = tmp_path / "rumqttd.toml"
    config.write_text(RUMQTTD.format(port=port), encoding="utf-8")
    broker = Rumqttd(config_path=str(config))
    broker.start(10.0)
    yield Observers(port)
    broker.stop()


async def test_a_broker_that_speaks_3_1_1_only(
    old_broker: Observers, start_node: StartNode, sentence: Samples, call_id: str
) -> None:
    url = f"mqtt://127.0.0.1:{old_broker.port}"
    node = await start_node(url)
    async with collect(old_broker, f"emotion/v1/default/calls/{call_id}/#", version="3.1.1") as heard:  # type: ignore[arg-type]
        outcome = await native_call(node.url, sentence, call_id=call_id)
        await is_named(node, url, words="set mqtt.version = '3.1.1'", reason="version")
        assert "speaks no MQTT 5, but 3.1.1" in told(node, "set mqtt.version")[0]
        config = '[mqtt]\nversion = "3.1.1"\n'
        node = await again(start_node, node, url, config=config)
        await all_arrive(Bus(heard), outcome)
    assert told(node, "MQTT 3.1.1 cannot say that a message was refused")
    assert {found for found, _ in (await checked(url, version="3.1.1"))["publish"]} == {"ok"}


async def test_what_others_had_the_broker_keep_on_our_topics(
    mosquitto: Broker, start_node: StartNode, sentence: Samples, call_id: str
) -> None:
    junk = {
        f"emotion/v1/default/calls/{call_id}-old/customer/utterance": b'{"not": "ours"}',
        "emotion/v1/default/calls/+4930123456/state".replace("+", ""): b"hello",
        "emotion/v1/room/temperature": b"21.5",
    }
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        for topic, payload in junk.items():
            await client.publish(topic, payload, qos=1, retain=True)
    node = await start_node(mosquitto.url)
    line = await node.logged("retained messages under our topics mislead")
    assert (line["never_retained"], line["unreadable"], line["foreign_topic"]) == (1, 1, 1)
    assert "4930123456" not in node.text()
    assert await figure(node, "retained_junk", '{kind="never_retained"}') == 1
    found = await checked(mosquitto.url)
    ((state, says),) = found["retained"]
    assert state == "warn"
    assert "3 of 4 messages under emotion/v1 mislead" in says  # the fourth is the status of the node
    assert all(topic in says for topic in junk)
    async with collect(mosquitto, f"emotion/v1/default/calls/{call_id}/#") as heard:
        outcome = await native_call(node.url, sentence, call_id=call_id)
        await all_arrive(Bus(heard), outcome)
    async with collect(mosquitto, "emotion/v1/#") as kept:
        still = await kept.until(lambda messages: len(messages) >= len(junk) + 1)
    assert {str(message.topic) for message in still if level(message) != "status"} == set(junk)  # none was touched
