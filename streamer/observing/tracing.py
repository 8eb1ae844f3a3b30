"""Traces of calls for OpenTelemetry: a span for each call, and in it one for each utterance.

The extra `otel` brings what this needs; off, nothing of it is imported and a call's trace is an object that does
nothing. Where spans go, which are kept and how they are batched is what OpenTelemetry's own variables say
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_RESOURCE_ATTRIBUTES`, ...:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).

This file must never put into a span what a subscriber to the bus may see and a watcher of systems may not: no emotion,
no label, no text of a peer; of a call its id as on the bus, and of an utterance when, how long and what it took. It
must never hold up a call: spans are queued in memory and sent by a thread of the library; beyond its queue they go.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from streamer import __version__
from streamer.call import Identity
from streamer.config import Settings
from streamer.emotion.batcher import Judged
from streamer.errors import StreamerError
from streamer.heard import Heard

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

LAST_SPANS_S: Final = 5.0
"""What the last spans get at the end of the process; a collector that is away must not hold up a restart."""
_NS: Final = 1_000_000_000


class TracingError(StreamerError):
    """Traces are asked for and cannot be made; the message says what to do."""


class CallTrace(Protocol):
    """What is told of one call."""

    def note(self, what: str, at_s: float) -> None:
        """Tell that something happened in the call.

        Parameters
        ----------
        what
            In fixed words.
        at_s
            Seconds since 1970.
        """
        ...

    def utterance(self, heard: Heard, judged: Judged | None, *, took_s: float, at_s: float) -> None:
        """Tell of an utterance that is done with.

        Parameters
        ----------
        heard
            What was heard.
        judged
            What the model took; None where it failed.
        took_s
            From the end of its speech until now.
        at_s
            Now, seconds since 1970.
        """
        ...

    def end(self, reason: str, utterances: int, at_s: float) -> None:
        """Tell that the call is over; nothing more is told of it."""
        ...


class Traces(Protocol):
    """Where traces of calls come from."""

    def begin(self, identity: Identity, at_s: float) -> CallTrace:
        """Begin that of a call, at a time in seconds since 1970."""
        ...

    async def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        ...


class NoTraces:
    """Traces that are turned off: all of them are this object."""

    def begin(self, identity: Identity, at_s: float) -> CallTrace:  # noqa: ARG002
        """Return the trace that does nothing."""
        return self

    def note(self, what: str, at_s: float) -> None:
        """Do nothing."""

    def utterance(self, heard: Heard, judged: Judged | None, *, took_s: float, at_s: float) -> None:
        """Do nothing."""

    def end(self, reason: str, utterances: int, at_s: float) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


NO_TRACES: Final = NoTraces()


def open_traces(settings: Settings, exporter: SpanExporter | None = None) -> Traces:
    """Return what the configuration asks for.

    Parameters
    ----------
    settings
        The configuration.
    exporter
        Where spans go, in place of OTLP over HTTP.

    Raises
    ------
    TracingError
        Traces are asked for, and the extra is not installed.
    """
    if not settings.tracing.enabled:
        return NO_TRACES
    try:
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - only where asked for
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

            exporter = OTLPSpanExporter()
    except ImportError as problem:
        raise TracingError(
            f"tracing.enabled: OpenTelemetry is not installed ({problem.name}); "
            "pip install 'emotion-streamer[otel]', or turn it off"
        ) from problem
    ours = {"service.name": "emotion-streamer", "service.version": __version__, "service.instance.id": settings.node}
    # What the environment says comes last, and so counts.
    resource = Resource.create(ours).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OpenTelemetry(provider)


class OpenTelemetry:
    """Traces as spans of OpenTelemetry.

    Parameters
    ----------
    provider
        Makes and exports them.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("streamer", __version__)

    def begin(self, identity: Identity, at_s: float) -> CallTrace:
        """Begin the span of a call."""
        call = identity.call
        attributes = {
            "streamer.call.id": call.id,
            "streamer.session.id": identity.session_id,
            "streamer.tenant": call.tenant,
            "streamer.dialect": call.dialect,
        }
        return _CallSpan(self._tracer, attributes, at_s)

    async def close(self) -> None:
        """Send what waits."""
        # A thread of our own, and a daemon: the library may wait for its collector for longer than we do.
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, LAST_SPANS_S)


class _CallSpan:
    """The span of one call."""

    def __init__(self, tracer: Any, attributes: dict[str, str], at_s: float) -> None:  # noqa: ANN401 - see open_traces
        from opentelemetry.context import Context  # noqa: PLC0415 - only where asked for
        from opentelemetry.trace import StatusCode, set_span_in_context  # noqa: PLC0415

        self._tracer = tracer
        self._failed = StatusCode.ERROR
        # An empty context: nothing that is bound elsewhere becomes a parent.
        self._span = tracer.start_span("call", context=Context(), attributes=attributes, start_time=_ns(at_s))
        self._inside = set_span_in_context(self._span, Context())

    def note(self, what: str, at_s: float) -> None:
        """Add an event to the span."""
        self._span.add_event(what, timestamp=_ns(at_s))

    def utterance(self, heard: Heard, judged: Judged | None, *, took_s: float, at_s: float) -> None:
        """Add the span of an utterance: from the end of its speech until its event was safe."""
        attributes: dict[str, str | int | float] = {
            "streamer.utterance.role": str(heard.role),
            "streamer.utterance.n": heard.n,
            "streamer.utterance.start_ms": heard.start_ms,
            "streamer.utterance.end_ms": heard.end_ms,
            "streamer.utterance.speech_ms": heard.speech_ms,
            "streamer.utterance.cut": str(heard.cut),
        }
        if judged is not None:
            attributes["streamer.stage.queue_ms"] = round(judged.queue_ms, 3)
            attributes["streamer.stage.model_ms"] = round(judged.compute_ms, 3)
        span = self._tracer.start_span(
            "utterance", context=self._inside, attributes=attributes, start_time=_ns(at_s - took_s)
        )
        if judged is None:
            span.set_status(self._failed, "the model could not judge it")
        span.end(end_time=_ns(at_s))

    def end(self, reason: str, utterances: int, at_s: float) -> None:
        """End the span."""
        self._span.set_attribute("streamer.call.reason", reason)
        self._span.set_attribute("streamer.call.utterances", utterances)
        self._span.end(end_time=_ns(at_s))


def _ns(seconds: float) -> int:
    return round(seconds * _NS)
