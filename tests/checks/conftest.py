"""What the tests of the checks share: figures of their own."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from streamer.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    """Metrics in a registry of their own."""
    return Metrics(CollectorRegistry())
