"""Which audio files can be read, and in which words one that cannot is refused.

Containers are libsndfile's business (https://libsndfile.github.io/libsndfile/formats.html). Files without a header are
told by their ending, as Asterisk names them (https://github.com/asterisk/asterisk/tree/master/formats): it alone says
rate and coding. This file must never guess at the coding of a file whose ending does not say it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec


class Raw(msgspec.Struct, frozen=True):
    """How a file without a header is coded; always one channel."""

    subtype: str
    """As libsndfile calls it."""
    rate_hz: int = 8000
    bytes_per_block: int = 1
    """The smallest piece that decodes by itself."""


_LINEAR_HZ: Final = {"": 8000, "8": 8000, "12": 12000, "16": 16000, "24": 24000, "32": 32000, "44": 44100, "48": 48000}
RAW: Final[dict[str, Raw]] = {
    **dict.fromkeys((".ulaw", ".ul", ".ulw", ".mu"), Raw("ULAW")),
    **dict.fromkeys((".alaw", ".al", ".alw"), Raw("ALAW")),
    **{f".sln{name}": Raw("PCM_16", rate_hz, 2) for name, rate_hz in _LINEAR_HZ.items()},
    ".gsm": Raw("GSM610", bytes_per_block=33),
}
"""Endings of files without a header, in small letters."""

CONTAINERS: Final = frozenset(
    {".wav", ".wav49", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".au", ".snd", ".aif", ".aiff", ".aifc", ".caf"}
    | {".w64", ".rf64", ".voc", ".sph", ".nist"}
)
"""Endings under which recordings are looked for in a folder; a file that is named is tried whatever its ending."""

READABLE: Final = (
    "WAV (linear, mu-law, A-law, GSM), FLAC, MP3, Ogg (Opus, Vorbis), AU, AIFF, and without a header .ulaw, .alaw, "
    ".sln, .sln16 and .gsm"
)

_SILENT_ENDINGS: Final = frozenset({".raw", ".pcm"})
"""Used for linear samples by some and for mu-law by others."""
_KNOWN_STRANGERS: Final = {
    ".g722": "G.722",
    ".g729": "G.729",
    ".g723": "G.723.1",
    ".amr": "AMR",
    ".m4a": "AAC in MP4",
    ".mp4": "MP4",
    ".wma": "Windows Media",
    ".webm": "WebM",
    ".siren7": "Siren 7",
    ".ilbc": "iLBC",
}
_BEGINNINGS: Final = (
    (b"", 0, b"#!AMR", "AMR"),
    (b"", 4, b"ftyp", "MP4"),
    (b"", 0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (b"", 0, b"\x30\x26\xb2\x75", "Windows Media"),
    (b"", 0, b"PK\x03\x04", "a ZIP archive"),
    (b"", 0, b"\x1f\x8b", "compressed by gzip"),
    (b"", 0, b"%PDF", "a PDF"),
    (b"", 0, b"<", "text in HTML or XML"),
    (b"RIFF", 8, b"WAVE", "WAV with a codec that cannot be read here"),
)


def is_recording(path: Path) -> bool:
    """Whether a file in a folder is taken for a recording, by its ending."""
    ending = path.suffix.lower()
    return ending in CONTAINERS or ending in RAW


def raw(path: Path) -> Raw | None:
    """Return how a file without a header is coded; None for one that has a header, or should."""
    return RAW.get(path.suffix.lower())


def what_came(path: Path, beginning: bytes) -> str:
    """Return what a file that cannot be read seems to be, in a few words, as far as it can be told.

    Parameters
    ----------
    path
        Its name.
    beginning
        Its first bytes, 12 or more where it has so many.
    """
    if not beginning:
        return "an empty file"
    for first, at, mark, words in _BEGINNINGS:
        if beginning.startswith(first) and beginning[at : at + len(mark)] == mark:
            return words
    ending = path.suffix.lower()
    if ending in _KNOWN_STRANGERS:
        return _KNOWN_STRANGERS[ending]
    if ending in _SILENT_ENDINGS:
        return f"{ending}, which does not say how it is coded: name it .sln for linear samples, .ulaw or .alaw"
    return f"a file ending in {ending}" if ending else "a file without an ending"
