"""AudioHook's media: which of what is offered is taken, and where each sample of it stands.

Shared by nobody but `streamer.wire.audiohook`; apart from it because it knows neither messages nor states. This file
must never change an offer: what is accepted goes back exactly as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from streamer.wire.events import Encoding, Role

RATE_HZ: Final = 8000
CHANNELS: Final = ("external", "internal")
ENCODINGS: Final[Mapping[str, Encoding]] = {"PCMU": Encoding.PCMU, "L16": Encoding.PCM_S16LE}

_DAY_S: Final = 24 * 3600
_SLACK: Final = RATE_HZ // 1000
"""Samples: positions may be rounded to the millisecond."""
_DURATION: Final = re.compile(r"PT(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}|[0-9]{0,9}\.[0-9]{1,12})S)?")


class _Media(msgspec.Struct, frozen=True):
    """One entry of the offer, as far as it must be understood."""

    type: str
    format: str
    channels: tuple[str, ...]
    rate: int


class Choice(msgspec.Struct, frozen=True):
    """What was taken of the offer."""

    offered: msgspec.Raw
    """The entry as it came, to go back in `opened`."""
    channels: tuple[str, ...]
    """In the order in which their samples alternate."""
    encoding: Encoding


_decoder: Final = msgspec.json.Decoder(_Media)


def choose(offer: Sequence[msgspec.Raw], formats: Sequence[str], roles: Mapping[str, Role]) -> Choice | None:
    """Choose from an offer: both parties before one, the customer before another, then by format, then by place.

    Parameters
    ----------
    offer
        ``media`` of ``open``; entries that cannot be read or are of a kind not known here are passed over.
    formats
        Those that are taken, the best first.
    roles
        Who is heard on which channel.
    """

    def rank(choice: tuple[Choice, str]) -> tuple[int, bool, int]:
        channels = choice[0].channels
        return (
            -len(channels),
            roles.get(channels[0]) is not Role.CUSTOMER and len(channels) == 1,
            formats.index(choice[1]),
        )

    found = []
    for entry in offer:
        media = _read(entry)
        if media is not None and media.format in formats:
            found.append((Choice(entry, media.channels, ENCODINGS[media.format]), media.format))
    return min(found, key=rank)[0] if found else None


def _read(entry: msgspec.Raw) -> _Media | None:
    """Return an entry where it is one that can be listened to."""
    try:
        media = _decoder.decode(entry)
    except (msgspec.DecodeError, RecursionError):
        return None
    known = media.type == "audio" and media.format in ENCODINGS and media.rate == RATE_HZ
    once = 1 <= len(media.channels) == len(set(media.channels)) and set(media.channels) <= set(CHANNELS)
    return media if known and once else None


def seconds(duration: str) -> float | None:
    """Return an ISO 8601 duration such as ``PT1.5S`` in seconds; None where it is none, or longer than a day."""
    match = _DURATION.fullmatch(duration)
    if match is None or not any(match.groups()):
        return None
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + rest
    return total if total <= _DAY_S else None


def duration(milliseconds: float) -> str:
    """Return milliseconds as AudioHook writes a duration."""
    return f"PT{milliseconds / 1000:.3f}".rstrip("0").rstrip(".") + "S"


class MediaClock:
    """Where the next sample stands: behind all that came, all that was left out and all that was lost.

    The platform's `position` counts the samples that it sent. Whether it also counts what it left out is not settled:
    its own sample client does so for one message and not for another. So the first position behind something left out
    decides it for the session, and while the stream is paused no position is believed.

    Parameters
    ----------
    start_s
        The position at which the stream opens.
    """

    def __init__(self, start_s: float) -> None:
        self._came = round(start_s * RATE_HZ)
        """Samples that came or must have been lost on the way."""
        self._left_out = 0
        self._counts_left_out: bool | None = None
        self.lost = 0
        """Samples that were sent and never came."""

    @property
    def now_ms(self) -> float:
        """Media time of the next sample."""
        return (self._came + self._left_out) * 1000 / RATE_HZ

    def take(self, samples: int) -> None:
        """Pass over samples that came."""
        self._came += samples

    def leave_out(self, left_out_s: float) -> None:
        """Pass over what the platform says that it did not send."""
        self._left_out += round(left_out_s * RATE_HZ)

    def compare(self, position_s: float) -> int:
        """Take the platform's word for how much it has sent; return how many samples never came, beyond those known."""
        at = round(position_s * RATE_HZ)
        if self._left_out and self._counts_left_out is None:
            self._counts_left_out = at >= self._came + self._left_out - _SLACK
        missing = at - self._came - (self._left_out if self._counts_left_out else 0)
        if missing <= _SLACK:
            return 0
        self._came += missing
        self.lost += missing
        return missing
