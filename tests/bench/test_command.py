"""`streamer bench`: the search as it is told, and once the whole command with everything real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from streamer.bench import command
from streamer.bench.command import FIRST_CALLS, Wanted, bench
from streamer.bench.load import Measured
from streamer.bench.place import Place
from streamer.bench.plan import Plan
from streamer.bench.served import BenchError, Variant
from streamer.config import Settings, load
from streamer.demo.broker import RunningBroker
from tests.bench.test_ramp import measured
from tests.end_to_end.running import environment

BOUND = 90


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Loads of a machine that carries `BOUND` calls, without server or broker."""
    plans: list[Plan] = []

    def trial(_variant: Variant, plan: Plan, _where: Place, _mqtt_port: int) -> Measured:
        plans.append(plan)
        lost = 0 if plan.calls <= BOUND else 3
        return replace(measured(legs=plan.legs, lost=lost, cpu_s=10.0 * plan.calls / 120), plan=plan)

    @contextmanager
    def nothing() -> Iterator[RunningBroker]:
        yield RunningBroker("mqtt://127.0.0.1:1", "a broker")

    monkeypatch.setattr(command, "trial", trial)
    monkeypatch.setattr(command, "running_broker", nothing)
    return plans


def test_the_search_begins_where_the_first_try_points_and_ends_at_the_bound(tried: list[Plan], capsys) -> None:
    assert bench(Settings(), Wanted())
    printed = capsys.readouterr().out
    assert tried[0].calls == FIRST_CALLS
    assert tried[1].calls == BOUND  # three quarters of the 120 that the first one's cost allows
    assert "90 calls of two parties (180 legs) are carried" in printed
    assert len({plan.run for plan in tried}) == len(tried)


def test_one_load_is_tried_once_and_says_whether_it_was_carried(tried: list[Plan], capsys) -> None:
    assert bench(Settings(), Wanted(legs=2 * BOUND, dialect="native", frame_ms=100, seconds=3.0))
    assert not bench(Settings(), Wanted(legs=2 * BOUND + 2))
    one, other = tried
    assert (one.calls, one.dialect, one.frame_ms, one.seconds) == (BOUND, "native", 100, 3.0)
    assert other.calls == BOUND + 1
    assert "3 of 5 utterances lost" in capsys.readouterr().out


def test_the_load_fits_the_configuration(tried: list[Plan]) -> None:
    flags = {
        "speech.hangover_ms": 300,
        "emotion.analyse": ["customer", "agent"],
        "emotion.lawful_basis": "made-up voices",
    }
    bench(load(None, {}, flags), Wanted(legs=2))
    assert (tried[0].hangover_ms, tried[0].roles) == (300, ("customer", "agent"))


def test_json_stands_alone_on_standard_output(tried: list[Plan], capsys) -> None:
    bench(Settings(), Wanted(as_json=True))
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["largest"]["calls"] == BOUND
    assert len(document["tries"]) == len(tried)
    assert "carried" in err


def test_other_systems_than_linux_are_told_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.sys, "platform", "darwin")
    with pytest.raises(BenchError, match="run it on Linux"):
        bench(Settings(), Wanted())


def test_the_command_measures_the_real_server(tmp_path) -> None:
    words = ["bench", "--legs", "2", "--seconds", "2", "--dialect", "native", "--frame-ms", "100", "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from streamer.cli import main; main()", *words],
        cwd=tmp_path,
        env=environment(PATH=os.environ["PATH"]),
        capture_output=True,
        text=True,
        check=False,
    )
    (tried,) = json.loads(done.stdout)["tries"]
    assert tried["legs"] == 2
    assert tried["cpu_s_per_leg_and_s"] > 0
    assert done.returncode == (0 if tried["held"] == "yes" else 1)


@pytest.mark.parametrize(
    ("words", "said"), [(("--dialect", "vonage"), "twilio, native"), (("--frame-ms", "30"), "20, 40")]
)
def test_what_cannot_be_measured_is_refused_with_what_can(tmp_path, words: tuple[str, str], said: str) -> None:
    command_ = [sys.executable, "-P", "-c", "from streamer.cli import main; main()", "bench", *words]
    done = subprocess.run(command_, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr
