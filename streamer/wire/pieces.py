"""Pieces of audio that follow one another, as one: the same audio, and one way through all that comes behind.

Put together are only pieces of which nothing is lost by it: all of one length, each where its sender's clock says that
it belongs, in whole milliseconds and samples. So whoever cannot take them as one takes them apart again, and has what
came. Pure. This file must never change what is heard.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.wire.events import Audio


def joined(pieces: Sequence[Audio], bytes_per_s: int) -> list[Audio]:
    """Return pieces of several channels, those of each channel as one where they may be.

    Parameters
    ----------
    pieces
        In the order of each channel's clock.
    bytes_per_s
        Of a channel.
    """
    of_channels: dict[int, list[Audio]] = {}
    for piece in pieces:
        if piece.channel in of_channels:
            of_channels[piece.channel].append(piece)
        else:
            of_channels[piece.channel] = [piece]
    return [audio for those in of_channels.values() for audio in _joined(those, bytes_per_s)]


def _joined(pieces: list[Audio], bytes_per_s: int) -> list[Audio]:
    """Return pieces of one channel."""
    first, n = pieces[0], len(pieces)
    if n == 1 or not _follow(pieces, bytes_per_s):
        return pieces
    return [Audio(first.channel, b"".join([piece.payload for piece in pieces]), first.media_ms, n)]


def _follow(pieces: list[Audio], bytes_per_s: int) -> bool:
    """Return whether each piece begins where the one before ends, to the sample, and all are alike."""
    begin_ms, size = pieces[0].media_ms, len(pieces[0].payload)
    stands = [piece.media_ms for piece in pieces]
    if begin_ms is None:
        return stands.count(None) == len(stands)
    step_ms, rest = divmod(1000 * size, bytes_per_s)
    if rest or not step_ms or bytes_per_s % 1000 or not isinstance(begin_ms, int):
        return False
    is_steady = stands == list(range(begin_ms, begin_ms + len(pieces) * step_ms, step_ms))
    return is_steady and all(len(piece.payload) == size for piece in pieces)


def apart(audio: Audio, bytes_per_s: int) -> list[Audio]:
    """Return the pieces that audio was put together from by `joined`, of one channel and with a clock.

    Parameters
    ----------
    audio
        Its ``media_ms`` may have been moved since, as a whole.
    bytes_per_s
        As `joined` had it.
    """
    if audio.pieces == 1 or audio.media_ms is None:
        return [audio]
    size = len(audio.payload) // audio.pieces
    step_ms = 1000 * size // bytes_per_s
    return [
        Audio(audio.channel, audio.payload[n * size : (n + 1) * size], audio.media_ms + n * step_ms)
        for n in range(audio.pieces)
    ]
