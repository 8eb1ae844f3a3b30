"""The dashboard over HTTP: pages, sign-in, snapshot, stream, acknowledgement. See :mod:`.api` for what is said.

Everything but the pages and the sign-in needs a session. This file must never answer with more than the model knows,
and never log a token, a name or a note.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from streamer_client import __version__
from streamer_client.dashboard.access import Served, Throttle, Tokens, clean_name
from streamer_client.dashboard.api import Acknowledge, Conflict, Login, Me, Refusal
from streamer_client.dashboard.headers import SafeHeaders, foreign
from streamer_client.dashboard.hub import Hub
from streamer_client.dashboard.pages import Page
from streamer_client.dashboard.sessions import LONGEST_S, Sessions
from streamer_client.dashboard.stream import HEARTBEAT_S, news
from streamer_client.errors import BrokerError, OptionError
from streamer_client.events import AcknowledgementEvent, AlertEvent

MOST_STREAMS = 500
"""Pages that are open at once; a page has one stream."""
_LARGEST_BODY_BYTES = 16_384
_COOKIE = "emotion_dashboard"
_JSON = "application/json"
T = TypeVar("T")

Publish = Callable[[AlertEvent, str, str], Awaitable[AcknowledgementEvent]]
"""Takes an alert, who acknowledges it and the note; returns when the broker has it."""


class _RefusedError(Exception):
    def __init__(
        self,
        status: int,
        error: str,
        *,
        name_needed: bool = False,
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.refusal = Refusal(error, name_needed)
        self.retry_after_s = retry_after_s


class Dashboard:
    """The answers.

    Parameters
    ----------
    hub : Hub
    pages : dict of str to Page
    tokens : Tokens
    sessions : Sessions
    publish : callable
        See :data:`Publish`.
    served : Served
    tenant : str
        Whose calls are shown.
    now_s : callable
        The clock, seconds since 1970: sessions outlast a restart.
    monotonic_s : callable
        A clock that nobody sets, in seconds: how long somebody has to wait.
    heartbeat_s : float
        See :func:`streamer_client.dashboard.stream.news`.
    """

    def __init__(
        self,
        hub: Hub,
        pages: dict[str, Page],
        tokens: Tokens,
        sessions: Sessions,
        publish: Publish,
        *,
        served: Served,
        tenant: str,
        now_s: Callable[[], float],
        monotonic_s: Callable[[], float],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._hub = hub
        self._pages = pages
        self._tokens = tokens
        self._publish = publish
        self._served = served
        self._tenant = tenant
        self._now_s = now_s
        self._monotonic_s = monotonic_s
        self._heartbeat_s = heartbeat_s
        self._sessions = sessions
        self._throttle = Throttle()
        self._acknowledging: dict[str, asyncio.Lock] = {}
        self._streams = 0
        # Cookies know no ports: two dashboards on one machine must not sign each other out.
        self._cookie = f"{_COOKIE}_{served.port}"

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/livez", self._livez, methods=["GET"]),
                Route("/api/me", self._me, methods=["GET"]),
                Route("/api/login", self._login, methods=["POST"]),
                Route("/api/logout", self._logout, methods=["POST"]),
                Route("/api/snapshot", self._snapshot, methods=["GET"]),
                Route("/api/stream", self._stream, methods=["GET"]),
                Route("/api/calls/{tenant}/{call}", self._call, methods=["GET"]),
                Route("/api/alerts/{alert:path}/acknowledge", self._acknowledge, methods=["POST"]),
                Route("/{path:path}", self._page, methods=["GET"]),
            ],
            middleware=[Middleware(SafeHeaders)],
            exception_handlers={
                _RefusedError: _refused,
                HTTPException: _http_error,
                ClientDisconnect: _left,
            },
        )

    async def _livez(self, _request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def _page(self, request: Request) -> Response:
        page = self._pages.get(request.url.path)
        if page is None:
            raise _RefusedError(404, f"there is no page {request.url.path[:100]}")
        headers = {"etag": page.etag, "cache-control": "no-cache"}  # an update must show at once
        if page.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(page.body, headers=headers | {"content-type": page.content_type})

    async def _me(self, request: Request) -> Response:
        return _answer(self._me_of(self._name(request)))

    async def _login(self, request: Request) -> Response:
        self._own_page(request)
        asked = await _body(request, Login)
        name = self._tokens.owner(asked.token)
        if name is None:
            # Only who is wrong has to wait: behind one address there may be a whole floor.
            address = self._address(request)
            wait_s = self._throttle.wait_s(address, self._monotonic_s())
            if wait_s:
                raise _RefusedError(
                    429, f"too many wrong tokens from this address; try again in {wait_s} s", retry_after_s=wait_s
                )
            self._throttle.failed(address, self._monotonic_s())
            raise _RefusedError(401, "this token is not right", name_needed=self._tokens.shared)
        if not name:
            name, problem = clean_name(asked.name)
            if problem:
                raise _RefusedError(401, problem, name_needed=True)
        secret = self._sessions.begin(asked.token, name, self._now_s())
        response = _answer(self._me_of(name))
        longest_s = self._sessions.longest_s
        response.set_cookie(
            self._cookie,
            secret,
            # Whoever asked for longer sessions has a screen in mind that is switched off at night.
            max_age=int(longest_s) if longest_s > LONGEST_S else None,
            httponly=True,
            samesite="strict",
            secure=self._served.secure,
            path="/",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        self._own_page(request)
        self._sessions.end(request.cookies.get(self._cookie, ""))
        self._hub.wake()  # pages of this session end now, not when something happens
        response = Response(status_code=204, headers={"clear-site-data": '"cache"'})
        response.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=self._served.secure, path="/")
        return response

    async def _snapshot(self, request: Request) -> Response:
        self._name(request)
        return _answer(self._hub.snapshot())

    async def _call(self, request: Request) -> Response:
        self._name(request)
        tenant, call = request.path_params["tenant"], request.path_params["call"]
        detail = self._hub.detail((tenant, call))
        if detail is None:
            raise _RefusedError(404, f"nothing is known (any more) of the call {call[:100]}")
        return _answer(detail)

    async def _stream(self, request: Request) -> Response:
        self._name(request)
        if self._streams >= MOST_STREAMS:
            raise _RefusedError(503, f"{MOST_STREAMS} pages are open; close some", retry_after_s=10)
        said = request.headers.get("last-event-id") or request.query_params.get("cursor") or str(self._hub.cursor)
        try:
            cursor = int(said)
        except ValueError:
            raise _RefusedError(400, "the cursor is no number; take the one of the snapshot") from None
        secret = request.cookies.get(self._cookie, "")
        return StreamingResponse(
            self._counted(
                news(
                    self._hub,
                    cursor,
                    still_in=lambda: self._sessions.name(secret, self._now_s()) is not None,
                    heartbeat_s=self._heartbeat_s,
                )
            ),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _counted(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            async for one in messages:
                yield one
        finally:
            self._streams -= 1

    async def _acknowledge(self, request: Request) -> Response:
        self._own_page(request)
        name = self._name(request)
        asked = await _body(request, Acknowledge)
        alert = request.path_params["alert"]
        lock = self._acknowledging.setdefault(alert, asyncio.Lock())
        try:
            async with lock:
                return await self._take_care(alert, name, asked.note)
        finally:
            if not lock.locked():
                self._acknowledging.pop(alert, None)

    async def _take_care(self, alert: str, name: str, note: str) -> Response:
        event, shown = self._hub.model.picture.alert_event(alert), self._hub.model.picture.alert(alert)
        if event is None or shown is None:
            raise _RefusedError(404, "this alert is not known (any more)")
        if shown.acknowledged is None:
            try:
                self._hub.receive(await self._publish(event, name, note))
            except OptionError as problem:
                raise _RefusedError(422, str(problem)) from problem
            except BrokerError as problem:
                raise _RefusedError(503, f"not acknowledged: {problem}", retry_after_s=5) from problem
            shown = self._hub.model.picture.alert(alert) or shown
        taken = shown.acknowledged
        if taken is not None and taken.by != name:
            return _answer(Conflict(f"{taken.by} has acknowledged this alert already", taken), 409)
        return _answer(shown)

    def _me_of(self, name: str) -> Me:
        return Me(name=name, tenant=self._tenant, version=__version__)

    def _name(self, request: Request) -> str:
        """Return who asks."""
        name = self._sessions.name(request.cookies.get(self._cookie, ""), self._now_s())
        if name is None:
            raise _RefusedError(401, "sign in first", name_needed=self._tokens.shared)
        return name

    def _own_page(self, request: Request) -> None:
        """Refuse what no page of ours would send."""
        problem = foreign(request.headers, behind_proxy=self._served.behind_proxy)
        if problem:
            raise _RefusedError(403, problem)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            raise _RefusedError(415, f"send JSON (Content-Type: {_JSON})")

    def _address(self, request: Request) -> str:
        if self._served.behind_proxy:
            # The last one is what our own proxy has seen; those before it anybody can make up.
            said = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
            if said:
                return said
        return request.client.host if request.client is not None else ""


async def _body(request: Request, kind: type[T]) -> T:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY_BYTES:
            raise _RefusedError(413, f"send at most {_LARGEST_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as problem:
        raise _RefusedError(400, f"the request is not understood: {problem}") from problem


def _answer(value: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type=_JSON)


async def _refused(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, _RefusedError)  # noqa: S101 - registered for no other
    after = {"retry-after": str(problem.retry_after_s)} if problem.retry_after_s else None
    return _answer(problem.refusal, problem.status, after)


async def _http_error(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101 - registered for no other
    return _answer(Refusal(problem.detail), problem.status_code, dict(problem.headers or {}))


async def _left(_request: Request, _problem: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it
