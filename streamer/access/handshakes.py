"""TLS handshakes that fail: counted by reason, and said in the log without ever becoming a flood of it.

Without this they pass in silence: asyncio drops such a connection before anybody above sees it. This file must never
let a peer choose a metric's label, and never keep anything of a peer.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

import structlog

from streamer.metrics import Metrics

SAY_EVERY_S: Final = 60.0
"""Of one reason no more than one line in this time; it tells how many there were meanwhile."""

_WAITING: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_PLAIN: Final = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL"})
_OLD: Final = frozenset(
    {"UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "VERSION_TOO_LOW", "NO_SUITABLE_SIGNATURE_ALGORITHM"}
)

SAID: Final = {
    "plain": "what came is no TLS; the peer must use wss:// (AudioSocket: a tunnel that speaks TLS)",
    "old": "the peer knows no protocol or cipher of ours; TLS 1.2 or newer is needed",
    "no_certificate": "the peer showed no certificate, and server.tls_client_ca_file asks for one",
    "untrusted": "the peer's certificate is not of the authorities in server.tls_client_ca_file, or not in force",
    "refused": "the peer hung up on our certificate or our offer; does it trust the authority, and is the name right?",
    "other": "the handshake failed",
}
"""Reason, as in the metric, to what it means."""


def reason_of(problem: ssl.SSLError) -> str:
    """Return which of the few reasons it was."""
    reason = problem.reason or ""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return "untrusted"
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "no_certificate"
    if reason in _PLAIN:
        return "plain"
    if reason in _OLD:
        return "old"
    return "refused" if "ALERT" in reason else "other"


class Handshakes:
    """Counts those that failed.

    Parameters
    ----------
    metrics
        Where they are counted.
    monotonic_s
        The time in seconds, on a clock that never goes back.
    """

    def __init__(self, metrics: Metrics, monotonic_s: Callable[[], float]) -> None:
        self._metrics = metrics
        self._monotonic_s = monotonic_s
        self._said_s: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}
        self._log = structlog.get_logger()

    def failed(self, problem: ssl.SSLError) -> None:
        """Count one, and say it unless its like was said a moment ago."""
        reason = reason_of(problem)
        self._metrics.tls_failures.labels(reason).inc()
        now_s = self._monotonic_s()
        if now_s - self._said_s.get(reason, -SAY_EVERY_S) < SAY_EVERY_S:
            self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
            return
        self._said_s[reason] = now_s
        more = self._unsaid.pop(reason, 0)
        self._log.warning(
            "TLS handshake failed", reason=reason, message=SAID[reason], tls=problem.reason or "", more_like_it=more
        )


class WatchedObject(ssl.SSLObject):
    """One connection's TLS, that tells when its handshake fails."""

    handshakes: Handshakes | None = None

    def do_handshake(self) -> None:
        """As the library's; a failure is told, and raised as ever."""
        try:
            super().do_handshake()
        except _WAITING:
            raise
        except ssl.SSLError as problem:
            if self.handshakes is not None:
                self.handshakes.failed(problem)
            raise
