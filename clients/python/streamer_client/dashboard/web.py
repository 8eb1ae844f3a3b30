"""The HTTP server: uvicorn, without its signal handlers, its logs and its guesses about proxies.

This file must never know what is answered.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from streamer_client.dashboard.access import Served
from streamer_client.errors import OptionError

LEAVE_S = 1
"""How long an answer that is on its way may take when the dashboard stops."""


class Web(uvicorn.Server):
    """A server that ends when it is told, and not by a signal: those are its owner's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def make_web(app: ASGIApp, served: Served) -> Web:
    """Return a server that is ready to run on a socket.

    Raises
    ------
    OptionError
        The certificate or its key cannot be used.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=LEAVE_S,
        ssl_certfile=served.tls_cert_file or None,
        ssl_keyfile=served.tls_key_file or served.tls_cert_file or None,
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as problem:
        raise OptionError(
            f"cannot use the certificate in {served.tls_cert_file} with its key: both must be PEM, the key not "
            "encrypted, and the one belong to the other"
        ) from problem
    return Web(config)
