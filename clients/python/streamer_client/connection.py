"""One WebSocket to the server, and every way in which it can fail put into words.

Shared by :mod:`streamer_client.stream` and :mod:`streamer_client.transport`. This file must never know a dialect: bytes
and text pass through, and an exception of the transport never reaches the caller as it is.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from streamer_client.errors import ConnectError, OptionError, StreamError

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
PING_INTERVAL_S = 20.0
# Generous: a server that is fed as fast as possible reads our ping only after all audio that was sent before it.
PING_TIMEOUT_S = 120.0

_CLOSED = {
    1000: ("closed", "the server closed the call before its end"),
    1001: ("draining", "the server is shutting down; call again, another one will answer"),
    1008: ("policy", "the server refused the call"),
    1009: ("too_big", "a message was too big for the server; send smaller blocks"),
    1011: ("server_fault", "the server failed inside; its log says why"),
    1013: ("full", "the server carries as many calls as it may; try again later"),
}


def with_path(url: str, path: str) -> str:
    """Return the URL of the stream: `url` as it is, with `path` where it has none.

    Raises
    ------
    OptionError
        `url` is no WebSocket URL.
    """
    parts = urlsplit(url)
    try:
        usable = parts.scheme in {"ws", "wss"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise OptionError(f"got {url!r} as the server's address; expected one like ws://127.0.0.1:8765{path}")
    return urlunsplit(parts._replace(path=path)) if parts.path in {"", "/"} else url


async def open_socket(
    url: str,
    headers: Mapping[str, str],
    subprotocols: Sequence[str] = (),
    *,
    close_timeout_s: float = CLOSE_TIMEOUT_S,
) -> ClientConnection:
    """Connect, or say in one line why not.

    Parameters
    ----------
    url : str
        ``ws://`` or ``wss://``, path included.
    headers : mapping of str to str
        Of the upgrade request.
    subprotocols : sequence of str
        Offered in it.
    close_timeout_s : float
        How long the server may take to answer our close.

    Raises
    ------
    ConnectError
        Nobody listens there, no WebSocket server, wrong path, no access, full, or a certificate that does not hold.
    OptionError
        `url` is no WebSocket URL.
    """
    try:
        return await connect(
            url,
            additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,  # audio does not shrink, and a live server has better things to do
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=close_timeout_s,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
        )
    except InvalidStatus as problem:
        raise ConnectError(_refused(url, problem, bool(headers))) from problem
    except InvalidURI as problem:
        raise OptionError(f"got {url!r} as the server's address; expected one like ws://127.0.0.1:8765") from problem
    except (InvalidMessage, EOFError) as problem:
        raise ConnectError(
            f"{_origin(url)} answers, but not as a WebSocket server; check the port (8765 unless configured)"
        ) from problem
    except InvalidHandshake as problem:
        raise ConnectError(f"the handshake with {_origin(url)} failed: {problem}; check the address") from problem
    except TimeoutError as problem:
        raise ConnectError(
            f"no answer from {_origin(url)} within {OPEN_TIMEOUT_S:.0f} s; check the address and the firewall"
        ) from problem
    except ssl.SSLError as problem:
        raise ConnectError(
            f"no secure connection to {_origin(url)}: {problem.reason or problem}; check its certificate, or the port"
        ) from problem
    except (ConnectionResetError, ConnectionAbortedError) as problem:
        plain = " before TLS came about; does that port speak plain ws://?" if urlsplit(url).scheme == "wss" else ""
        raise ConnectError(f"{_origin(url)} hung up{plain or ' at once; check the address'}") from problem
    except OSError as problem:
        raise unreachable(url, problem) from problem


def unreachable(url: str, problem: OSError) -> ConnectError:
    """Return what it means that the system found no way to the server."""
    return ConnectError(
        f"cannot reach {_origin(url)}: {_system_words(problem)}; is the server running there? "
        "(`streamer serve` starts one)"
    )


def closed(problem: ConnectionClosed) -> StreamError:
    """Return what a lost connection means for the call on it."""
    if problem.rcvd is None:
        return StreamError("lost", "the connection to the server was lost; the server sees the call as disconnected")
    code, words = _CLOSED.get(
        problem.rcvd.code, ("closed", f"the server closed the call with WebSocket code {problem.rcvd.code}")
    )
    said = problem.rcvd.reason
    return StreamError(code, f"{words}: {said}" if said else words)


def _refused(url: str, problem: InvalidStatus, had_credentials: bool) -> str:
    status = problem.response.status_code
    path = urlsplit(url).path
    words = {
        401: "does not accept this key; check it against [[keys]] of its configuration"
        if had_credentials
        else "wants a key; give the one that [[keys]] of its configuration holds",
        403: f"does not let this key use {path}; its configuration must name the dialect for the key",
        404: f"has nothing at {path}; the native protocol lives at /v1/stream, a platform's at its name, like /twilio",
        503: "takes no calls now, because it is full, starting or draining; try again later",
    }.get(status, "refused the connection; its log says why")
    body = (problem.response.body or b"").decode("utf-8", "replace").strip().splitlines()
    said = f": {body[0][:200]}" if body and body[0].isprintable() else ""
    return f"{_origin(url)} {words} (HTTP {status}{said})"


def _origin(url: str) -> str:
    """Return scheme, host and port: never a user name or password that the URL may carry."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _system_words(problem: OSError) -> str:
    """Return the operating system's reason; where several addresses were tried, the first one's."""
    nested = getattr(problem, "exceptions", None)
    if nested:
        return _system_words(nested[0])
    if isinstance(problem, ConnectionRefusedError):
        return "connection refused"
    return str(problem.strerror or problem).lower()
