"""Who may see the dashboard: tokens, how often one may be wrong, and where the dashboard may listen.

Pure: times come in as arguments. This file must never keep a token in the clear for longer than it takes to hash it,
and never say which of them was nearly right.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import unicodedata
from collections import OrderedDict
from pathlib import Path

import msgspec

from streamer_client.errors import OptionError

SHORTEST_TOKEN = 16
"""Characters. 16 random ones of 64 are 96 bits, which nobody guesses over a network."""
LONGEST_NAME = 80
FAILURES_PER_MINUTE = 10
_MOST_ADDRESSES = 10_000
_V6_PREFIX = 64


class Tokens:
    """Whom a token lets in.

    Parameters
    ----------
    names : dict of str to str
        Token to the name of its owner; empty where it is shared, and the person says a name.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self._names = [(_digest(token), name) for token, name in names.items()]

    @property
    def shared(self) -> bool:
        """Whether some token is nobody's own, so that a name is asked for."""
        return any(not name for _, name in self._names)

    def owner(self, token: str) -> str | None:
        """Return whose token it is (empty = shared), or None; in the same time for every wrong one."""
        shown = _digest(token)
        found: str | None = None
        for digest, name in self._names:
            if hmac.compare_digest(digest, shown):
                found = name
        return found

    def seal(self, token: str, secret: str) -> bytes:
        """Return what tells a token that began a session; of no use to anybody who lacks the session's secret."""
        return _seal(_digest(token), secret)

    def holds(self, seal: bytes, secret: str, name: str) -> bool:
        """Whether the token that a session of this name began with still lets that person in."""
        return any(
            hmac.compare_digest(_seal(digest, secret), seal) for digest, owner in self._names if owner in {"", name}
        )


def read_tokens(path: Path) -> Tokens:
    """Read a file of tokens: lines `NAME TOKEN`, or one line with a shared TOKEN; `#` begins a comment.

    Raises
    ------
    OptionError
        The file cannot be read or cannot be right; the message names the line, never a token.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise OptionError(f"cannot read the tokens in {path}: {reason}") from problem
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name, token = " ".join(words[:-1]), words[-1]
        problem_words = _wrong(token) or (clean_name(name)[1] if name else "")
        if problem_words:
            raise OptionError(f"{path}, line {number}: {problem_words}")
        if token in names:
            raise OptionError(f"{path}, line {number}: this token stands there already; each person needs another one")
        names[token] = name
    if not names:
        raise OptionError(f"{path} holds no token; write a line NAME TOKEN for each person, or one line with a TOKEN")
    return Tokens(names)


def one_token(token: str) -> Tokens:
    """Return the tokens where one is shared by all.

    Raises
    ------
    OptionError
        It is too short or has spaces.
    """
    problem = _wrong(token)
    if problem:
        raise OptionError(f"STREAMER_DASHBOARD_TOKEN: {problem}")
    return Tokens({token: ""})


def clean_name(name: str) -> tuple[str, str]:
    """Return a name without spaces around it and, if it cannot be one, why."""
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        return name, f"a name has 1 to {LONGEST_NAME} characters, this one {len(name)}"
    if not name.isprintable():
        return name, "a name is one line of plain text"
    return name, ""


class Throttle:
    """How often an address may show a wrong token: so many at once, and so many more each minute."""

    def __init__(self, per_minute: int = FAILURES_PER_MINUTE) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> int:
        """Return after how many seconds the address may try again; 0 = now."""
        left = self._now(_whose(address), now_s)
        return 0 if left >= 1 else int((1 - left) * 60 / self._per_minute) + 1

    def failed(self, address: str, now_s: float) -> None:
        """Count a wrong token."""
        whose = _whose(address)
        self._left[whose] = max(0.0, self._now(whose, now_s) - 1), now_s
        self._left.move_to_end(whose)
        while len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)

    def _now(self, whose: str, now_s: float) -> float:
        left, at_s = self._left.get(whose, (float(self._per_minute), now_s))
        return min(float(self._per_minute), left + (now_s - at_s) * self._per_minute / 60)


class Served(msgspec.Struct, frozen=True):
    """Where the dashboard listens, and what stands in front of it."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 = one that is free."""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    """Empty = in the certificate's file."""
    behind_proxy: bool = False
    """A proxy in front does TLS, and says in `X-Forwarded-For` who comes."""

    @property
    def secure(self) -> bool:
        """Whether browsers come over TLS."""
        return bool(self.tls_cert_file) or self.behind_proxy


def check_exposure(served: Served) -> None:
    """Refuse to send tokens and calls over a network in the clear.

    Raises
    ------
    OptionError
        The message names the ways out.
    """
    if served.tls_key_file and not served.tls_cert_file:
        raise OptionError("--tls-key is given without --tls-cert; a key is of no use without its certificate")
    for flag, path in (("--tls-cert", served.tls_cert_file), ("--tls-key", served.tls_key_file)):
        if path and not Path(path).is_file():
            raise OptionError(f"there is no file {path}, which {flag} names")
    if not (is_loopback(served.host) or served.secure):
        raise OptionError(
            f"--host {served.host} can be reached from other machines, and tokens would pass in the clear; give "
            "--tls-cert and --tls-key, or listen on 127.0.0.1, or say --behind-proxy where a proxy in front does TLS"
        )


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback


def _wrong(token: str) -> str:
    """Return what is wrong with a token, without the token."""
    if len(token) < SHORTEST_TOKEN:
        return (
            f"a token needs {SHORTEST_TOKEN} characters or more, this one has {len(token)}; make one with: "
            "openssl rand -base64 24"
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "a token has letters, digits and signs of ASCII only"
    return ""


def _seal(digest: bytes, secret: str) -> bytes:
    # Its digest is the key: HMAC fills a short one up with zeros, so that no secret and a NUL were the same (RFC 2104).
    return hmac.digest(_digest(secret), digest, "sha256")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _whose(address: str) -> str:
    """Return what stands for an address: of IPv6 its network, for one customer has all of that."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, _V6_PREFIX), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
