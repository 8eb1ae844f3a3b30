"""Runs the dashboard: port, broker, state and pages, until told to stop; then all of it ends within two seconds.

This file must never take a signal: who runs it decides when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from streamer_client.alerts.acknowledge import acknowledge
from streamer_client.broker import Broker
from streamer_client.dashboard.access import Served, Tokens, check_exposure, one_token
from streamer_client.dashboard.feed import Feed, filters_of, narrow
from streamer_client.dashboard.floor import Keep
from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.model import Model
from streamer_client.dashboard.pages import read_pages
from streamer_client.dashboard.sessions import LONGEST_S, Sessions
from streamer_client.dashboard.store import Store
from streamer_client.dashboard.times import midnight_s
from streamer_client.errors import BrokerError, ClientError, OptionError
from streamer_client.events import AcknowledgementEvent, AlertEvent

if TYPE_CHECKING:
    from streamer_client.dashboard.web import Web

SOURCE = "/dashboard"
TICK_S = 2.0
FLUSH_S = 0.5
_PUBLISH_WITHIN_S = 8.0
"""A person waits for it; the page gives up after 10 s."""


class Running(msgspec.Struct, frozen=True):
    """A dashboard that listens."""

    url: str
    """Where it is, as seen from this machine."""
    link: str
    """The same with the token, where it was made up for this run; else as `url`."""
    tasks: tuple[asyncio.Task[None], ...]
    """End only by an error."""

    async def wait(self) -> None:
        """Wait for an error, and raise it."""
        done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        raise ClientError("a part of the dashboard ended by itself")


@asynccontextmanager
async def dashboard(
    *,
    served: Served | None = None,
    broker: Broker | None = None,
    tenant: str = "+",
    base: str = "emotion",
    tokens: Tokens | None = None,
    state: Path | None = None,
    keep: Keep | None = None,
    session_s: float = LONGEST_S,
) -> AsyncIterator[Running]:
    """Serve the dashboard for as long as the context lasts.

    Parameters
    ----------
    served : Served, optional
        ``127.0.0.1:8080`` if not given.
    broker : Broker, optional
        ``mqtt://127.0.0.1:1883`` if not given.
    tenant : str
        Whose calls; ``+`` = all.
    base : str
        First levels of every topic, as configured in the server.
    tokens : Tokens, optional
        Whom to let in; a token is made up if not given.
    state : Path, optional
        The file that a restart goes on from; kept in memory only if not given.
    keep : Keep, optional
        How much, and for how long.
    session_s : float
        After so long, or half of that without use, who is signed in has to show the token again; above the default the
        browser keeps the cookie over its own end, too.

    Raises
    ------
    OptionError
        An argument that cannot be right.
    ClientError
        The port is taken, the state cannot be used, the broker does not let us in, or the package lacks its extra.
    """
    served, broker = served or Served(), broker or Broker()
    check_exposure(served)
    made_up = secrets.token_urlsafe(24)
    let_in = tokens or one_token(made_up)
    sessions = Sessions(let_in, session_s)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(_listen(served)))
        served = msgspec.structs.replace(served, port=listener.getsockname()[1])
        store = await Store.open(state) if state is not None else None
        hub = Hub(Model(keep), store, now_s=time.time, midnight_s=midnight_s, tenant=tenant)
        if store is not None:
            stack.push_async_callback(store.close)
            sessions.load(await store.sessions(), time.time())
        stack.push_async_callback(_write, hub, sessions, store)
        await hub.load()
        web = _web(hub, let_in, sessions, served, broker, tenant=tenant, base=base)
        if store is not None:
            await narrow(broker, store, filters_of(tenant, base))
        client_id = store.client_id if store is not None else ""
        feed = await stack.enter_async_context(Feed(hub, broker, tenant=tenant, base=base, client_id=client_id))
        tasks = (
            asyncio.create_task(web.serve(sockets=[listener]), name="dashboard pages"),
            asyncio.create_task(feed.run(), name="dashboard events"),
            asyncio.create_task(_tick(hub, sessions), name="dashboard tick"),
            asyncio.create_task(_flush(hub, sessions, store), name="dashboard state"),
        )
        try:
            url = _url(served)
            yield Running(url, url if tokens is not None else f"{url}#token={made_up}", tasks)
        finally:
            hub.close()
            web.should_exit = True
            await asyncio.wait(tasks[:1])
            for task in tasks[1:]:
                task.cancel()
            await asyncio.wait(tasks)


def _web(
    hub: Hub, tokens: Tokens, sessions: Sessions, served: Served, broker: Broker, *, tenant: str, base: str
) -> Web:
    """Return the HTTP server; what it stands on is an extra, so it is imported here."""
    try:
        from streamer_client.dashboard.app import Dashboard  # noqa: PLC0415
        from streamer_client.dashboard.web import make_web  # noqa: PLC0415
    except ImportError as problem:
        raise ClientError(
            f"the dashboard needs the package {problem.name}; pip install 'emotion-streamer-client[dashboard]'"
        ) from problem

    async def publish(alert: AlertEvent, by: str, note: str) -> AcknowledgementEvent:
        try:
            async with asyncio.timeout(_PUBLISH_WITHIN_S):
                return await acknowledge(broker, alert, by=by, note=note, base=base, source=SOURCE)
        except TimeoutError:
            raise BrokerError(f"no answer from the MQTT broker at {broker.address}; try again") from None

    answers = Dashboard(
        hub,
        read_pages(),
        tokens,
        sessions,
        publish,
        served=served,
        tenant=tenant,
        now_s=time.time,
        monotonic_s=time.monotonic,
    )
    return make_web(answers.app(), served)


async def _tick(hub: Hub, sessions: Sessions) -> None:
    while True:
        hub.tick()
        sessions.expire(time.time())
        await asyncio.sleep(TICK_S)


async def _flush(hub: Hub, sessions: Sessions, store: Store | None) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        await asyncio.shield(_write(hub, sessions, store))


async def _write(hub: Hub, sessions: Sessions, store: Store | None) -> None:
    if store is not None:
        for digest in sessions.changed:
            store.session(digest, sessions.kept(digest))
    sessions.changed.clear()
    await hub.flush()


def _listen(served: Served) -> socket.socket:
    """Return a socket that is bound; the first error is the user's."""
    host, port = served.host, served.port
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError, OverflowError) as problem:
        raise OptionError(f"cannot listen on {host}:{port}: {problem}; give an address of this machine") from problem
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except (OSError, OverflowError) as problem:
        listener.close()
        number = getattr(problem, "errno", None)
        if number == errno.EADDRINUSE:
            raise ClientError(
                f"port {port} of {host} is taken, by another dashboard or another program; choose another with --port"
            ) from problem
        reason = getattr(problem, "strerror", None) or problem
        raise ClientError(
            f"cannot listen on {host}:{port}: {reason}; choose others with --host and --port"
        ) from problem
    listener.setblocking(False)  # noqa: FBT003 - as in the standard library
    return listener


def _url(served: Served) -> str:
    """Return where a browser of this machine finds it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(served.host)  # noqa: S104 - to be reached, not bound
    host = host or (f"[{served.host}]" if ":" in served.host else served.host)
    return f"{'https' if served.tls_cert_file else 'http'}://{host}:{served.port}/"
