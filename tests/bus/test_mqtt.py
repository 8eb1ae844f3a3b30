"""The publisher against a real Mosquitto: every event arrives, in order, under one id, whatever breaks."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
import structlog
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from streamer_client.events import Status

from streamer.bus.cloudevents import Kind, Outgoing, cleared
from streamer.bus.drain import Drain
from streamer.bus.mqtt import Pace, Publisher, backoff_s
from streamer.bus.outbox import Outbox, OutboxError
from streamer.bus.rights import Asking
from streamer.bus.settings import MqttSettings
from streamer.bus.store import Store
from streamer.metrics import Metrics

QUICK = Pace(first_retry_s=0.01, longest_retry_s=0.05, will_delay_s=0, refused_retry_s=0.01)
STATUS = "emotion/v1/nodes/node-1/status"


def message(name: str, call: str = "a", kind: Kind = Kind.UTTERANCE, size: int = 0, **more: Any) -> Outgoing:
    payload = name.encode() + b" " * size
    return Outgoing(id=name, kind=kind, topic=f"calls/{call}", payload=payload, call_key=call, **more)


def heard_ids(messages: Sequence[aiomqtt.Message], call: str | None = None) -> list[str]:
    """Return the ids heard, in order, each once: what a subscriber that de-duplicates sees."""
    found: dict[str, None] = {}
    for one in messages:
        if str(one.topic).startswith("calls/") and (call is None or str(one.topic) == f"calls/{call}"):
            found.setdefault(bytes(one.payload).decode().strip())
    return list(found)


def statuses(messages: Sequence[aiomqtt.Message]) -> list[str]:
    return [json.loads(bytes(one.payload))["data"]["status"] for one in messages if str(one.topic) == STATUS]


class Bench:
    """An outbox and what is needed to run publishers on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.outbox: Outbox

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"streamer_{name}", labels) or 0

    @asynccontextmanager
    async def publishing(self, url: str, *, pace: Pace = QUICK, **settings: Any) -> AsyncIterator[Publisher]:
        publisher = Publisher(
            MqttSettings(url, **settings), self.outbox, node="node-1", metrics=self.metrics, version="0.1.0", pace=pace
        )
        task = asyncio.create_task(publisher.run(), name="publisher")
        try:
            yield publisher
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()  # it never ends by itself


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "outbox.sqlite")
    made.outbox = await Outbox.open(made.path, metrics=made.metrics)
    yield made
    await made.outbox.close()


@asynccontextmanager
async def fake_broker(mute_after: bytes = b"calls/") -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Run a broker that takes everything, acknowledges the status and nothing else; the event says what it took."""
    took = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            writer.write(b"\x20\x02\x00\x00")  # CONNACK of MQTT 3.1.1, accepted
            seen = b""
            acknowledged = False
            while chunk := await reader.read(65536):
                seen += chunk
                # The first one is the topic of the will, in the greeting.
                at = seen.rfind(b"/status")
                if not acknowledged and seen.count(b"/status") == 2 and len(seen) >= at + 9:
                    writer.write(b"\x40\x02" + seen[at + 7 : at + 9])  # PUBACK of its packet identifier
                    acknowledged = True
                if mute_after in seen:
                    took.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", took


@asynccontextmanager
async def full_broker(refuses: Callable[[str], bool]) -> AsyncIterator[tuple[str, list[str]]]:
    """Run a broker of MQTT 5 that answers what it is told to refuse with 'quota exceeded'; the list is what it took."""
    took: list[str] = []

    async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
        kind, length, shift = (await reader.readexactly(1))[0], 0, 0
        while (byte := (await reader.readexactly(1))[0]) & 0x80:
            length, shift = length | (byte & 0x7F) << shift, shift + 7
        return kind, await reader.readexactly(length | byte << shift)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await packet(reader)
            writer.write(b"\x20\x03\x00\x00\x00")  # CONNACK
            while True:
                kind, body = await packet(reader)
                if kind & 0xF0 != 0x30:
                    continue
                end = 2 + int.from_bytes(body[:2], "big")
                content = body[end + 3 + body[end + 2] :].decode().strip()
                is_refused = body[2:end].startswith(b"calls/") and refuses(content)
                if not is_refused:
                    took.append(content)
                writer.write(b"\x40\x03" + body[end : end + 2] + (b"\x97" if is_refused else b"\x00"))  # PUBACK
        except asyncio.IncompleteReadError:
            pass  # hung up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", took


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0.01, 10), st.floats(10, 300))
def test_pauses_grow_and_are_spread_but_never_longer_than_said(
    failures: int, chance: float, first_s: float, longest_s: float
) -> None:
    pace = Pace(first_retry_s=first_s, longest_retry_s=longest_s)
    pause = backoff_s(failures, pace, chance)
    assert first_s / 2 <= pause <= longest_s
    assert backoff_s(failures + 1, pace, chance) >= pause


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_is_put_arrives_in_order_and_leaves_the_outbox(
    mosquitto: Any, collecting: Any, bench: Bench, version: str
) -> None:
    names = [str(n) for n in range(200)]
    async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url, version=version) as publisher:
        await bench.outbox.put([message(name) for name in names[:150]])
        await publisher.wait_connected()
        await bench.outbox.put([message(name) for name in names[150:]])
        assert heard_ids(await heard.count(200)) == names
        assert await publisher.flush(20)
    assert bench.outbox.depth() == 0


async def test_under_v5_a_subscriber_can_sort_without_parsing(mosquitto: Any, collecting: Any, bench: Bench) -> None:
    properties = (("specversion", "1.0"), ("type", "t"), ("source", "/nodes/n"), ("subject", "s"), ("id", "a"))
    async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url):
        await bench.outbox.put([message("a", properties=properties, expiry_s=300)])
        (one,) = await heard.count(1)
    assert one.qos == 1
    assert not one.retain
    assert one.properties is not None
    assert one.properties.UserProperty == list(properties)
    assert one.properties.ContentType == "application/cloudevents+json"
    assert one.properties.PayloadFormatIndicator == 1
    assert 0 < one.properties.MessageExpiryInterval <= 300


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_broker_that_is_stopped_and_started_again_gets_every_event_in_order(
    mosquitto: Any, collecting: Any, bench: Bench, version: str
) -> None:
    calls = ["a", "b", "c"]
    async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url, version=version):

        async def put(first: int, last: int) -> None:
            for n in range(first, last):
                await bench.outbox.put([message(f"{call}{n}", call) for call in calls])

        streaming = asyncio.create_task(put(0, 100))
        await heard.count(30)
        await asyncio.to_thread(mosquitto.stop)  # in the middle of it
        await streaming
        await put(100, 150)
        assert bench.outbox.depth() >= 150
        await asyncio.to_thread(mosquitto.start)
        await heard.until(lambda messages: len(heard_ids(messages)) == 450)
        for call in calls:
            assert heard_ids(heard.messages, call) == [f"{call}{n}" for n in range(150)]


async def test_events_wait_for_a_broker_that_comes_later(mosquitto: Any, collecting: Any, bench: Bench) -> None:
    async with collecting(mosquitto, "calls/#") as heard:
        await asyncio.to_thread(mosquitto.stop)
        async with bench.publishing(mosquitto.url) as publisher:
            await bench.outbox.put([message("a")])
            assert not publisher.connected
            assert not await publisher.flush(0)
            await asyncio.to_thread(mosquitto.start)
            assert heard_ids(await heard.count(1)) == ["a"]


async def test_a_server_killed_before_the_acknowledgement_sends_the_same_ids_after_its_restart(
    mosquitto: Any, collecting: Any, tmp_path: Path
) -> None:
    path = tmp_path / "killed.sqlite"
    script = Path(__file__).with_name("crash_before_acknowledgement.py")
    async with fake_broker() as (url, took):
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(script), str(path), url, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        await child.stdout.readuntil(b"put\n")
        await took.wait()  # the verdicts are on the wire, and nobody has acknowledged them
        child.kill()
        await child.wait()

    bench = Bench(path)
    bench.outbox = await Outbox.open(path, metrics=bench.metrics)
    async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url) as publisher:
        assert heard_ids(await heard.count(3)) == ["event-0", "event-1", "event-2"]
        assert await publisher.flush(20)
    await bench.outbox.close()


async def test_a_message_that_nobody_acknowledges_is_sent_again_over_a_new_connection(bench: Bench) -> None:
    async with (
        fake_broker() as (url, took),
        bench.publishing(url, version="3.1.1", pace=Pace(first_retry_s=0, ack_s=0.05, will_delay_s=0)),
    ):
        await bench.outbox.put([message("a")])
        for _ in range(3):
            await took.wait()
            took.clear()
    assert bench.outbox.depth() == 1
    assert bench.value("publish_retries_total") >= 2


async def test_what_an_objection_removes_while_the_broker_is_away_is_never_sent(
    mosquitto: Any, collecting: Any, bench: Bench
) -> None:
    async with collecting(mosquitto, "calls/#") as heard:
        await asyncio.to_thread(mosquitto.stop)
        async with bench.publishing(mosquitto.url):
            await bench.outbox.put([message("a1", "a"), message("b1", "b"), message("a2", "a")])
            assert await bench.outbox.remove_call("a") == 2
            await bench.outbox.put([message("b2", "b")])
            await asyncio.to_thread(mosquitto.start)
            assert heard_ids(await heard.count(2)) == ["b1", "b2"]


async def test_of_a_call_that_is_recalled_nothing_leaves_but_the_clearing_of_its_state(
    mosquitto: Any, collecting: Any, bench: Bench
) -> None:
    state = message("state", kind=Kind.STATE, retain=True)
    async with collecting(mosquitto, "calls/#") as heard:
        await asyncio.to_thread(mosquitto.stop)
        async with bench.publishing(mosquitto.url) as publisher:
            await bench.outbox.put([message("a1"), message("b1", "b"), state, cleared(state), message("b2", "b")])
            publisher.recall("a")
            await asyncio.to_thread(mosquitto.start)
            assert heard_ids(await heard.count(3)) == ["b1", "", "b2"]
            publisher.release("a")
            await bench.outbox.put([message("a2")])
            assert heard_ids(await heard.count(4))[-1] == "a2"


async def test_what_is_recalled_before_the_network_has_it_never_leaves_and_holds_nothing_up(
    mosquitto: Any, collecting: Any, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalled = asyncio.Event()
    async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url) as publisher:
        await publisher.wait_connected()
        real = Drain._send

        def send(drain: Drain, row: Any) -> None:
            real(drain, row)
            if row.message.id == "b1":  # in one go with what was read: nothing has been written yet
                publisher.recall("a")
                recalled.set()

        monkeypatch.setattr(Drain, "_send", send)
        await bench.outbox.put([message("a1"), message("a2"), message("b1", "b")])
        await recalled.wait()
        await bench.outbox.remove_call("a")
        publisher.release("a")
        await bench.outbox.put([message("b2", "b")])
        assert heard_ids(await heard.count(2)) == ["b1", "b2"]
        assert await publisher.flush(20)


async def test_the_state_of_a_call_stands_while_it_is_live_and_is_cleared_at_its_end(
    mosquitto: Any, collecting: Any, bench: Bench
) -> None:
    state = message("state", kind=Kind.STATE, retain=True)
    async with bench.publishing(mosquitto.url) as publisher:
        await bench.outbox.put([state])
        assert await publisher.flush(20)
        async with collecting(mosquitto, "calls/#") as latecomer:
            (one,) = await latecomer.count(1)
            assert one.retain
            await bench.outbox.put([cleared(state)])
            assert (await latecomer.count(2))[1].payload == b""
        assert await publisher.flush(20)
        async with collecting(mosquitto, "calls/#", "probe") as later:
            await bench.outbox.put([message("after")])
            assert heard_ids(await later.count(1)) == ["after"]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_node_says_online_draining_and_offline(
    mosquitto: Any, collecting: Any, bench: Bench, version: str
) -> None:
    async with collecting(mosquitto, STATUS) as heard:
        async with bench.publishing(mosquitto.url, version=version) as publisher:
            await publisher.wait_connected()
            assert await publisher.announce(Status.DRAINING)
        messages = await heard.count(3)
    assert statuses(messages) == ["online", "draining", "offline"]
    assert len({json.loads(bytes(one.payload))["id"] for one in messages}) == 3
    assert bench.value("broker_connected") == 0


async def test_after_an_abrupt_death_the_broker_says_offline(mosquitto: Any, collecting: Any, bench: Bench) -> None:
    async with collecting(mosquitto, STATUS) as heard, bench.publishing(mosquitto.url) as publisher:
        await publisher.wait_connected()
        assert publisher._link is not None
        publisher._link.abort()  # as kill -9 or a cut cable: no goodbye
        messages = await heard.count(3)
        assert statuses(messages) == ["online", "offline", "online"]


async def test_under_v5_a_short_interruption_makes_nobody_believe_the_node_is_gone(
    mosquitto: Any, collecting: Any, bench: Bench
) -> None:
    pace = Pace(first_retry_s=0.01, longest_retry_s=0.05, will_delay_s=3600)
    async with collecting(mosquitto, STATUS) as heard, bench.publishing(mosquitto.url, pace=pace) as publisher:
        await publisher.wait_connected()
        assert publisher._link is not None
        publisher._link.abort()
        assert statuses(await heard.count(2)) == ["online", "online"]


async def test_a_status_said_while_the_broker_is_away_is_said_when_it_is_back(
    mosquitto: Any, collecting: Any, bench: Bench
) -> None:
    async with collecting(mosquitto, STATUS) as heard:
        await asyncio.to_thread(mosquitto.stop)
        async with bench.publishing(mosquitto.url) as publisher:
            assert not await publisher.announce(Status.DRAINING)
            await asyncio.to_thread(mosquitto.start)
            assert statuses(await heard.count(1)) == ["draining"]


async def test_rolling_verdicts_go_at_once_or_not_at_all(mosquitto: Any, collecting: Any, bench: Bench) -> None:
    def rolling(name: str) -> Outgoing:
        return message(name, kind=Kind.PARTIAL, qos=0)

    async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url) as publisher:
        assert not publisher.partial(rolling("too early"))
        await publisher.wait_connected()
        assert publisher.partial(rolling("p"))
        assert heard_ids(await heard.count(1)) == ["p"]
    assert not publisher.partial(rolling("too late"))
    assert bench.value("partials_dropped_total") == 2
    assert bench.outbox.depth() == 0


async def test_rolling_verdicts_do_not_pile_up_before_a_slow_network(mosquitto: Any, bench: Bench) -> None:
    async with bench.publishing(mosquitto.url) as publisher:
        await publisher.wait_connected()
        # Without giving the event loop a chance to write, as a network that takes nothing.
        sent = [publisher.partial(message(str(n), kind=Kind.PARTIAL, qos=0)) for n in range(1500)]
        assert sent.count(True) == 1000
        assert bench.value("partials_dropped_total") == 500


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_message_larger_than_the_broker_takes_is_given_up_and_blocks_nothing(
    mosquitto_with: Any, collecting: Any, bench: Bench, version: str
) -> None:
    broker = mosquitto_with("max_packet_size 70000")
    with structlog.testing.capture_logs() as logs:
        async with collecting(broker, "calls/#") as heard, bench.publishing(broker.url, version=version) as publisher:
            await bench.outbox.put([message("before"), message("large", size=80_000), message("behind")])
            await heard.until(lambda messages: len(heard_ids(messages)) == 2)
            assert heard_ids(heard.messages) == ["before", "behind"]
            assert await publisher.flush(20)
    assert bench.value("outbox_dropped_total", kind="utterance", reason="too_large") == 1
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["event"].startswith("a message is given up")
    assert line["id"] == "large"


async def test_what_the_broker_forbids_is_kept_while_the_rest_goes_on(
    mosquitto_with: Any, collecting: Any, bench: Bench, tmp_path: Path
) -> None:
    rights = tmp_path / "rights"
    rights.write_text(f"topic readwrite calls/b\ntopic read calls/#\ntopic readwrite {STATUS}\n")
    broker = mosquitto_with(f"acl_file {rights}")
    patient = Pace(first_retry_s=0.01, longest_retry_s=0.05, will_delay_s=0, refused_retry_s=3600)
    with structlog.testing.capture_logs() as logs:
        async with collecting(broker, "calls/#") as heard, bench.publishing(broker.url, pace=patient):
            await bench.outbox.put([message("a1", "a"), message("b1", "b"), message("a2", "a"), message("b2", "b")])
            await heard.until(lambda messages: len(heard_ids(messages)) == 2)
            assert heard_ids(heard.messages) == ["b1", "b2"]
    assert [row.message.id for row in await bench.outbox.pending(0, 10)] == ["a1", "a2"]
    (refusal,) = [line for line in logs if line["log_level"] == "error"]
    assert refusal["event"].startswith("the broker refuses messages (Not authorized); they are kept")
    assert bench.value("publish_refused_total", reason="Not authorized") >= 1


async def test_what_the_broker_forbade_goes_in_order_once_it_is_allowed(
    mosquitto_with: Any, collecting: Any, bench: Bench, tmp_path: Path
) -> None:
    rights = tmp_path / "rights"
    rights.write_text(f"topic read calls/#\ntopic readwrite {STATUS}\n")
    broker = mosquitto_with(f"acl_file {rights}")
    async with collecting(broker, "calls/#") as heard, bench.publishing(broker.url) as publisher:
        await bench.outbox.put([message("a1"), message("a2")])
        await asyncio.to_thread(broker.wait_logged, "Denied PUBLISH")
        rights.write_text(f"topic readwrite calls/#\ntopic readwrite {STATUS}\n")
        await asyncio.to_thread(broker.reload)
        await heard.until(lambda messages: len(heard_ids(messages)) == 2)
        assert heard_ids(heard.messages) == ["a1", "a2"]
        assert await publisher.flush(20)


async def test_what_a_full_broker_refuses_is_tried_again_and_no_call_loses_its_order(bench: Bench) -> None:
    asked: list[str] = []

    def refuses(name: str) -> bool:
        """By turns, so that of messages sent in one go it would take the second and the fourth."""
        asked.append(name)
        return len(asked) % 2 == 1

    names = [f"{call}{n}" for n in range(8) for call in "abc"]
    with structlog.testing.capture_logs() as logs:
        async with full_broker(refuses) as (url, took):
            await bench.outbox.put([message(name, name[0]) for name in names])
            async with bench.publishing(url) as publisher:
                assert await publisher.flush(60)
    heard = [name for name in took if name in names]
    assert sorted(heard) == sorted(names)
    for call in "abc":
        assert [name for name in heard if name[0] == call] == [f"{call}{n}" for n in range(8)]
    assert bench.value("publish_refused_total", reason="Quota exceeded") == len(asked) - len(names) > 0
    assert bench.value("publish_retries_total") > 0
    refusals = [line["event"] for line in logs if line["log_level"] == "error"]
    assert "the broker refuses messages (Quota exceeded); they are kept and tried again" in refusals[0]
    assert "the broker is full" in refusals[0]


async def test_a_status_that_the_broker_forbids_stops_nothing_but_is_said(
    mosquitto_with: Any, collecting: Any, bench: Bench, tmp_path: Path
) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite calls/#\n")
    broker = mosquitto_with(f"acl_file {rights}")
    with structlog.testing.capture_logs() as logs:
        async with collecting(broker, "calls/#") as heard, bench.publishing(broker.url):
            await bench.outbox.put([message("a")])
            assert heard_ids(await heard.count(1)) == ["a"]
    (refusal,) = [line for line in logs if line["log_level"] == "error"]
    assert refusal["kind"] == "status"


async def test_trouble_is_one_line_and_not_one_a_try(mosquitto: Any, bench: Bench) -> None:
    tries = asyncio.Event()
    count = 0

    def chance() -> float:
        nonlocal count
        count += 1
        if count == 5:
            tries.set()
        return 0.0

    mosquitto.stop()
    with structlog.testing.capture_logs() as logs:
        publisher = Publisher(
            MqttSettings(mosquitto.url), bench.outbox, node="n", metrics=bench.metrics, pace=QUICK, chance=chance
        )
        running = asyncio.create_task(publisher.run())
        await tries.wait()
        mosquitto.start()
        await publisher.wait_connected()
        running.cancel()
        await asyncio.wait([running])
    told = [(line["log_level"], line["event"]) for line in logs]
    assert [level for level, _ in told] == ["warning", "info"]
    assert "nothing listens there" in told[0][1]
    assert "events are kept in the outbox" in told[0][1]
    assert told[1][1] == "connected to the broker"


async def test_a_disk_that_fails_is_said_and_tried_again(
    mosquitto: Any, collecting: Any, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = bench.outbox.pending
    failures = iter([OutboxError("outbox o: the disk is full")])

    async def failing(after_seq: int, limit: int) -> Any:
        for problem in failures:
            raise problem
        return await healthy(after_seq, limit)

    monkeypatch.setattr(bench.outbox, "pending", failing)
    with structlog.testing.capture_logs() as logs:
        async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url):
            await bench.outbox.put([message("a")])
            assert heard_ids(await heard.count(1)) == ["a"]
    assert any("the disk is full" in line["event"] for line in logs)


async def test_being_stopped_while_there_is_no_broker_takes_no_time(bench: Bench) -> None:
    async with bench.publishing("mqtt://127.0.0.1:1", pace=Pace(first_retry_s=3600, longest_retry_s=3600)):
        pass


async def test_a_check_does_not_disturb_a_running_server(mosquitto: Any, collecting: Any, bench: Bench) -> None:
    async with collecting(mosquitto, STATUS) as heard:
        async with bench.publishing(mosquitto.url) as publisher:
            await publisher.wait_connected()
            for version in ("5", "3.1.1"):
                asking = Asking(MqttSettings(mosquitto.url, version=version), "node-1", 5)
                await asking.rights(["default"])
                await asking.close()
            assert publisher.connected
        messages = await heard.until(lambda messages: len([one for one in messages if one.payload]) == 2)
        assert statuses([one for one in messages if one.payload]) == ["online", "offline"]


def test_it_runs_on_uvloop(mosquitto: Any, collecting: Any, tmp_path: Path) -> None:
    async def run() -> None:
        bench = Bench(tmp_path / "o.sqlite")
        bench.outbox = await Outbox.open(bench.path, metrics=bench.metrics)
        async with collecting(mosquitto, "calls/#") as heard, bench.publishing(mosquitto.url) as publisher:
            await bench.outbox.put([message(str(n)) for n in range(50)])
            assert heard_ids(await heard.count(50)) == [str(n) for n in range(50)]
            assert await publisher.flush(20)
        await bench.outbox.close()

    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(run())
    assert Store(tmp_path / "o.sqlite", 1, 1).close() is None
