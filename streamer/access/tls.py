"""TLS of the listeners, and who a client's certificate says it is.

The files are read at the start and again whenever they change: a new handshake uses what lies there now, a call that
is on keeps what it has. This file must never accept a certificate that the configured authorities did not sign, and
never let a file that came out wrong replace one that works.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import structlog

from streamer.access.handshakes import Handshakes, WatchedObject
from streamer.access.pem import PemError, PemFile, expires_s, load_pair, trust
from streamer.auth import Certificate
from streamer.config import ConfigError, ServerSettings
from streamer.metrics import Metrics

LOOK_S: Final = 10.0
"""Between two looks at the files."""
SOON_S: Final = 30 * 86_400.0
"""A certificate that runs out within this time is warned of."""
_REMIND_S: Final = 86_400.0

log = structlog.get_logger()


def server_context(server: ServerSettings) -> ssl.SSLContext | None:
    """Return what a listener does TLS with; None where the configuration names no certificate.

    TLS 1.2 or newer. With `tls_client_ca_file` a client without a certificate of these authorities gets no connection.

    Raises
    ------
    ConfigError
        A file cannot be read, is none of its kind, or the key is another certificate's.
    """
    return _read(server)[0] if server.tls_cert_file else None


def _read(server: ServerSettings) -> tuple[ssl.SSLContext, float]:
    """Read the files; return also when the first of the chain's certificates runs out (seconds since the epoch)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = WatchedObject
    cert = PemFile("server.tls_cert_file", server.tls_cert_file)
    key = PemFile("server.tls_key_file", server.tls_key_file) if server.tls_key_file else cert
    try:
        load_pair(context, cert, key)
        if server.tls_client_ca_file:
            trust(context, PemFile("server.tls_client_ca_file", server.tls_client_ca_file))
            context.verify_mode = ssl.CERT_REQUIRED
        return context, expires_s(cert)
    except PemError as problem:
        raise ConfigError(str(problem)) from problem


class CurrentContext(ssl.SSLContext):
    """A context that does each handshake as another one would: the one in force at that moment.

    A listener is bound to its context once. Loading new files into that one would leave authorities in it that are
    trusted no more, and sessions that were opened under them.
    """

    current: ssl.SSLContext
    handshakes: Handshakes

    def __new__(cls, current: ssl.SSLContext, handshakes: Handshakes) -> Self:
        """Make one of another, which may be replaced later."""
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self.current = current
        self.handshakes = handshakes
        return self

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:  # noqa: ANN401 - as the one in force takes them
        """Begin a handshake by the context in force."""
        found = self.current.wrap_bio(*args, **kwargs)
        if isinstance(found, WatchedObject):
            found.handshakes = self.handshakes
        return found


class ServerTls:
    """The listeners' TLS, kept up to date with the files.

    Parameters
    ----------
    server
        Which files.
    metrics
        Where failed handshakes are counted and the certificate's end is shown.
    wall_s, monotonic_s
        The time since the epoch, and one that never goes back, in seconds.

    Raises
    ------
    ConfigError
        As :func:`server_context`.
    """

    def __init__(
        self,
        server: ServerSettings,
        metrics: Metrics,
        *,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._metrics = metrics
        self._wall_s = wall_s
        self.context: CurrentContext | None = None
        """What a listener is given; None where the configuration names no certificate."""
        self._expires_s = 0.0
        self._reminded_s = 0.0
        self._files = self._looks()
        if server.tls_cert_file:
            current, self._expires_s = _read(server)
            self.context = CurrentContext(current, Handshakes(metrics, monotonic_s))
            self._tell_expiry()

    async def run(self) -> None:
        """Look after the files until cancelled, whether there are any or not."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Use the files anew if they have changed; blocking. What came out wrong is logged once and changes nothing."""
        if self.context is None:
            return
        files = self._looks()
        if files == self._files:
            self._tell_expiry()
            return
        # Remembered before they are read: what is written in the meantime is a change at the next look.
        self._files = files
        try:
            self.context.current, self._expires_s = _read(self._server)
        except ConfigError as problem:
            self._metrics.tls_reloads.labels("failed").inc()
            said = "TLS files changed, but cannot be used; the former ones stay in force"
            log.error(said, problem=str(problem))  # noqa: TRY400 - said in words, without a traceback
            return
        self._metrics.tls_reloads.labels("done").inc()
        log.info("TLS files changed; new connections use them")
        self._reminded_s = 0.0
        self._tell_expiry()

    def _looks(self) -> tuple[object, ...]:
        """Return what tells one state of the files from another: cheaper than reading keys every few seconds."""
        server = self._server
        paths = (server.tls_cert_file, server.tls_key_file, server.tls_client_ca_file)
        return tuple(_look(Path(path)) for path in paths if path)

    def _tell_expiry(self) -> None:
        """Show when the certificate runs out; warn of it once a day when that is soon."""
        self._metrics.certificate_expiry.set(self._expires_s)
        now_s = self._wall_s()
        left_s = self._expires_s - now_s
        if left_s < SOON_S and now_s - self._reminded_s >= _REMIND_S:
            self._reminded_s = now_s
            log.warning(
                "the TLS certificate runs out soon" if left_s > 0 else "the TLS certificate has run out",
                days_left=int(left_s // 86_400),
                file=self._server.tls_cert_file,
                do="renew it in place; no restart is needed",
            )


def _look(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as problem:
        return problem.errno
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def client_certificate(connection: ssl.SSLObject | None) -> Certificate | None:
    """Return the certificate that a client proved to have; None without TLS, or where none was asked for."""
    encoded = connection.getpeercert(binary_form=True) if connection is not None else None
    if connection is None or not encoded:
        return None
    # Typeshed knows the values of this dictionary as text or tuples; of `subject` they are tuples of pairs.
    subject: Any = (connection.getpeercert() or {}).get("subject", ())
    names = [str(value) for part in subject for kind, value in part if kind == "commonName"]
    return Certificate(hashlib.sha256(encoded).hexdigest(), names[0] if len(names) == 1 else "")
