"""The bus as a call sees it, with a real outbox and a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from streamer_client.events import (
    CallRef,
    Cut,
    Emotion,
    EndedData,
    EndedEvent,
    Latency,
    ModelRef,
    PartialEvent,
    Quality,
    Speaker,
    StateData,
    StateEvent,
    Utterance,
    UtteranceData,
    UtteranceEvent,
    decode,
)
from structlog.testing import capture_logs

from streamer.bus.bus import Bus
from streamer.bus.mqtt import LinkError
from streamer.bus.outbox import OutboxError
from streamer.bus.share import Share
from streamer.config import ConfigError, Settings, load
from streamer.metrics import Metrics
from tests.bus.broken_disks import forbid_writing

CALL = CallRef(id="CA1", tenant="acme")
ENVELOPE = {"source": "/nodes/n", "subject": "CA1", "time": "2026-11-22T10:15:04.210Z"}


def utterance(n: int) -> UtteranceEvent:
    data = UtteranceData(
        call=CALL,
        speaker=Speaker("customer", 0),
        utterance=Utterance(n=n, start_ms=0, end_ms=1000, speech_ms=800, cut=Cut.SILENCE),
        emotion=Emotion("angry", 0.8, uncertain=False, scores={"angry": 0.8, "neutral": 0.2}),
        quality=Quality(snr_db=20, clipped=0, lost_ms=0),
        model=ModelRef("m", "1", "0"),
        latency=Latency(400, 1, 2),
    )
    return UtteranceEvent(id=f"u{n}", sequence=f"{n:010d}", data=data, **ENVELOPE)


STATE = StateEvent(
    id="s1",
    data=StateData(call=CALL, status="live", roles=("customer",), analysed=("customer",), notice=False),
    **ENVELOPE,
)
ENDED = EndedEvent(
    id="e1",
    data=EndedData(call=CALL, duration_ms=1, utterances=1, overlap_ms=0, reason="stop", speakers=()),
    **ENVELOPE,
)


def settings(folder: Path, url: str = "mqtt://127.0.0.1:1", **flags: object) -> Settings:
    return load(None, {}, {"node": "n", "mqtt.url": url, "outbox.path": str(folder / "outbox.sqlite"), **flags})


@asynccontextmanager
async def opened(given: Settings, *, running: bool = True) -> AsyncIterator[Bus]:
    bus = await Bus.open(given, Metrics(CollectorRegistry()))
    task = asyncio.create_task(bus.run()) if running else None
    try:
        yield bus
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await bus.close()


async def test_a_call_goes_over_the_bus_in_order_and_leaves_no_state_behind(mosquitto, collecting, tmp_path) -> None:
    async with collecting(mosquitto, "emotion/#") as heard, opened(settings(tmp_path, mosquitto.url)) as bus:
        await bus.state(STATE, "S1")
        for n in (1, 2, 3):
            await bus.utterance(utterance(n), "S1")
        await bus.ended(ENDED, "S1")
        assert await bus.flush(10) == 0
        messages = await heard.until(lambda got: sum(b"calls" in str(one.topic).encode() for one in got) >= 6)
    calls = [one for one in messages if "/calls/" in str(one.topic)]
    topics = [str(one.topic).removeprefix("emotion/v1/acme/calls/CA1/") for one in calls]
    assert topics == ["state", *["customer/utterance"] * 3, "ended", "state"]
    assert [decode(bytes(one.payload)).id for one in calls[:-1]] == ["s1", "u1", "u2", "u3", "e1"]
    assert calls[-1].payload == b""


async def test_an_objection_removes_what_waits_of_that_call_only(mosquitto, collecting, tmp_path) -> None:
    given = settings(tmp_path, mosquitto.url)
    async with opened(given, running=False) as bus:
        await bus.state(STATE, "S1")
        await bus.utterance(utterance(1), "S1")
        await bus.utterance(utterance(2), "S2")
        assert await bus.forget(CALL, "S1") >= 1
    async with collecting(mosquitto, "emotion/v1/acme/calls/#") as heard, opened(given) as bus:
        assert await bus.flush(10) == 0
        await bus.ended(ENDED, "S2")
        messages = await heard.until(lambda got: str(got[-1].topic).endswith("/ended") if got else False)
    delivered = [decode(bytes(one.payload)).id for one in messages if one.payload]
    assert delivered == ["u2", "e1"]


async def test_from_the_first_moment_of_an_objection_nothing_of_the_call_leaves(
    mosquitto, collecting, tmp_path
) -> None:
    given = settings(tmp_path, mosquitto.url)
    removing, go_on = asyncio.Event(), asyncio.Event()
    async with collecting(mosquitto, "emotion/v1/acme/calls/#") as heard, opened(given) as bus:
        await asyncio.to_thread(mosquitto.stop)
        await bus.state(STATE, "S1")
        await bus.utterance(utterance(1), "S1")
        real = bus._outbox.remove_call

        async def slowly(key: str) -> int:
            removing.set()
            await go_on.wait()
            return await real(key)

        bus._outbox.remove_call = slowly
        objecting = asyncio.create_task(bus.forget(CALL, "S1"))
        await removing.wait()
        await asyncio.to_thread(mosquitto.start)
        await bus.utterance(utterance(2), "S2")
        await heard.until(lambda got: any(b"u2" in one.payload for one in got))
        go_on.set()
        assert await objecting == 2
        assert await bus.flush(10) == 0
        await heard.until(lambda got: any(not one.payload for one in got))
    assert [decode(bytes(one.payload)).id for one in heard.messages if one.payload] == ["u2"]


async def test_a_disk_that_fails_keeps_no_event_from_the_broker_and_no_call_from_its_end(
    mosquitto, collecting, tmp_path
) -> None:
    async with (
        collecting(mosquitto, "emotion/v1/acme/calls/#") as heard,
        opened(settings(tmp_path, mosquitto.url)) as bus,
    ):
        await bus.state(STATE, "S1")
        await bus.utterance(utterance(1), "S1")
        assert await bus.flush(10) == 0
        with capture_logs() as logs:
            await bus._outbox._do(lambda keeper: forbid_writing(keeper._disk))
            await bus.utterance(utterance(2), "S1")
            assert "cannot be written" in bus.trouble
            assert not bus.strained
            await bus.ended(ENDED, "S1")
            assert await bus.flush(10) == 0
            messages = await heard.until(lambda got: any(not one.payload for one in got))
            await bus.utterance(utterance(3), "S2")
            await bus.forget(CALL, "S2")
    assert [decode(bytes(one.payload)).id for one in messages if one.payload] == ["s1", "u1", "u2", "e1"]
    told = [line["event"] for line in logs if line["log_level"] == "error"]
    assert "Calls go on" in told[0]
    assert told[1].startswith("an objection cannot be carried out on the disk yet; nothing of the call leaves")


async def test_what_workers_of_an_earlier_node_left_is_delivered_by_one_without_workers(
    mosquitto, collecting, tmp_path
) -> None:
    of_worker = settings(tmp_path, mosquitto.url, **{"outbox.path": str(tmp_path / "outbox-w3.sqlite")})
    bus = await Bus.open(of_worker, Metrics(CollectorRegistry()), Share(worker=3, salt="s"))
    await bus.state(STATE, "S1")
    await bus.utterance(utterance(1), "S1")
    await bus.close()
    async with (
        collecting(mosquitto, "emotion/v1/acme/calls/#") as heard,
        opened(settings(tmp_path, mosquitto.url)) as bus,
    ):
        assert await bus.flush(10) == 0
        messages = await heard.until(lambda got: any(not one.payload for one in got))
    assert [decode(bytes(one.payload)).id for one in messages if one.payload] == ["s1", "u1"]
    assert not (tmp_path / "outbox-w3.sqlite").exists()


async def test_a_killed_server_leaves_no_call_live_for_ever(mosquitto, collecting, tmp_path) -> None:
    given = settings(tmp_path, mosquitto.url)
    async with opened(given) as bus:
        await bus.state(STATE, "S1")
        await bus.flush(10)
    async with collecting(mosquitto, "emotion/v1/acme/calls/CA1/state") as heard:
        await heard.count(1)
        async with opened(given) as bus:
            await bus.flush(10)
            messages = await heard.count(2)
    assert messages[0].retain
    assert messages[-1].payload == b""


async def test_the_secret_of_the_pseudonyms_survives_a_restart_and_differs_by_tenant(tmp_path) -> None:
    async with opened(settings(tmp_path), running=False) as bus:
        salt = bus.salt("acme")
        assert salt != bus.salt("other")
    async with opened(settings(tmp_path), running=False) as bus:
        assert bus.salt("acme") == salt
    file = tmp_path / "salt"
    file.write_text("my own\n", encoding="utf-8")
    async with opened(settings(tmp_path, **{"privacy.salt_file": str(file)}), running=False) as bus:
        assert bus.salt("acme") != salt


async def test_what_cannot_be_used_is_said_and_the_outbox_let_go(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.base"):
        await Bus.open(settings(tmp_path, **{"mqtt.base": "a/#"}), Metrics(CollectorRegistry()))
    with pytest.raises(LinkError, match=r"mqtt\.url"):
        await Bus.open(settings(tmp_path, "http://broker"), Metrics(CollectorRegistry()))
    with pytest.raises(ConfigError, match=r"privacy\.salt_file"):
        await Bus.open(settings(tmp_path, **{"privacy.salt_file": "nowhere"}), Metrics(CollectorRegistry()))
    async with opened(settings(tmp_path), running=False):
        with pytest.raises(OutboxError):
            await Bus.open(settings(tmp_path), Metrics(CollectorRegistry()))


async def test_a_partial_without_a_broker_is_dropped_not_kept(tmp_path) -> None:
    async with opened(settings(tmp_path), running=False) as bus:
        partial = msgspec.convert(
            {**msgspec.to_builtins(utterance(1)), "type": "emotion-streamer.partial.v1"},
            type=PartialEvent,
        )
        bus.partial(partial, "S1")
        assert await bus.flush(0) == 0
