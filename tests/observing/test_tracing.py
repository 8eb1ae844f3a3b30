"""Traces: a span for a call, one in it for each utterance, nothing of who or how they felt, no cost when off."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from streamer_client.events import EMOTIONS

from streamer.config import Settings, TracingSettings
from streamer.emotion.batcher import Batcher
from streamer.emotion.model import EmotionModel, ModelError
from streamer.observing import tracing
from streamer.observing.tracing import NO_TRACES, OpenTelemetry, TracingError, open_traces
from streamer.session import Services, Session
from streamer.wire.native import Native
from tests.streams import ADMITTED, STOP, ListPeer, served, start

ON = Settings(node="node-1", tracing=TracingSettings(enabled=True))


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def spoken() -> bytes:
    """Twenty seconds of the demo call, two channels."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return np.ascontiguousarray(soundfile.read(path, dtype="int16", frames=20 * 8000)[0]).tobytes()


class Traced:
    """Services with traces, and the spans of the calls that were served."""

    def __init__(self, its: Services) -> None:
        self._exporter = InMemorySpanExporter()
        self._traces = open_traces(ON, self._exporter)
        self.its = msgspec.structs.replace(its, traces=self._traces)
        self.peer = ListPeer([])

    async def serve(self, *says: str | bytes) -> None:
        self.peer = ListPeer(says)
        await Session(self.peer, Native(), ADMITTED, self.its).run()

    async def spans(self, name: str) -> list[ReadableSpan]:
        await self._traces.close()
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
async def make(model: EmotionModel, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    async with served(model, tmp_path) as services:
        yield services


@pytest.fixture
async def traced(make) -> Traced:
    return Traced(await make())


async def test_a_call_is_a_span_and_each_of_its_utterances_one_inside(traced: Traced, spoken: bytes) -> None:
    await traced.serve(start(), spoken, STOP)
    events = [message["event"]["data"] for message in traced.peer.heard if message["type"] == "event"]
    (call,) = await traced.spans("call")
    utterances = await traced.spans("utterance")
    assert call.attributes == {
        "streamer.call.id": "CA1",
        "streamer.session.id": "S0",
        "streamer.tenant": "acme",
        "streamer.dialect": "native",
        "streamer.call.reason": "stop",
        "streamer.call.utterances": len(events),
    }
    assert call.parent is None
    assert len(utterances) == len(events) > 1
    for span, event in zip(utterances, events, strict=True):
        assert span.parent is not None
        assert call.context is not None
        assert (span.parent.span_id, span.parent.trace_id) == (call.context.span_id, call.context.trace_id)
        assert span.attributes is not None
        assert span.start_time is not None
        assert span.end_time is not None
        for name in ("n", "start_ms", "end_ms", "speech_ms", "cut"):
            assert span.attributes[f"streamer.utterance.{name}"] == event["utterance"][name]
        assert span.attributes["streamer.stage.model_ms"] == pytest.approx(event["latency"]["compute_ms"], abs=0.06)
        assert span.attributes["streamer.stage.queue_ms"] == pytest.approx(event["latency"]["queue_ms"], abs=0.06)
        hangover_s = 0.4 if event["utterance"]["cut"] == "silence" else 0
        assert (span.end_time - span.start_time) / 1e9 >= hangover_s


async def test_no_span_says_who_it_is_or_how_they_feel(traced: Traced, spoken: bytes) -> None:
    await traced.serve(start(call_id="+49 170 1234567", labels={"queue": "billing", "name": "Erika"}), spoken, STOP)
    spans = [*await traced.spans("call"), *await traced.spans("utterance")]
    said = json.dumps([json.loads(span.to_json()) for span in spans])
    assert len(spans) > 1
    assert "n-" in said
    for private in ("1234567", "billing", "Erika", "confidence", *EMOTIONS):
        assert private not in said


async def test_what_happens_in_a_call_stands_in_its_span_with_its_time(traced: Traced) -> None:
    clock_s = 1_800_000_000.0
    trace = traced.its.traces
    span = trace.begin(_identity("CA9"), clock_s)
    span.note("stall started", clock_s + 3)
    span.end("idle", 0, clock_s + 63)
    (call,) = await traced.spans("call")
    assert [(event.name, event.timestamp) for event in call.events] == [("stall started", int(clock_s + 3) * 10**9)]
    assert (call.start_time, call.end_time) == (int(clock_s) * 10**9, int(clock_s + 63) * 10**9)


async def test_after_an_objection_no_utterance_is_traced_any_more(traced: Traced, spoken: bytes) -> None:
    await traced.serve(start(), '{"type":"withdraw"}', spoken, STOP)
    (call,) = await traced.spans("call")
    assert [event.name for event in call.events] == ["withdrawn"]
    assert call.attributes is not None
    assert call.attributes["streamer.call.reason"] == "withdrawn"
    assert await traced.spans("utterance") == []


async def test_an_utterance_that_the_model_failed_on_is_a_span_in_error(
    make, model: EmotionModel, spoken: bytes
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def judge(self, *_: object) -> None:
            raise ModelError("no")

    batcher = Batcher(Broken())  # type: ignore[arg-type]
    traced = Traced(msgspec.structs.replace(await make(), batcher=batcher))
    await traced.serve(start(), spoken, STOP)
    await batcher.close()
    spans = await traced.spans("utterance")
    assert spans
    assert {span.status.status_code for span in spans} == {StatusCode.ERROR}
    assert all("streamer.stage.model_ms" not in (span.attributes or {}) for span in spans)


async def test_two_calls_share_no_trace(traced: Traced) -> None:
    await asyncio.gather(traced.serve(start(call_id="CA1"), STOP), traced.serve(start(call_id="CA2"), STOP))
    first, second = await traced.spans("call")
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id != second.context.trace_id


async def test_the_node_is_named_and_the_environment_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    for named in ("", "mood"):
        if named:
            monkeypatch.setenv("OTEL_SERVICE_NAME", named)
        exporter = InMemorySpanExporter()
        traces = open_traces(ON, exporter)
        traces.begin(_identity("CA1"), 0.0).end("stop", 0, 1.0)
        await traces.close()
        (span,) = exporter.get_finished_spans()
        assert span.resource.attributes["service.name"] == (named or "emotion-streamer")
        assert span.resource.attributes["service.instance.id"] == "node-1"
        assert span.resource.attributes["deployment.environment"] == "test"


async def test_the_standard_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    exporter = InMemorySpanExporter()
    traces = open_traces(ON, exporter)
    traces.begin(_identity("CA1"), 0.0).end("stop", 0, 1.0)
    await traces.close()
    assert exporter.get_finished_spans() == ()


def test_off_every_trace_is_one_object_that_does_nothing() -> None:
    traces = open_traces(Settings())
    assert traces is NO_TRACES
    trace = traces.begin(_identity("CA1"), 0.0)
    assert trace is traces
    heard: Any = None
    trace.note("stall started", 1.0)
    trace.utterance(heard, None, took_s=0.4, at_s=2.0)
    trace.end("stop", 1, 3.0)
    asyncio.run(traces.close())


def test_off_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, streamer.server, streamer.observing.tracing as t, streamer.config as c;"
        "t.open_traces(c.Settings());"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if only the server were installed."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_it_is_said_what_to_install() -> None:
    with pytest.raises(TracingError, match=r"emotion-streamer\[otel\]"):
        open_traces(ON)


async def test_without_an_exporter_spans_go_where_otlp_over_http_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    packages = [name.rsplit(".", n)[0] for n in range(5) if name.count(".") > n]
    for package in packages:
        if package not in sys.modules:
            monkeypatch.setitem(sys.modules, package, type(sys)(package))
    monkeypatch.setattr(sys.modules[name], "OTLPSpanExporter", lambda: exporter, raising=False)
    traces = open_traces(ON)
    traces.begin(_identity("CA1"), 0.0).end("stop", 0, 1.0)
    await traces.close()
    assert len(exporter.get_finished_spans()) == 1


async def test_a_collector_that_is_away_holds_up_no_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "LAST_SPANS_S", 0.01)
    gone = threading.Event()

    class Stuck:
        def get_tracer(self, *_: object) -> None:
            pass

        def shutdown(self) -> None:
            gone.wait()

    await OpenTelemetry(Stuck()).close()  # type: ignore[arg-type]
    assert not gone.is_set(), "it was not waited for"
    gone.set()


def _identity(call_id: str) -> Any:
    from streamer_client.events import CallRef  # noqa: PLC0415 - beside its only use

    from streamer.call import Identity  # noqa: PLC0415

    return Identity(call=CallRef(id=call_id, tenant="acme"), session_id="S1", source="/nodes/n")
