"""Names on the bus: every topic of the contract, topic-safe ids, and pseudonyms for telephone numbers.

Pure. This file must never let a telephone number through into a topic, and never change an id that a platform made
(a UUID, a Twilio sid, an Asterisk uniqueid): people look their calls up by it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from typing import Final

import msgspec

VERSION: Final = "v1"
LONGEST_LEVEL: Final = 128
"""Characters of one topic level made by :func:`safe`."""

_PUNCTUATION: Final = frozenset("-._~:@=,;!()*'")
_LEAST_DIGITS: Final = 7

_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_ASTERISK: Final = re.compile(r"1[0-9]{9}\.[0-9]{1,8}")
"""Channel uniqueid: seconds since 1970, a dot, a counter (https://docs.asterisk.org, variable UNIQUEID).

With another first digit it may as well be a number of ten digits (NANP area codes begin with 2 to 9); seconds reach 2
in 2033.
"""
_SPELLED: Final = re.compile(r"[0-9+().\-/,#* ]+")
_INTERNATIONAL: Final = re.compile(r"\+(?:[ ().\-]*[0-9]){7,}")
"""More than the 15 digits of ITU-T E.164 are taken too: a number with a digit too many is still a number."""
_URI: Final = re.compile(r"(?:.*<)?(?:(?:sips?|tel):)?(?P<user>[^@;?<>:]+)(?::[^@]*)?(?:[@;?>].*)?", re.IGNORECASE)


def _ascii_digits(text: str) -> str:
    """Write the decimal digits of any script as 0-9, so that no number hides behind another script."""
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)


def _normalised(number: str) -> str:
    """Return the digits of a number: no separators, no trunk zero in brackets, no international prefix."""
    digits = re.sub(r"[^0-9]", "", number.replace("(0)", "") if "+" in number else number)
    return digits.removeprefix("00") if len(digits) >= _LEAST_DIGITS + 2 else digits


def _is_number(text: str) -> bool:
    if not _SPELLED.fullmatch(text) or _UUID.fullmatch(text) or _ASTERISK.fullmatch(text):
        return False
    return sum(char.isdigit() for char in text) >= _LEAST_DIGITS


def pseudonym(number: str, salt: bytes) -> str:
    """Return the pseudonym of a telephone number.

    Parameters
    ----------
    number
        The number in any spelling; ``+49 (0)30 1234567``, ``0049301234567`` and ``49301234567`` are one number.
    salt
        The tenant's secret. Numbers are few enough to try them all, so without a secret a hash hides nothing.

    Returns
    -------
    str
        ``n-`` and 16 hexadecimal digits of HMAC-SHA256 (RFC 2104).

    Raises
    ------
    ValueError
        The salt is empty.
    """
    if not salt:
        raise ValueError("got an empty salt for pseudonyms, expected a secret; numbers could be guessed back")
    digest = hmac.new(salt, _normalised(_ascii_digits(number)).encode(), hashlib.sha256)
    return f"n-{digest.hexdigest()[:16]}"


def pseudonymise(text: str, salt: bytes) -> str:
    """Return `text` with every telephone number in it replaced by its pseudonym.

    A number is: the whole text, or the user of a ``sip:``, ``tel:`` or ``user@host`` address, made of digits and
    ``+ ( ) - . / , # *`` and space with at least 7 digits (the whole text becomes the pseudonym); or ``+`` and at
    least 7 digits anywhere (that part becomes the pseudonym, so that two calls of one number stay two calls). UUIDs
    and Asterisk uniqueids are none.

    Parameters
    ----------
    text
        An id or a label from a platform.
    salt
        The tenant's secret, as for :func:`pseudonym`.
    """
    plain = _ascii_digits(text).strip()
    if _is_number(plain):
        return pseudonym(plain, salt)
    address = _URI.fullmatch(plain)
    if address and address["user"] != plain and _is_number(address["user"].strip()):
        return pseudonym(address["user"], salt)
    if _INTERNATIONAL.search(plain):
        return _INTERNATIONAL.sub(lambda found: pseudonym(found[0], salt), plain)
    return text


def safe(text: str) -> str:
    """Return `text` as one level of a topic.

    Letters and digits of any script and ``- . _ ~ : @ = , ; ! ( ) * '`` stay; everything else, wildcards, slashes,
    ``$``, space and control characters among it, becomes ``_``. Whatever was changed or shortened ends in 8 hexadecimal
    digits of its SHA-256, so that ``a/b`` and ``a_b`` stay two. Applying it twice changes nothing more.

    Returns
    -------
    str
        1 to 128 characters.
    """
    kept = "".join(char if char.isalnum() or char in _PUNCTUATION else "_" for char in text)
    if kept == text and 0 < len(text) <= LONGEST_LEVEL:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept[: LONGEST_LEVEL - len(mark) - 1] or '_'}-{mark}"


def call_id(text: str, salt: bytes) -> str:
    """Return a platform's call id as it may stand on the bus: without numbers, as one topic level."""
    return safe(pseudonymise(text, salt))


class Topics(msgspec.Struct, frozen=True):
    """All topics under one base. Every id given to it is made topic-safe here once more."""

    base: str = "emotion"
    """First level or levels, as configured in ``mqtt.base``; no wildcard, no empty level."""

    def __post_init__(self) -> None:
        """Refuse a base that would make topics nobody can publish to."""
        levels = self.base.split("/")
        if any(safe(level) != level for level in levels):
            raise ValueError(
                f"mqtt.base: got {self.base!r}, expected levels of letters, digits and - . _ ~, like 'emotion'"
            )

    def _call(self, tenant: str, call: str) -> str:
        return f"{self.base}/{VERSION}/{safe(tenant)}/calls/{safe(call)}"

    def utterance(self, tenant: str, call: str, role: str) -> str:
        """Topic of final verdicts of one party of a call."""
        return f"{self._call(tenant, call)}/{safe(role)}/utterance"

    def partial(self, tenant: str, call: str, role: str) -> str:
        """Topic of rolling verdicts of one party of a call."""
        return f"{self._call(tenant, call)}/{safe(role)}/partial"

    def state(self, tenant: str, call: str) -> str:
        """Topic of the retained state of a live call."""
        return f"{self._call(tenant, call)}/state"

    def ended(self, tenant: str, call: str) -> str:
        """Topic of the summary of a call."""
        return f"{self._call(tenant, call)}/ended"

    def alert(self, tenant: str, severity: str) -> str:
        """Topic of a tenant's compliance alerts of one severity."""
        return f"{self.base}/{VERSION}/{safe(tenant)}/alerts/{safe(severity)}"

    def acknowledgement(self, tenant: str) -> str:
        """Topic on which is said that somebody has taken care of an alert of a tenant."""
        return f"{self.base}/{VERSION}/{safe(tenant)}/acknowledgements"

    def status(self, node: str) -> str:
        """Topic of a node's retained status and last will."""
        return f"{self.base}/{VERSION}/nodes/{safe(node)}/status"
