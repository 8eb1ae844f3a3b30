"""What a running node makes of a changed configuration."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from streamer.config import ConfigError, Settings, load
from streamer.renewal import check_renewable, look_at

BEFORE = load(None, {}, {"node": "n", "server.workers": 2})


def changed(**flags: object) -> Settings:
    given = {name.replace("__", "."): value for name, value in flags.items()}
    return load(None, {}, {"node": "n", "server.workers": 2} | given)


def said(load_again) -> tuple[str, str]:
    with capture_logs() as logs:
        look_at(BEFORE, load_again)
    (line,) = logs
    return line["log_level"], line["event"] + line.get("problem", "")


def test_one_process_says_what_its_next_start_would_do() -> None:
    def wrong() -> Settings:
        raise ConfigError("server.prot: unknown key")

    assert said(lambda: BEFORE) == ("info", "SIGHUP: the configuration has not changed")
    level, event = said(lambda: changed(server__max_calls=7))
    assert (level, "at its next start" in event) == ("warning", True)
    level, event = said(wrong)
    assert (level, "server.prot" in event) == ("error", True)


@pytest.mark.parametrize(
    "flags",
    [{}, {"server__max_calls": 7}, {"server__workers": 5}, {"emotion__model": "x"}, {"server__drain_s": 1}],
)
def test_what_new_workers_can_bring_into_force_may_change(flags: dict) -> None:
    check_renewable(BEFORE, changed(**flags))


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"node": "m"}, "node"),
        ({"mqtt__url": "mqtt://elsewhere"}, "mqtt"),
        ({"outbox__path": "o"}, "outbox.path"),
        ({"privacy__salt_file": "s"}, "privacy.salt_file"),
        ({"server__host": "::1"}, "server.host"),
        ({"server__port": 1}, "server.port"),
        ({"server__admin_host": "::1"}, "server.admin_host"),
        ({"server__admin_port": 1}, "server.admin_port"),
        ({"dialects__audiosocket__port": 1}, "dialects.audiosocket.port"),
        ({"dialects__audiosocket__host": "::1"}, "dialects.audiosocket.host"),
        ({"server__workers": 1}, "server.workers (to 1)"),
        ({"server__port": 1, "node": "m"}, "node, server.port"),
    ],
)
def test_what_only_a_restart_can_change_is_named(flags: dict, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_renewable(BEFORE, changed(**flags))
    assert str(caught.value) == f"{named} changed, which SIGHUP cannot do; restart the node for that"
