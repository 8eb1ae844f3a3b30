"""Which sound devices there are, which one is meant, and how each can be opened.

The only file that imports the sound library, when it is first needed. This file must never record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType

import msgspec

from streamer_client.errors import ClientError, OptionError
from streamer_client.recording import ACCEPTED_RATES_HZ


class Device(msgspec.Struct, frozen=True):
    """A device that sound can be taken from."""

    index: int
    name: str
    interface: str
    """The system's way to it, such as ALSA, Core Audio or Windows WASAPI."""
    channels: int
    """Inputs it has."""
    rate_hz: float
    """The rate it likes best."""


class Opening(msgspec.Struct, frozen=True):
    """How a device is opened."""

    rate_hz: int
    channels: int
    """1, or 2 where the device will not give one; then the first is taken."""


def sound_library() -> ModuleType:
    """Return ``sounddevice``.

    Raises
    ------
    ClientError
        It, or the system's PortAudio under it, is not installed.
    """
    try:
        import sounddevice  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError as problem:
        raise ClientError(
            "tap needs sounddevice; install it with: pip install emotion-streamer-client[tap]"
        ) from problem
    except OSError as problem:
        raise ClientError(
            f"tap needs the system's PortAudio ({problem}); install it: Debian and Ubuntu libportaudio2, "
            "Fedora portaudio"
        ) from problem
    return sounddevice  # type: ignore[no-any-return]


def list_devices() -> list[Device]:
    """Return the devices that have inputs.

    Raises
    ------
    ClientError
        The sound library is missing, or the system has no sound.
    """
    library = sound_library()
    try:
        interfaces = [interface["name"] for interface in library.query_hostapis()]
        found = library.query_devices()
    except library.PortAudioError as problem:
        raise ClientError(f"the system's sound does not answer: {problem}") from problem
    return [
        Device(
            number,
            one["name"],
            interfaces[one["hostapi"]],
            one["max_input_channels"],
            one["default_samplerate"],
        )
        for number, one in enumerate(found)
        if one["max_input_channels"] > 0
    ]


def find(wanted: str, devices: Sequence[Device], flag: str) -> Device:
    """Return the device of that number, of exactly that name, or the only one with that in its name.

    Raises
    ------
    OptionError
        There is none, or more than one.
    """
    by_number = [one for one in devices if str(one.index) == wanted]
    exact = [one for one in devices if one.name.casefold() == wanted.casefold()]
    found = by_number or exact or [one for one in devices if wanted.casefold() in one.name.casefold()]
    if len(found) == 1:
        return found[0]
    if not devices:
        raise OptionError(f"got {flag} {wanted!r}, but this machine has no device that sound can be taken from")
    several = "; ".join(f"{one.index} {one.name} ({one.interface})" for one in found or devices)
    what = "more than one" if found else "none"
    raise OptionError(f"got {flag} {wanted!r}, which is {what} of the devices: {several}; give a number")


def negotiate(name: str, takes: Callable[[Opening], bool], channels: int) -> Opening:
    """Return the smallest opening that a device takes: lowest rate first, for the model listens in telephone band.

    Raises
    ------
    ClientError
        It takes none.
    """
    openings = [
        Opening(rate_hz, count) for rate_hz in sorted(ACCEPTED_RATES_HZ) for count in (1, 2) if count <= channels
    ]
    for opening in openings:
        if takes(opening):
            return opening
    rates = ", ".join(map(str, sorted(ACCEPTED_RATES_HZ)))
    raise ClientError(f"{name} can be opened at none of {rates} Hz; does another program hold it for itself?")


def opening_of(device: Device) -> Opening:
    """Ask the system how a device can be opened, see :func:`negotiate`."""
    library = sound_library()

    def takes(opening: Opening) -> bool:
        try:
            library.check_input_settings(device.index, opening.channels, "int16", samplerate=opening.rate_hz)
        except (library.PortAudioError, ValueError):
            return False
        return True

    return negotiate(device.name, takes, device.channels)


def table(devices: Iterable[Device]) -> list[str]:
    """Return one line for each device, with a heading."""
    rows = [("NUMBER", "INPUTS", "RATE", "NAME")]
    rows += [
        (str(one.index), str(one.channels), f"{one.rate_hz:.0f}", f"{one.name} ({one.interface})") for one in devices
    ]
    return [f"{number:>6}  {inputs:>6}  {rate:>6}  {name}" for number, inputs, rate, name in rows]
