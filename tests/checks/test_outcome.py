"""What a check found: a line for people, an object for machines."""

from __future__ import annotations

import json

from streamer.checks.outcome import Level, Outcome, to_json

FOUND = [
    Outcome("model", Level.OK, "telephone"),
    Outcome("clock", Level.WARN, "set it"),
    Outcome("broker", Level.WRONG, "start it"),
]


def test_a_line_begins_with_how_bad_it_is() -> None:
    assert [one.line for one in FOUND] == ["ok     model: telephone", "warn   clock: set it", "WRONG  broker: start it"]


def test_only_what_is_wrong_keeps_a_node_from_its_work() -> None:
    assert [one.ok for one in FOUND] == [True, True, False]


def test_machines_get_the_same_and_the_sum() -> None:
    said = json.loads(to_json(FOUND))
    assert said["ok"] is False
    assert said["checks"][1] == {"what": "clock", "level": "warn", "says": "set it"}
    assert json.loads(to_json(FOUND[:2]))["ok"] is True
