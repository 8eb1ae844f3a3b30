"""The server under load: heard as its owner set it, and far from what is the owner's."""

from __future__ import annotations

import msgspec
import pytest

from streamer.bench import node
from streamer.config import Settings, load

OWNERS = load(
    None,
    {},
    {
        "node": "floor-1",
        "mqtt.url": "mqtts://broker.example:8883",
        "mqtt.username": "u",
        "outbox.path": "/var/lib/streamer/outbox.sqlite",
        "outbox.max_rows": 77,
        "privacy.audit_file": "/var/log/audit.jsonl",
        "server.host": "0.0.0.0",
        "server.workers": 2,
        "server.transport": "picows",
        "server.require_key": True,
        "server.ping_interval_s": 7,
        "speech.hangover_ms": 300,
        "keys": [{"id": "crm", "secret": "s", "dialects": ["twilio"]}],
        "limits.calls_per_tenant": {"default": 3},
    },
)


def measured() -> Settings:
    return node.measured(OWNERS, port=1, admin_port=2, mqtt="mqtt://127.0.0.1:3", folder="here")


def test_how_calls_are_heard_is_as_it_was_set() -> None:
    found = measured()
    assert found.speech == OWNERS.speech
    assert found.emotion == OWNERS.emotion
    assert found.server.transport == "picows"
    assert (found.server.workers, found.server.ping_interval_s, found.outbox.max_rows) == (2, 7, 77)


def test_nothing_of_the_owners_is_reached() -> None:
    found = measured()
    assert (found.mqtt.url, found.mqtt.username) == ("mqtt://127.0.0.1:3", "")
    assert found.outbox.path == "here/outbox.sqlite"
    assert found.privacy.audit_file == ""
    assert found.server.host == "127.0.0.1"


def test_nobody_is_asked_for_a_key_and_nobody_is_turned_away() -> None:
    found = measured()
    assert found.keys == ()
    assert not found.server.require_key
    assert found.server.max_calls == node.MOST_CALLS
    assert found.limits.calls_per_tenant == {}


def test_it_serves_what_stands_in_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(msgspec.json.encode(OWNERS))
    served: list[Settings] = []

    def serve(settings: Settings, anew) -> None:
        served.extend([settings, anew()])

    monkeypatch.setattr(node, "serve_settings", serve)
    monkeypatch.setattr("sys.argv", ["node", str(file), "1", "2", "mqtt://127.0.0.1:3", "here"])
    node.main()
    assert served == [measured(), measured()]
