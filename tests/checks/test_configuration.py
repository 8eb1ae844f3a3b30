"""What would keep the server from starting, or from letting anybody in, is said with its key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from streamer.checks.configuration import check
from streamer.checks.outcome import Level
from streamer.config import load
from streamer.errors import StreamerError
from tests.certificates import authority


def test_who_is_analysed_and_how_many_keys_there_are_is_said() -> None:
    (found,) = check(load(None, {}, {"node": "n", "keys": [{"id": "a", "secret": "s"}]}))
    assert (found.level, found.says) == (Level.OK, "node n, analyses customer, 1 keys")


def test_a_transport_that_is_not_the_usual_one_is_said() -> None:
    pytest.importorskip("picows", reason="the extra picows is not installed")
    (found,) = check(load(None, {}, {"node": "n", "server.transport": "picows"}))
    assert found.says == "node n, analyses customer, 0 keys, picows"


def test_a_transport_that_is_not_installed_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamer.picows_listener", None)
    with pytest.raises(StreamerError, match=r"emotion-streamer\[picows\]"):
        check(load(None, {}, {"server.transport": "picows"}))


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"server.tls_cert_file": "none.pem"}, "none.pem"),
        ({"dialects.twilio.token_file": "none.txt"}, "dialects.twilio.token_file"),
        ({"dialects.audiosocket.allow": ["pbx"]}, "dialects.audiosocket.allow"),
        ({"keys": [{"id": "a", "secret_file": "none.txt"}]}, "keys: a"),
        ({"keys": [{"id": "a", "secret": "s", "dialects": ["natvie"]}]}, "natvie"),
        ({"speech.vad": "silero"}, "silero"),
    ],
)
def test_what_cannot_be_used_is_named(flags: dict[str, Any], named: str) -> None:
    with pytest.raises(StreamerError, match=named):
        check(load(None, {}, flags))


def test_tls_that_can_be_used_is_said(tmp_path: Path) -> None:
    pair = authority(tmp_path, "calls")
    flags = {"server.tls_cert_file": str(pair.cert), "server.tls_key_file": str(pair.key)}
    (found,) = check(load(None, {}, flags))
    assert found.says.endswith(", TLS")
