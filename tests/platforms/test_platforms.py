"""The table of platforms: complete, and of one shape."""

from __future__ import annotations

import pytest

from streamer.auth import Keyring, Pass, Refusal, Upgrade
from streamer.config import Settings
from streamer.platforms import PATHS, PLATFORMS, Platform

each = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)


def test_every_platform_has_a_name_and_a_path_of_its_own() -> None:
    assert len({platform.name for platform in PLATFORMS}) == len(PLATFORMS)
    assert sorted(PATHS) == sorted(platform.path for platform in PLATFORMS)


@each
def test_a_path_is_as_the_server_looks_it_up(platform: Platform) -> None:
    assert PATHS[platform.path] is platform
    assert platform.path.startswith("/")
    assert platform.path == platform.path.rstrip("/").partition("?")[0]


@each
def test_the_reader_makes_a_dialect_of_that_name_for_each_stream(platform: Platform) -> None:
    make = platform.reader(Settings())
    upgrade = Upgrade(dialect=platform.name, target=platform.path, headers={})
    first, second = make(upgrade), make(upgrade)
    assert first.name == platform.name
    assert first is not second


@each
@pytest.mark.parametrize("key_needed", [True, False])
def test_who_shows_nothing_comes_in_only_where_no_key_is_needed(platform: Platform, key_needed: bool) -> None:
    decide = platform.gate(Keyring((), key_needed=key_needed), Settings())
    decision = decide(Upgrade(dialect=platform.name, target=platform.path, headers={"host": "calls.example.com"}))
    if key_needed:
        assert isinstance(decision, Refusal)
        assert 400 <= decision.status < 500
        assert decision.reason.isidentifier()
    else:
        assert decision == Pass(tenant="default", key_id="")


@each
def test_limits_are_read_from_the_configuration(platform: Platform) -> None:
    settings = Settings()
    assert platform.ping_interval_s(settings) >= 0
    assert platform.max_message_bytes(settings) >= 1024
