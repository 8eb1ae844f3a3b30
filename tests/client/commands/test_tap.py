"""`tap` as a person meets it, as far as that goes without devices; with them: tests/client/tap/test_real_devices.py."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from streamer_client.commands import app, run_app
from streamer_client.commands import tap as command
from streamer_client.commands.tap import Screen, summary
from streamer_client.tap.devices import Device
from streamer_client.tap.run import Tapped

DEVICES = [Device(0, "Microphone", "ALSA", 1, 44100.0), Device(3, "Monitor", "ALSA", 2, 48000.0)]


def said(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    code = run_app(app, "streamer-client", ["tap", *arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_it_has_help_with_examples(capsys: Any) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0
    assert "\n    streamer-client tap --list" in out
    assert "\b" not in out


def test_the_devices_are_listed(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "list_devices", lambda: DEVICES)
    code, out, err = said(capsys, "--list")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["NUMBER", "0", "3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give --agent DEVICE and --customer DEVICE; `tap --list` shows the devices"),
        (["--agent", "0"], "give --agent DEVICE and --customer DEVICE"),
        (["--agent", "0", "--customer", "9"], "got --customer '9', which is none of the devices: 0 Microphone (ALSA)"),
        (["--agent", "0", "--customer", "micro"], "got Microphone for both parties"),
    ],
)
def test_devices_that_cannot_be_right_are_one_clear_line(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, arguments: Any, words: str
) -> None:
    monkeypatch.setattr(command, "list_devices", lambda: DEVICES)
    code, out, err = said(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_without_the_extra_the_package_is_named(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, _, err = said(capsys, "--list")
    assert code == 1
    assert err == (
        "streamer-client: tap needs sounddevice; install it with: pip install emotion-streamer-client[tap]\n"
    )


def test_the_end_says_how_long_it_was_and_whose_clock_was_off() -> None:
    assert summary("CA1", Tapped(61_240.0, 3, (0.0, 0.0))) == ["CA1: 1:01.2 streamed, 3 utterance events"]
    assert summary("CA1", Tapped(61_240.0, 3, (30.4, -20.0)))[1:] == [
        "the customer's device ran 30 ms behind in that time, and was put right",
        "the agent's device ran 20 ms ahead in that time, and was put right",
    ]


def test_levels_are_drawn_some_times_a_second_on_a_terminal_and_never_into_a_log(capsys: Any) -> None:
    for draws, lines in ((True, 5), (False, 0)):
        screen = Screen(draws=draws)
        for position_ms in range(0, 1000, 20):
            screen.levels(position_ms, [-20.0, None])
        assert capsys.readouterr().err.count("customer [") == lines


def test_a_device_that_goes_and_comes_back_is_told(capsys: Any) -> None:
    screen = Screen(draws=False)
    screen.lost("Microphone has gone")
    screen.back("Microphone")
    assert capsys.readouterr().err == (
        "Microphone has gone (trying again; the call goes on with silence)\nMicrophone is back\n"
    )
