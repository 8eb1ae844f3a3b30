"""The same two-party call through every dialect: by `replay`, real sockets, a real server and a real broker.

How each platform's messages look is the business of `tests/wire` and of the guides; here they only have to arrive. A
dialect is in these tests as soon as the client can speak it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import soundfile
from streamer_client import dialects
from streamer_client.dialects.audiosocket import uuid_of
from streamer_client.line import Break, Faults
from streamer_client.replay import Replayed, replay

from tests.conftest import Broker
from tests.end_to_end.conftest import PAUSE_MS
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node
from tests.end_to_end.sounds import RATE_HZ, Samples
from tests.end_to_end.speaking import Json, Outcome, essence

CONFIG = """
[audio]
join_grace_s = 0.5
[dialects.audiosocket]
port = {port}
[dialects.audiocodes]
participants = {{ caller = "customer", callee = "agent" }}
[dialects.exotel]
role = "customer"
[dialects.vonage]
role = "customer"
"""
"""What a call of two known parties needs beyond the defaults. Vonage has only the mix of both, which has no role; here
it is called the customer's, and gets a recording in which nobody else speaks."""
MIXED = ("vonage",)
ONE_PARTY = ("vonage", "exotel", "audiosocket")
"""They carry the customer alone."""
PLATFORMS = tuple(name for name in dialects.DIALECTS if name != "native")
WITH_CLOCK = tuple(name for name in PLATFORMS if dialects.load(name).has_clock)
NEAR_MS = 40


def free_port() -> int:
    """Return a TCP port that nobody uses now."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


class Exchange:
    """A node that takes calls in every dialect, and recordings to play to it."""

    def __init__(self, node: Node, port: int, folder: Path, broker: Broker) -> None:
        self.node = node
        self.folder = folder
        self.broker = broker
        self._port = port

    def address(self, dialect: str) -> str:
        """Return where a dialect's calls go; the path is the dialect's own."""
        return f"tcp://127.0.0.1:{self._port}" if dialect == "audiosocket" else f"ws://127.0.0.1:{self.node.port}"

    def file(self, samples: Samples, name: str) -> Path:
        """Return a recording as a file."""
        path = self.folder / f"{name}.wav"
        soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
        return path

    async def play(self, dialect: str, path: Path, call: str, **options: Any) -> Replayed:
        """Play a call to its end."""
        (played,) = await replay([path], to=self.address(dialect), dialect=dialect, call_id=call, **options)
        assert played.error is None, f"{dialect}: {played.error}"
        return played

    async def heard(self, dialect: str, samples: Samples, call: str, **options: Any) -> tuple[list[Json], Json]:
        """Play a call; return its utterances and its summary as the bus has them."""
        mine = samples[:, :1] if dialect in MIXED else samples
        async with listening(self.broker, named(dialect, call)) as bus:
            await self.play(dialect, self.file(mine, call), call, **options)
            summary = await bus.ended()
        return [essence(event) for event in bus.events("utterance")], summary


def named(dialect: str, call: str) -> str:
    """Return the id that a call has on the bus."""
    return str(uuid_of(call)) if dialect == "audiosocket" else call


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def exchange(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Exchange]:
    """One node for all of these tests."""
    port = free_port()
    folder = tmp_path_factory.mktemp("exchange")
    node = Node(folder, broker.url, config=CONFIG.format(port=port), name="exchange")
    try:
        await node.listening()
        await node.connected()
        yield Exchange(node, port, folder, broker)
        node.terminate()
        assert await node.ended() == 0
    finally:
        node.close()
    assert (await node.logged("drained"))["calls_cut"] == 0
    harm = [line["event"] for line in node.log if line.get("level") in {"error", "critical"}]
    assert not harm, harm[-10:]


def assert_same_places(heard: list[Json], reference: list[Json]) -> None:
    """Every utterance stands where it stands natively."""
    assert len(heard) == len(reference) > 0
    for ours, theirs in zip(heard, reference, strict=True):
        assert ours["start_ms"] == pytest.approx(theirs["start_ms"], abs=NEAR_MS)
        assert ours["end_ms"] == pytest.approx(theirs["end_ms"], abs=NEAR_MS)


def assert_same(heard: list[Json], reference: list[Json]) -> None:
    """Every utterance stands where it stands natively, and is judged the same."""
    assert_same_places(heard, reference)
    for ours, theirs in zip(heard, reference, strict=True):
        assert (ours["role"], ours["top"]) == (theirs["role"], theirs["top"])
        assert ours["scores"] == pytest.approx(theirs["scores"], abs=0.05)


@pytest.mark.parametrize("dialect", PLATFORMS)
async def test_the_whole_call_gives_the_same_utterances_and_verdicts_as_natively(
    exchange: Exchange, recording: Samples, reference: Outcome, dialect: str
) -> None:
    heard, summary = await exchange.heard(dialect, recording, f"whole-{dialect}", speed=None)
    assert_same(heard, reference.utterances)
    assert summary["data"]["call"]["dialect"] == dialect
    assert summary["data"]["duration_ms"] == pytest.approx(1000 * len(recording) / RATE_HZ, abs=NEAR_MS)
    roles = {speaker["role"] for speaker in summary["data"]["speakers"]}
    assert roles == ({"customer"} if dialect in ONE_PARTY else {"customer", "agent"})


@pytest.mark.parametrize("dialect", PLATFORMS)
async def test_chunks_of_any_length_change_nothing(
    exchange: Exchange, excerpt: Samples, reference: Outcome, dialect: str
) -> None:
    heard, _ = await exchange.heard(dialect, excerpt, f"chunks-{dialect}", speed=None, chunk_ms=(7, 400))
    assert_same(heard, reference.within(excerpt))


async def test_jitter_of_200_ms_with_chunks_that_vary_changes_nothing_in_any_dialect(
    exchange: Exchange, sentence: Samples, verdict: Json
) -> None:
    faults = Faults(jitter_ms=200, seed=4)
    calls = [
        exchange.heard(dialect, sentence, f"jitter-{dialect}", speed=2.0, chunk_ms=(20, 200), faults=faults)
        for dialect in PLATFORMS
    ]
    for heard, _ in await asyncio.gather(*calls):
        assert_same(heard, [verdict])


@pytest.mark.parametrize("dialect", WITH_CLOCK)
async def test_two_percent_of_loss_moves_nothing_where_messages_say_where_they_belong(
    exchange: Exchange, excerpt: Samples, reference: Outcome, dialect: str
) -> None:
    faults = Faults(loss_percent=2, reorder_percent=2, seed=1)
    heard, summary = await exchange.heard(dialect, excerpt, f"loss-{dialect}", speed=None, chunk_ms=20, faults=faults)
    assert_same_places(heard, reference.within(excerpt))
    lost_ms = sum(speaker["lost_ms"] for speaker in summary["data"]["speakers"])
    assert lost_ms > 0
    assert summary["data"]["duration_ms"] == pytest.approx(1000 * len(excerpt) / RATE_HZ, abs=200)


@pytest.mark.parametrize("dialect", [*WITH_CLOCK, "native", "audiohook"])
async def test_a_hold_leaves_what_is_said_behind_it_where_it_was(
    exchange: Exchange, recording: Samples, reference: Outcome, dialect: str
) -> None:
    said = reference.utterances
    before, *_, behind = (n for n in range(len(said) - 1) if said[n + 1]["start_ms"] - said[n]["end_ms"] > PAUSE_MS)
    begin_ms, end_ms = said[before]["end_ms"] + PAUSE_MS / 2, said[behind + 1]["start_ms"] - PAUSE_MS / 2
    faults = Faults(pauses=(Break(begin_ms, end_ms - begin_ms),))
    heard, summary = await exchange.heard(dialect, recording, f"hold-{dialect}", speed=None, faults=faults)
    assert_same_places(heard, [*said[: before + 1], *said[behind + 1 :]])
    assert summary["data"]["duration_ms"] == pytest.approx(1000 * len(recording) / RATE_HZ, abs=NEAR_MS)


async def test_a_stall_is_told_and_changes_nothing(exchange: Exchange, sentence: Samples, verdict: Json) -> None:
    faults = Faults(stalls=(Break(800, 1200),))
    heard, _ = await exchange.heard("twilio", sentence, "stalled", speed=1.0, faults=faults)
    assert_same(heard, [verdict])


async def test_a_hundred_calls_at_once_in_mixed_dialects_end_and_leave_nothing_behind(
    exchange: Exchange, sentence: Samples, verdict: Json
) -> None:
    path = exchange.file(sentence[:, :1], "hundred")
    spoken = [(dialects.DIALECTS[n % len(dialects.DIALECTS)], f"hundred-{n}") for n in range(100)]
    await exchange.play("native", path, "before-the-hundred", speed=None)
    await exchange.node.get("/metrics")
    before = exchange.node.open_files
    calls = sorted(named(dialect, call) for dialect, call in spoken)
    async with listening(exchange.broker, "+") as bus:

        def of_them(kind: str) -> list[Json]:  # the last word of the call before may come late
            return [event for event in bus.events(kind) if event["data"]["call"]["id"] in calls]

        await asyncio.gather(*(exchange.play(dialect, path, call, speed=None) for dialect, call in spoken))
        await bus.until(lambda: len(of_them("ended")) >= len(spoken))
    ended = [event["data"]["call"]["id"] for event in of_them("ended")]
    assert sorted(ended) == calls
    utterances = of_them("utterance")
    assert {event["data"]["call"]["id"] for event in utterances} == set(ended)
    assert {event["data"]["emotion"]["top"] for event in utterances} == {verdict["top"]}
    _, metrics = await exchange.node.get("/metrics")
    active = re.findall(r"^\S*calls_active\{.*\} (\S+)$", metrics, re.MULTILINE)
    assert len(active) >= len(dialects.DIALECTS)
    assert set(active) == {"0.0"}
    for _ in range(500):  # the last sockets close behind their calls' last events
        if exchange.node.open_files <= before:
            break
        await exchange.node.get("/livez")
    assert exchange.node.open_files <= before
