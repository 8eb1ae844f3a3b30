"""Which path speaks which dialect."""

from __future__ import annotations

from streamer.wire.events import Dialect
from streamer.wire.routes import PATHS


def test_every_path_has_a_dialect_of_its_own() -> None:
    dialects: dict[str, Dialect] = {path: make() for path, make in PATHS.items()}
    assert {path: dialect.name for path, dialect in dialects.items()} == {"/v1/stream": "native", "/twilio": "twilio"}
