from __future__ import annotations

import builtins
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import ClientError, OptionError
from streamer_client.tap import devices
from streamer_client.tap.devices import Device, Opening, find, list_devices, negotiate, opening_of, table

MIC = Device(2, "USB Headset", "ALSA", 1, 44100.0)
MONITOR = Device(5, "Monitor of Headset", "ALSA", 2, 48000.0)
INSIDE = Device(7, "USB", "ALSA", 2, 48000.0)
ALL = [MIC, MONITOR, INSIDE]


class SoundError(Exception):
    pass


def library(takes: Any = None, broken: str = "") -> Any:
    """A sound library with an output, a microphone, and what is asked of it."""

    def check(_index: int, channels: int, _dtype: str, samplerate: int) -> None:
        if not takes(samplerate, channels):
            raise SoundError

    def query() -> Any:
        if broken:
            raise SoundError(broken)
        rows = ("Speaker", 0, 2, 48000.0), ("Microphone", 1, 0, 44100.0)
        return [
            {
                "name": name,
                "hostapi": 0,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": rate,
            }
            for name, inputs, outputs, rate in rows
        ]

    return SimpleNamespace(
        PortAudioError=SoundError,
        query_hostapis=lambda: [{"name": "ALSA"}],
        query_devices=query,
        check_input_settings=check,
    )


@pytest.mark.parametrize(
    ("wanted", "found"), [("5", MONITOR), ("monitor", MONITOR), ("usb headset", MIC), ("USB", INSIDE), ("7", INSIDE)]
)
def test_a_device_is_found_by_number_name_or_part_of_its_name(wanted: str, found: Any) -> None:
    assert find(wanted, ALL, "--agent") == found


@pytest.mark.parametrize(
    ("wanted", "listed", "words"),
    [
        ("headset", ALL, "--agent 'headset', which is more than one of the devices: 2 USB Headset .*; give a number"),
        ("webcam", ALL, "which is none of the devices: 2 USB Headset"),
        ("1", [], "no device that sound can be taken from"),
    ],
)
def test_a_device_that_is_not_clear_is_refused_with_the_choice(wanted: str, listed: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        find(wanted, listed, "--agent")


@given(st.frozensets(st.tuples(st.sampled_from([8000, 16000, 24000, 32000, 44100, 48000]), st.sampled_from([1, 2]))))
def test_the_lowest_rate_that_a_device_takes_is_chosen(taken: Any) -> None:
    def takes(opening: Opening) -> bool:
        return (opening.rate_hz, opening.channels) in taken

    if taken:
        assert negotiate("it", takes, 2) == Opening(*min(taken))
    else:
        with pytest.raises(ClientError, match="it can be opened at none of 8000, 16000"):
            negotiate("it", takes, 2)


def test_a_device_is_asked_for_no_more_channels_than_it_has() -> None:
    with pytest.raises(ClientError):
        negotiate("it", lambda opening: opening.channels == 2, 1)


def test_only_devices_with_inputs_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "sound_library", library)
    assert list_devices() == [Device(1, "Microphone", "ALSA", 1, 44100.0)]
    assert table(list_devices())[1] == "     1       1   44100  Microphone (ALSA)"


def test_the_system_is_asked_how_a_device_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        devices, "sound_library", lambda: library(lambda rate, channels: rate >= 44100 and channels == 2)
    )
    assert opening_of(MONITOR) == Opening(44100, 2)


def test_a_system_without_sound_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "sound_library", lambda: library(broken="Error querying device"))
    with pytest.raises(ClientError, match="the system's sound does not answer: Error querying device"):
        list_devices()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ClientError, match=r"pip install emotion-streamer-client\[tap\]"):
        list_devices()
    monkeypatch.delitem(sys.modules, "sounddevice")
    real = builtins.__import__

    def without_portaudio(name: str, *rest: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_portaudio)
    with pytest.raises(ClientError, match=r"PortAudio library not found.*Debian and Ubuntu libportaudio2"):
        list_devices()
