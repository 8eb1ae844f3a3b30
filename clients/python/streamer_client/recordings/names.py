"""What a recording may be called on the bus and in a report: its file's name without the telephone numbers in it.

Recorders like to write numbers into file names. This file must never let one through, and never change what only looks
like one: dates, times, UUIDs, Asterisk's uniqueids, Twilio's sids.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_BETWEEN: Final = r"[\s().\-_/,:=\u00ad\u200b-\u200f\u2010-\u2015\u2060\u2212\ufeff]{0,3}"
"""What may stand between two digits of one number: white space, dashes of any kind, signs that nobody sees."""
_HARMLESS: Final = re.compile(
    r"(?P<uuid>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"
    r"|(?<![0-9A-Za-z])(?P<sid>[A-Z]{2}[0-9a-f]{32})(?![0-9A-Za-z])"
    r"|(?<![0-9+.])(?P<unique>1[0-9]{9}\.[0-9]{1,8})(?![0-9])"  # as in `streamer.bus.topics`
    # A date, and a time if one stands behind it.
    r"|(?<![0-9+])(?:19|20)[0-9]{2}(?P<mark>[-_.]?)(?:0[1-9]|1[0-2])(?P=mark)(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[-_. T]?(?:[01][0-9]|2[0-3])[-_.:]?[0-5][0-9](?:[-_.:]?[0-5][0-9])?)?(?:Z|(?![0-9]))"
    # A time by itself, unless more digits follow: then it may be the beginning of a number.
    rf"|(?<![0-9+:])(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.,][0-9]{{1,6}})?(?!{_BETWEEN}[0-9])",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(rf"\+?\(?[0-9](?:{_BETWEEN}[0-9]){{6,}}")
"""At least seven digits, as in `streamer.bus.topics`."""


def has_number(name: str) -> bool:
    """Whether something in a name looks like a telephone number."""
    return _replaced(name, lambda _: "") != _replaced(name, lambda number: number)


def without_numbers(name: str, pseudonym: Callable[[str], str]) -> str:
    """Return a name with everything in it that looks like a telephone number replaced.

    Parameters
    ----------
    name
        The stem of a file's name.
    pseudonym
        Makes what stands in a number's place; is given the number as it stands in the name, in digits 0 to 9.
    """
    return _replaced(name, pseudonym)


def keyed(key: bytes) -> Callable[[str], str]:
    """Return a maker of pseudonyms: ``n-`` and 16 hexadecimal digits of HMAC-SHA256 (RFC 2104).

    Parameters
    ----------
    key
        A secret. Numbers are few enough to try them all, so whoever knows it can guess them back.
    """

    def pseudonym(number: str) -> str:
        digits = re.sub(r"[^0-9]", "", number)
        return f"n-{hmac.digest(key, digits.encode(), hashlib.sha256).hex()[:16]}"

    return pseudonym


def content_key(paths: Sequence[Path]) -> bytes:
    """Return the SHA-256 of files' contents, one after the other.

    As a key it needs no keeping: whoever has the recording gets the same pseudonym again, whoever has only the report
    cannot guess the number back, and two calls of one number cannot be told to be of one.
    """
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.digest()


def _replaced(name: str, pseudonym: Callable[[str], str]) -> str:
    plain = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in name)
    kept, behind = [], 0
    for harmless in _HARMLESS.finditer(plain):
        kept += [_NUMBER.sub(lambda found: pseudonym(found[0]), plain[behind : harmless.start()]), harmless[0]]
        behind = harmless.end()
    return "".join([*kept, _NUMBER.sub(lambda found: pseudonym(found[0]), plain[behind:])])
