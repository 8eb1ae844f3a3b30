"""How a Ray is reached: which one `--on` names, connecting to it or beginning one, and why it could not be.

This file must never import Ray before it is asked to, leave a Ray of our own behind, or let a message of Ray's reach
people without saying what to do.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from streamer.archive.engine import EngineError
from streamer.archive.pool import cores

Ray = Any
"""The package, or an object of it: where it is not installed there are no types of it either."""
HERE: Final = "ray"
PORT: Final = 10001
"""Where Ray listens for drivers unless told otherwise."""
_REACH_S: Final = 5.0
_TRIES: Final = 3
_IN_VAIN: Final = "failure from server"
_STORE_BYTES: Final = 256 * 1024 * 1024
"""Of shared memory for a Ray of our own: results are small, and the model goes through it once."""


class Where(msgspec.Struct, frozen=True):
    """Which Ray."""

    host: str = ""
    """Empty for one of our own on this machine."""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Where:
        """Read what `--on` says.

        Raises
        ------
        EngineError
            It names no Ray.
        """
        if text == HERE:
            return cls()
        parts = urlsplit(text)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme != "ray" or not parts.hostname or port == 0 or parts.path or parts.query or parts.username:
            raise EngineError(f"got --on {text!r}; give ray://HOST:{PORT} for a cluster, or ray for this machine")
        return cls(parts.hostname, port or PORT)

    @property
    def url(self) -> str:
        """As Ray takes it."""
        return f"ray://[{self.host}]:{self.port}" if ":" in self.host else f"ray://{self.host}:{self.port}"


def ray_module(where: Where) -> Ray:
    """Import Ray.

    Raises
    ------
    EngineError
        It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a Ray that we begin tells nobody about us
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a cluster that is lost is an error, and not a reason to begin another
    if not where.host and "ray" not in sys.modules:
        # It listens beyond this machine. Ray reads these once, at import; without them it
        # would make a token and leave it in the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Ray imports is its own affair
            return importlib.import_module("ray")
    except ImportError as problem:
        raise EngineError(
            f"--on needs Ray, which is not installed here ({problem}): pip install 'emotion-streamer[ray]'"
        ) from problem


@contextmanager
def connected(ray: Ray, where: Where, workers: int | None) -> Iterator[None]:
    """Connect to a cluster, or begin a Ray of our own with a processor for each worker; leave or end it afterwards.

    Raises
    ------
    EngineError
        Ray does not answer, or is of another version.
    """
    if ray.is_initialized():
        raise EngineError("this process is connected to a Ray already; --on wants a connection of its own")
    before = signal.getsignal(signal.SIGTERM)
    with _own(workers) if not where.host else _theirs(where) as options, _quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            try:
                _begin(ray, options)
            except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as problem:
                raise EngineError(_unreached(where, problem)) from problem
            finally:
                with suppress(ValueError):  # not the main thread, where Ray sets none either
                    signal.signal(signal.SIGTERM, before)  # Ray's own would end this process at once
            yield
        finally:
            with suppress(ConnectionError):
                ray.shutdown()


def _begin(ray: Ray, options: dict[str, Any]) -> None:
    for left in reversed(range(_TRIES)):
        try:
            ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
        except ConnectionError as problem:
            # A head forks a process for each driver, now and then in vain (Ray 2.60.0, in a thread of gRPC's).
            if _IN_VAIN not in str(problem) or not left:
                raise
            ray.shutdown()
        else:
            return


@contextmanager
def _own(workers: int | None) -> Iterator[dict[str, Any]]:
    """Yield how a Ray of our own is begun: in a folder that is this user's alone and goes with it."""
    # Its sockets lie in that folder, and a socket's path may not be long; so not where a long TMPDIR points to.
    place = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 - a folder of mode 0700 is made in it
    with tempfile.TemporaryDirectory(prefix="ray-", dir=place, ignore_cleanup_errors=True) as folder:
        yield {
            "address": "local",
            "num_cpus": workers or cores(),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_temp_dir": folder,
        }


@contextmanager
def _theirs(where: Where) -> Iterator[dict[str, Any]]:
    """Yield how a cluster is connected to, once somebody listens there: Ray alone would try for half a minute."""
    try:
        socket.create_connection((where.host, where.port), timeout=_REACH_S).close()
    except OSError as problem:
        raise EngineError(
            f"nobody answers at {where.url} ({(problem.strerror or str(problem)).lower()}); is the head node up, and "
            f"does `ray start --head` there say a client port (--ray-client-server-port, usually {PORT})?"
        ) from problem
    yield {"address": where.url}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Ray logs in this process off the screen; what matters comes as an error."""
    logger, stream = logging.getLogger("ray"), logging.getLogger("ray.util.client.logsclient")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    stream.disabled = True  # it sets a level of its own
    try:
        yield
    finally:
        logger.setLevel(before)
        stream.disabled = False


def _unreached(where: Where, problem: Exception) -> str:
    """Return what is wrong with a Ray that could not be connected to, and what to do."""
    words = line(problem)
    if not where.host:
        return f"cannot begin a Ray on this machine: {words}"
    if "ersion" in words or "incompatible" in words:
        mine = f"Ray {sys.modules['ray'].__version__} and Python {'.'.join(map(str, sys.version_info[:3]))}"
        return f"the cluster at {where.url} is of other versions than this machine ({mine}): {words}; install the same"
    if _IN_VAIN in words:
        return (
            f"the cluster at {where.url} could not begin a session for this machine ({words}); its head may be busy: "
            "try again, and look at the ray_client_server logs there"
        )
    if isinstance(problem, ConnectionError):
        return (
            f"something listens at {where.url}, but no Ray let this machine in ({words}): is it the client port, and "
            "are RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH set where the cluster wants a token?"
        )
    return f"cannot connect to {where.url}: {words}"


def line(problem: BaseException) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(problem).split()) or type(problem).__name__
