"""Who is signed in: sessions, each ended by its age, by lack of use, by its owner, or by another token.

A restart goes on from what was kept: of the secret in a browser's cookie a hash, of the token that began the session a
seal that only this secret opens. So the file lets nobody in, nobody can try tokens on it, and whose token was changed
while the dashboard was away has to show the new one. Pure but for the random numbers of a session: times come in as
arguments. This file must never keep a secret in the clear.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from streamer_client.dashboard.access import Tokens

LONGEST_S = 24 * 3600.0
MOST_SESSIONS = 10_000
_NOTED_S = 60.0
"""So often is the use of a session kept; a disk need not hear of every request."""


class Session(msgspec.Struct, frozen=True):
    """What is kept of a session."""

    name: str
    seal: bytes
    """See :meth:`~streamer_client.dashboard.access.Tokens.seal`."""
    began_s: float
    """Seconds since 1970, as is the next."""
    used_s: float


class Sessions:
    """Those who are signed in.

    Parameters
    ----------
    tokens : Tokens
    longest_s : float
        After so long a session is over, and after half of that without use: by default longer than a shift.
    """

    def __init__(self, tokens: Tokens, longest_s: float = LONGEST_S) -> None:
        self.longest_s = longest_s
        self.changed: set[bytes] = set()
        """Digests of sessions that have changed since somebody emptied this."""
        self._tokens = tokens
        self._open: OrderedDict[bytes, Session] = OrderedDict()
        """By the digest of the secret; the last used at the end."""
        self._noted_s: dict[bytes, float] = {}
        """When each was used, as it was kept."""
        self._unproved: set[bytes] = set()
        """Sessions of an earlier run that have not shown yet that their token is still one."""

    def load(self, kept: Mapping[bytes, Session], now_s: float) -> None:
        """Go on from what was kept."""
        for digest, session in sorted(kept.items(), key=lambda one: one[1].used_s):
            # A clock that was ahead when it was kept must not make it last longer.
            self._open[digest] = msgspec.structs.replace(
                session, began_s=min(session.began_s, now_s), used_s=min(session.used_s, now_s)
            )
            self._noted_s[digest] = session.used_s
            self._unproved.add(digest)
        self.expire(now_s)

    def kept(self, digest: bytes) -> Session | None:
        """Return what is to be kept of a session, or None where it is over."""
        return self._open.get(digest)

    def begin(self, token: str, name: str, now_s: float) -> str:
        """Return the secret of a new session of somebody who has shown a token that is right."""
        secret = secrets.token_urlsafe(32)
        self._use(_digest(secret), Session(name, self._tokens.seal(token, secret), now_s, now_s))
        while len(self._open) > MOST_SESSIONS:
            self._drop(next(iter(self._open)))
        return secret

    def name(self, secret: str, now_s: float) -> str | None:
        """Return who has a session, which counts as using it; None where there is none, or it is over."""
        digest = _digest(secret)
        found = self._open.get(digest)
        if found is None:
            return None
        if self._over(found, now_s) or not self._proved(digest, found, secret):
            self._drop(digest)
            return None
        self._use(digest, msgspec.structs.replace(found, used_s=now_s))
        return found.name

    def end(self, secret: str) -> None:
        """End a session."""
        self._drop(_digest(secret))

    def expire(self, now_s: float) -> None:
        """Forget those that are over."""
        for digest in [digest for digest, session in self._open.items() if self._over(session, now_s)]:
            self._drop(digest)

    def _over(self, session: Session, now_s: float) -> bool:
        return now_s - session.began_s > self.longest_s or now_s - session.used_s > self.longest_s / 2

    def _proved(self, digest: bytes, session: Session, secret: str) -> bool:
        if digest in self._unproved and self._tokens.holds(session.seal, secret, session.name):
            self._unproved.remove(digest)
        return digest not in self._unproved

    def _use(self, digest: bytes, session: Session) -> None:
        self._open[digest] = session
        self._open.move_to_end(digest)
        if abs(session.used_s - self._noted_s.get(digest, float("-inf"))) >= _NOTED_S:
            self._noted_s[digest] = session.used_s
            self.changed.add(digest)

    def _drop(self, digest: bytes) -> None:
        if self._open.pop(digest, None) is not None:
            del self._noted_s[digest]
            self._unproved.discard(digest)
            self.changed.add(digest)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
