"""The soak in small: the ramp, the crowd with all its manners, samples before, during and after."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import samples as samples_module
from benchmarks.crowd import Manners
from benchmarks.samples import judge, read, report
from benchmarks.soak import Plan, Soak
from tests.conftest import program

LIVELY = Manners(hang_up=0.2, reconnect=0.2, stall=0.1, stranger_every_s=0.3, begin_within_s=0.5)
SMALL = Plan(
    minutes=0.1,
    first_calls=2,
    most_legs=4,
    settle_s=0.5,
    step_s=1.0,
    every_s=0.5,
    seconds=(2.0, 3.0),
    tapes=6,
    gone_s=1.0,
    manners=LIVELY,
)


@pytest.mark.timeout(300)
async def test_a_short_soak_finds_its_size_samples_and_has_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("mosquitto")
    for bound in ("MOST_LAG_S", "MOST_EVENT_S", "MOST_CPU", "MOST_LATE_S"):  # tests pass or fail by no clock
        monkeypatch.setattr(samples_module, bound, math.inf)
    soak = Soak(SMALL, tmp_path)
    await soak.run()
    samples = read(soak.csv)
    assert [step.legs for step in soak.steps] == [4]
    assert soak.legs == 2
    assert (samples[0].phase, samples[-1].phase) == ("idle before", "idle after")
    assert max(one.calls for one in samples if one.phase == "soak") >= 1
    assert soak.crowd.outcomes.total() >= 1
    assert all(one.rss_bytes > 0 and one.files > 0 for one in samples)
    assert {what for what, *_ in judge(samples).rows} >= {"memory", "loop lag", "files"}
    assert "| memory |" in report(samples, soak.steps, [soak.crowd.story])
