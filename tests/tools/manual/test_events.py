"""The reference of events says what the types say."""

from __future__ import annotations

import json
import re

from streamer_client.events import decode

from tests.docs.reading import blocks, rows, text
from tools.manual.events import PAGE, page
from tools.schemas.examples import EVENTS


def test_what_is_committed_is_what_would_be_made_now() -> None:
    assert text(PAGE) == page(), "run: .venv/bin/python -m tools.manual.events"


def test_it_is_as_short_as_a_guide() -> None:
    assert len(page().splitlines()) < 200


def test_every_kind_has_its_section_with_topic_and_quality_of_service() -> None:
    for kind in EVENTS:
        assert re.search(rf"^## `{kind}`\n\n.+ On `emotion/v1/\S+`, QoS [01](, retained)?\.$", page(), re.MULTILINE), (
            kind
        )


def test_the_example_is_an_event_whose_every_field_stands_in_a_table() -> None:
    (example,) = blocks(page(), "json")
    assert decode(example).id
    named = {cells[0].strip("`") for _, cells in rows(page())}
    data = json.loads(example).pop("data")
    call = {f"call.{name}" for name in data.pop("call")}
    inner = {f"{part}.{name}" for part, fields in data.items() for name in fields}
    assert call | inner | {*data} <= named


def test_a_field_with_a_unit_shows_it_and_a_range_too() -> None:
    kinds = {cells[0].strip("`"): cells[1] for _, cells in rows(page())}
    assert kinds["utterance.start_ms"] == "integer, ms, from 0"
    assert kinds["emotion.confidence"] == "number, 0 to 1"
    assert kinds["speakers[].loudness_dbfs"] == "number, dBFS or null"
