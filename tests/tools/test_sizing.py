"""The sizing page: its arithmetic, its figures against what they come from, and the page against both."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from streamer_client.events import encode
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import NOTHING

from streamer.archive.analysis import Analyst, Job
from streamer.archive.ways import Ways
from streamer.bus.cloudevents import Kind, Outgoing
from streamer.bus.outbox import Outbox
from streamer.config import Settings
from streamer.emotion.model import EmotionModel
from streamer.metrics import Metrics
from tools import sizing
from tools.sizing import CALLS, GUIDE, ROOT, Business, Figures, need, places_for, read_figures, tables, written

FIGURES, SOURCES = read_figures()
calls_a_day = st.integers(1, 2_000_000)


def erlang_b(erlang: float, places: int) -> float:
    """As the textbook has it: the share of calls that find so many places taken."""
    terms = [1.0]
    for n in range(1, places + 1):
        terms.append(terms[-1] * erlang / n)
    return terms[-1] / sum(terms)


@given(st.floats(0.01, 100), st.floats(1e-6, 0.5))
def test_there_are_as_many_places_as_erlang_asks_for_and_not_one_more(erlang: float, blocking: float) -> None:
    places = places_for(erlang, blocking)
    assert erlang_b(erlang, places) <= blocking * 1.000001
    assert erlang_b(erlang, places - 1) > blocking * 0.999999


def test_no_call_needs_no_place_and_a_known_case_is_right() -> None:
    assert places_for(0, 0.01) == 0
    assert places_for(10, 0.01) == 18  # any table of Erlang B


@given(calls_a_day, calls_a_day)
def test_more_calls_never_need_less(one: int, other: int) -> None:
    less, more = (need(calls, Business(), FIGURES) for calls in sorted((one, other)))
    for name in vars(less):
        assert getattr(less, name) <= getattr(more, name), name


@given(calls_a_day)
def test_twice_the_legs_per_core_are_half_the_cores_and_change_nothing_else(calls: int) -> None:
    once = need(calls, Business(), FIGURES)
    twice = need(calls, Business(), replace(FIGURES, legs_per_core=FIGURES.legs_per_core * 2))
    assert once.cores / 2 <= twice.cores <= once.cores / 2 + 1
    assert (twice.places, twice.events_per_s, twice.ray_nodes) == (once.places, once.events_per_s, once.ray_nodes)


def test_a_day_that_can_be_worked_out_by_hand() -> None:
    figures = Figures(
        legs_per_core=100,
        process_mib=512,
        archive_times_real_time=100,
        events_per_1000_calls=11_000,
        audio_h_per_1000_calls=1000 / 60,  # ten events in each minute of a call
        event_bytes=1000,
        outbox_row_bytes=2000,
    )
    business = Business(
        busy_hour_share=0.1, handling_s=360, legs_per_call=2, blocking=0.01, headroom=0.5, subscribers=2
    )
    found = need(36_000, replace(business, broker_away_h=1, keep_days=10, night_h=10, node_cores=4), figures)
    assert found.erlang == pytest.approx(360)  # one call a second, six minutes each
    assert found.legs == found.places * 2
    assert found.cores == -(-found.legs // 50)
    assert found.memory_gib == found.cores / 2
    assert found.events_per_s == pytest.approx(63)
    assert found.deliveries_per_s == pytest.approx(126)
    assert found.out_mbit_per_s == pytest.approx(1.008)
    assert found.outbox_gib == pytest.approx(63 * 3600 * 2000 / 2**30)
    assert found.kept_gib == pytest.approx(36_000 * 63 * 10 * 1000 / 2**30)
    assert found.archive_core_h == pytest.approx(36)
    assert found.ray_nodes == 2


@pytest.mark.parametrize("name", SOURCES)
def test_each_figure_stands_where_it_says_it_comes_from(name: str) -> None:
    figure = SOURCES[name]
    assert (ROOT / figure["source"]).is_file()
    if figure.get("measured") != "test":
        assert figure["words"] in (ROOT / figure["source"]).read_text(encoding="utf-8").splitlines()
        assert f"{figure['value']:g}" in figure["words"]


async def test_the_sizes_of_an_event_and_of_its_row_are_measured_here(model: EmotionModel, tmp_path: Path) -> None:
    settings = Settings(node="any")
    analyst = Analyst(settings, model, Ways.of(settings, model.card, notice=False, roles=None), None)
    call = Job(Source((ROOT / "streamer" / "demo" / "call.flac",), "call"), "call", NOTHING)
    # The call is analysed in a loop of its own, which a test that has one cannot hold.
    payloads = [encode(event) for event in (await analyst._analyse(call)).utterances]
    assert sum(map(len, payloads)) / len(payloads) == pytest.approx(FIGURES.event_bytes, rel=0.05)

    path, rows = tmp_path / "outbox.sqlite", 2000
    outbox = await Outbox.open(path, metrics=Metrics(CollectorRegistry()))
    call_id = "CA0123456789abcdef0123456789abcdef"
    topic = f"emotion/v1/default/calls/{call_id}/customer/utterance"
    messages = [
        Outgoing(f"01JD{n:022}", Kind.UTTERANCE, topic, payloads[n % len(payloads)], f"default/{call_id}")
        for n in range(rows)
    ]
    await outbox.put(messages)
    await outbox.close()
    assert path.stat().st_size / rows == pytest.approx(FIGURES.outbox_row_bytes, rel=0.15)


def test_the_page_shows_what_the_figures_come_to() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    needs = [need(calls, Business(), FIGURES) for calls in CALLS]
    assert written(page, tables(needs, Business(), SOURCES)) == page, "run python -m tools.sizing --write"
    with pytest.raises(ValueError, match="0 places for the table needs"):
        written("", {"needs": []})


def test_the_command_of_the_page_works_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = GUIDE.read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("python -m tools.sizing")]
    done = subprocess.run(
        [sys.executable, *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "| calls a day | 40,000 |" in done.stdout
    assert "| `handling_s` | 240 |" in done.stdout
    monkeypatch.setattr("sys.argv", ["sizing"])
    sizing.main()
    assert "1,000,000" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["sizing", "--write"])
    sizing.main()
    assert GUIDE.read_text(encoding="utf-8") == page
