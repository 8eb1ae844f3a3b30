"""What the broker refused is said once, with what to do, and counted by its reason."""

from __future__ import annotations

import pytest
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from prometheus_client import CollectorRegistry

from streamer.bus.cloudevents import Kind
from streamer.bus.drain import Refusals
from streamer.metrics import Metrics


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        (0x87, "Not authorized", "check what this user may write to at the broker"),
        (0x97, "Quota exceeded", "the broker is full: give it room"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(code: int, name: str, words: str) -> None:
    metrics = Metrics(CollectorRegistry())
    refusals = Refusals(60, metrics)
    with structlog.testing.capture_logs() as logs:
        for line in ("call a", "call b"):
            refusals.hold(line, Kind.UTTERANCE, ReasonCode(PacketTypes.PUBACK, identifier=code), now=0)
    (said,) = logs
    assert said["event"].startswith(f"the broker refuses messages ({name}); they are kept and tried again every 60 s")
    assert words in said["event"]
    assert refusals.count == 2
    assert metrics.registry.get_sample_value("streamer_publish_refused_total", {"reason": name}) == 2
