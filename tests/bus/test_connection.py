"""One connection: what is asked of the broker, and every failure in words that say what to do."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.connection import connect, publish_properties
from streamer.bus.settings import LinkError, MqttSettings
from tests.certificates import Pair, authority, signed

MESSAGE = Outgoing(id="a", kind=Kind.UTTERANCE, topic="t/a", payload=b"{}", properties=(("id", "a"), ("type", "x")))


@asynccontextmanager
async def listening(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[str]:
    """Run something that is no broker; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_message_is_acknowledged_by_its_reason_code(mosquitto: Any, version: Any) -> None:
    link = await connect(MqttSettings(mosquitto.url, version=version))
    reason = await link.send(MESSAGE)
    assert reason is not None
    assert not reason.is_failure
    assert not link.lost
    await link.close()
    assert link.lost


async def test_nothing_is_awaited_for_a_message_that_needs_no_acknowledgement(mosquitto: Any) -> None:
    link = await connect(MqttSettings(mosquitto.url))
    assert link.send(Outgoing(id="p", kind=Kind.PARTIAL, topic="t/p", payload=b"{}", qos=0)).result() is None
    await link.close()


async def test_when_the_broker_goes_every_acknowledgement_that_is_due_fails(mosquitto: Any) -> None:
    link = await connect(MqttSettings(mosquitto.url))
    lost = asyncio.Event()
    link.on_lost(lost)
    await asyncio.to_thread(mosquitto.stop)
    await lost.wait()
    with pytest.raises(LinkError, match=r"the broker closed the connection|the connection broke"):
        link.send(MESSAGE)
    await link.close()


async def test_an_acknowledgement_that_never_comes_fails_with_the_connection() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x20\x02\x00\x00")  # CONNACK, accepted
        await reader.readuntil(b"t/a")
        writer.write(b"")

    async with listening(swallow) as url:
        link = await connect(MqttSettings(url, version="3.1.1"))
        with pytest.raises(LinkError, match="the connection broke"):
            await link.send(MESSAGE)
        await link.close()


async def test_hanging_up_leaves_nothing_open(mosquitto: Any) -> None:
    link = await connect(MqttSettings(mosquitto.url))
    link.abort()
    link.abort()
    with pytest.raises(LinkError):
        link.check()
    await link.close()


async def test_the_limits_that_the_broker_states_are_known(mosquitto_with: Any) -> None:
    broker = mosquitto_with("max_packet_size 1000")
    link = await connect(MqttSettings(broker.url))
    assert link.most_in_flight == 20
    fitting = next(n for n in range(1000, 0, -1) if link.fits(sized(n)))
    reason = await link.send(sized(fitting))
    assert reason is not None
    assert not reason.is_failure  # the largest that is said to fit does
    lost = asyncio.Event()
    link.on_lost(lost)
    # Mosquitto does not count the two bytes of the length, so three more are too many for it as well.
    link.send(sized(fitting + 3)).add_done_callback(lambda future: future.exception())
    await lost.wait()
    await link.close()


def sized(payload_bytes: int) -> Outgoing:
    return Outgoing(
        id="a", kind=Kind.UTTERANCE, topic="t/a", payload=b"x" * payload_bytes, properties=(("id", "a"),), expiry_s=3
    )


@pytest.fixture
def passwords(find_program: Any, tmp_path: Path) -> Path:
    path = tmp_path / "passwords"
    subprocess.run([find_program("mosquitto_passwd"), "-b", "-c", path, "me", "right"], check=True)
    return path


async def test_a_wrong_password_is_one_line_that_names_the_settings(
    mosquitto_with: Any, passwords: Path, tmp_path: Path
) -> None:
    broker = mosquitto_with("allow_anonymous false", f"password_file {passwords}")
    secret = tmp_path / "secret"
    for version in ("5", "3.1.1"):
        secret.write_text("wrong\n")
        settings = MqttSettings(broker.url, version=version, username="me", password_file=str(secret))
        with pytest.raises(LinkError, match=r"refuses 'me' .*; check mqtt\.username and mqtt\.password_file"):
            await connect(settings)
        with pytest.raises(LinkError, match="refuses a client without a name"):
            await connect(MqttSettings(broker.url, version=version))
        secret.write_text("right\n")
        await (await connect(settings)).close()


async def test_a_port_where_nothing_listens_is_said() -> None:
    async with listening(lambda *_: asyncio.Event().wait()) as url:
        pass
    with pytest.raises(LinkError, match="nothing listens there; start the broker"):
        await connect(MqttSettings(url))


async def test_a_host_that_does_not_exist_is_said() -> None:
    # .invalid never resolves (RFC 6761).
    with pytest.raises(LinkError, match=r"no such host; check mqtt\.url"):
        await connect(MqttSettings("mqtt://broker.invalid"))


async def test_something_that_never_answers_is_given_up() -> None:
    async with listening(lambda reader, _: reader.read()) as url:
        with pytest.raises(LinkError, match="no answer"):
            await connect(MqttSettings(url), timeout_s=0.05)


async def test_something_that_hangs_up_at_once_is_not_waited_for() -> None:
    async with listening(lambda reader, _: reader.read(1)) as url:
        with pytest.raises(LinkError, match=r"set mqtt\.version = '3\.1\.1'"):
            await connect(MqttSettings(url), timeout_s=1e9)


async def test_a_broker_that_knows_no_mqtt_5_and_says_so_is_believed() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x20\x03\x00\x84\x00")  # CONNACK, unsupported protocol version
        await writer.drain()

    async with listening(refuse) as url:
        with pytest.raises(LinkError, match=r"Unsupported protocol version\); set mqtt\.version"):
            await connect(MqttSettings(url))


async def test_cancelling_while_connecting_leaves_nothing_open() -> None:
    reached, gone = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reached.set()
        await reader.read()
        gone.set()

    async with listening(listen) as url:
        connecting = asyncio.create_task(connect(MqttSettings(url)))
        await reached.wait()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await gone.wait()


@pytest.fixture
def certificate(tmp_path: Path, find_program: Any) -> tuple[Path, Path]:
    key, crt = tmp_path / "key.pem", tmp_path / "crt.pem"
    command = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout {key} -out {crt}"
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([find_program("openssl"), *command.split(), *name], check=True, capture_output=True)
    return key, crt


async def test_tls_is_spoken_and_checked(mosquitto_with: Any, certificate: tuple[Path, Path]) -> None:
    key, crt = certificate
    broker = mosquitto_with(f"certfile {crt}", f"keyfile {key}")
    url = broker.url.replace("mqtt:", "mqtts:")
    link = await connect(MqttSettings(url, ca_file=str(crt)))
    reason = await link.send(MESSAGE)
    assert reason is not None
    await link.close()
    with pytest.raises(LinkError, match=r"certificate is not trusted .*set mqtt\.ca_file"):
        await connect(MqttSettings(url))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_broker_that_asks_for_a_certificate_gets_ours_and_refusing_it_is_said_in_words(
    mosquitto_with: Any, tmp_path: Path, version: Any
) -> None:
    ca = authority(tmp_path, "ca")
    its, ours = signed(ca, tmp_path, "broker"), signed(ca, tmp_path, "node-1")
    strangers = signed(authority(tmp_path, "other-ca"), tmp_path, "stranger")
    tls = (f"cafile {ca.cert}", f"certfile {its.cert}", f"keyfile {its.key}", "require_certificate true")
    broker = mosquitto_with(*tls, "use_identity_as_username true")

    async def open_as(shows: Pair | None) -> None:
        files = {"cert_file": str(shows.cert), "key_file": str(shows.key)} if shows else {}
        url = broker.url.replace("mqtt:", "mqtts:")
        await (await connect(MqttSettings(url, version=version, ca_file=str(ca.cert), **files))).close()

    await open_as(ours)
    for shows, words in {
        None: r"CERTIFICATE_REQUIRED\); it seems to ask for a certificate: set mqtt\.cert_file",
        strangers: r"UNKNOWN_CA\); is the certificate in mqtt\.cert_file one of the authority",
    }.items():
        with pytest.raises(LinkError, match=words):
            await open_as(shows)


async def test_tls_to_a_port_without_it_is_said(mosquitto: Any) -> None:
    with pytest.raises(LinkError, match=r"no TLS there|hangs up|gives no answer"):
        await connect(MqttSettings(mosquitto.url.replace("mqtt:", "mqtts:")))


@given(st.lists(st.tuples(st.text("abc", min_size=1), st.text("xyz"))), st.none() | st.integers(0, 2**32 - 1))
def test_properties_carry_what_the_message_says(pairs: list[tuple[str, str]], expiry_s: int | None) -> None:
    message = Outgoing(id="a", kind=Kind.PARTIAL, topic="t", payload=b"{}", properties=tuple(pairs), expiry_s=expiry_s)
    properties = publish_properties(message)
    assert properties.ContentType == "application/cloudevents+json"
    assert properties.PayloadFormatIndicator == 1
    assert getattr(properties, "UserProperty", []) == pairs
    assert getattr(properties, "MessageExpiryInterval", None) == expiry_s


async def test_what_the_network_has_not_taken_can_be_taken_back(mosquitto: Any, collecting: Any) -> None:
    link = await connect(MqttSettings(mosquitto.url))
    clear = Outgoing(id="c", kind=Kind.CLEAR, topic="t/state", payload=b"", call_key="call-1", retain=True)
    theirs = [
        Outgoing(id=name, kind=Kind.UTTERANCE, topic="t/a", payload=name.encode(), call_key="call-1", qos=qos)
        for name, qos in (("final", 1), ("partial", 0))
    ]
    other = Outgoing(id="o", kind=Kind.UTTERANCE, topic="t/b", payload=b"other", call_key="call-2")
    async with collecting(mosquitto, "t/#") as heard:
        sent = {one.id: link.send(one) for one in (theirs[0], other, theirs[1], clear)}  # nothing is written yet
        link.recall("call-1")
        link.recall("call-3")
        await sent["o"]
        await sent["c"]
        assert sent["final"].cancelled()
        last = Outgoing(id="l", kind=Kind.UTTERANCE, topic="t/b", payload=b"last", call_key="call-1")
        await link.send(last)
        messages = await heard.until(lambda got: bool(got) and got[-1].payload == b"last")
    assert [one.payload for one in messages] == [b"other", b"", b"last"]
    link.recall("call-1")  # it has been acknowledged: there is nothing to take back
    await link.close()


async def test_a_message_of_which_the_network_has_the_beginning_goes_out_whole() -> None:
    read_on, read_all, took = asyncio.Event(), asyncio.Event(), bytearray()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x20\x02\x00\x00")  # CONNACK, accepted
        await read_on.wait()
        while chunk := await reader.read(1 << 20):
            took.extend(chunk)
        read_all.set()

    async with listening(slow) as url:
        link = await connect(MqttSettings(url, version="3.1.1"))
        size = 32 * 2**20  # more than the buffers of two sockets hold
        big = Outgoing(id="b", kind=Kind.UTTERANCE, topic="t/a", payload=b"x" * size, call_key="call-1")
        begun, waiting = link.send(big), link.send(Outgoing(**{**msgspec.structs.asdict(big), "payload": b"waiting"}))
        while not link._client._out_packet[0]["pos"]:  # noqa: ASYNC110 - paho has no event for it
            await asyncio.sleep(0)
        link.recall("call-1")
        assert (begun.cancelled(), waiting.cancelled()) == (False, True)
        read_on.set()
        while link.has_unwritten:  # noqa: ASYNC110 - nor for this
            await asyncio.sleep(0)
        await link.close()
        await read_all.wait()
    assert took.count(b"x") >= size
    assert b"waiting" not in took
