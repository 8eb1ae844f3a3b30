"""The attacks in small: every kind is done, the good calls are measured meanwhile, and harm is told from none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from websockets.frames import Frame
from websockets.streams import StreamReader

from benchmarks.attacks import ATTACKS, Attacker, frame
from benchmarks.hostile import Hostile, Phase, Plan, harm, report
from streamer.wire.events import Fault
from tests.conftest import program
from tests.wire.conversing import NAMES, path_of, reader
from tests.wire.vendors import HEADERS

SMALL = Plan(
    counts={"messages": 300, "floods": 2000, "silent": 8, "slow": 8, "reconnects": 60},
    calls=2,
    seconds=1.0,
    settle_s=0.2,
    call_s=(2.0, 3.0),
    seed=3,
    patience_s=1.0,
)


@pytest.mark.timeout(300)
async def test_every_attack_is_done_and_the_node_outlives_it(tmp_path: Path) -> None:
    program("mosquitto")
    hostile = Hostile(SMALL, tmp_path)
    await hostile.run()
    assert [phase.name for phase in hostile.phases] == ["alone", *ATTACKS, "alone again"]
    did = {phase.name: phase.did for phase in hostile.phases}
    assert did["messages"]["messages"] >= 300
    assert did["floods"]["messages"] >= 2000
    assert did["silent"]["connections"] == did["slow"]["connections"] == 8
    assert did["reconnects"]["connections"] >= 60
    assert hostile.ended["node: exit 0"] == 1
    assert hostile.ended["ended 1000"] >= 2
    assert hostile.errors == Counter()
    assert all(max(phase.rss) > 0 for phase in hostile.phases)
    assert "| messages | " in report(hostile, "here")


@pytest.mark.parametrize("size", [0, 5, 125, 126, 65_535, 65_536])
def test_a_frame_by_hand_is_what_the_library_reads(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    stream = StreamReader()
    stream.feed_data(frame(data[:size]))
    parsing = Frame.parse(stream.read_exact, mask=True)
    with pytest.raises(StopIteration) as done:
        next(parsing)
    assert (bytes(done.value.value.data), done.value.value.fin) == (data[:size], True)


def test_streams_are_of_every_dialect_and_end_where_fault_is_found() -> None:
    attacker = Attacker("ws://127.0.0.1:1", 1, 1, seed=5)
    streams = [attacker.spoilt_stream() for _ in range(300)]
    assert {name for name, _ in streams} == set(NAMES)
    for name, messages in streams:
        dialect = reader(name)(path_of(name), HEADERS.get(name, {}))
        heard = [dialect.receive(message) for message in messages]
        assert not any(isinstance(event, Fault) for events in heard[:-1] for event in events)


def test_a_late_p99_a_lost_call_and_an_error_are_harm_and_nothing_else_is() -> None:
    hostile = Hostile.__new__(Hostile)
    hostile.phases = [Phase("alone", events_ms=[10.0] * 100), Phase("messages", events_ms=[400.0] * 100)]
    hostile.ended = Counter({"ended 1000": 5, "node: exit 0": 1})
    hostile.errors = Counter()
    assert harm(hostile) == []
    hostile.phases.append(Phase("slow", events_ms=[10.0] * 50 + [421.0] * 50))
    hostile.ended["closed 1011"] += 1
    hostile.errors["stream failed"] += 2
    found = harm(hostile)
    assert len(found) == 3
    assert any("slow: event latency p99 821 ms, baseline 410 ms" in one for one in found)
