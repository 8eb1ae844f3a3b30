"""What every answer says to the browser, and from which pages a browser may post.

No answer lets a page load anything from another host, run inline script, or be shown in a frame. This file must never
know what is answered.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SOFTPHONE = "/softphone/"

_OWN = "'self'"
_POLICY = {
    "default-src": "'none'",
    "script-src": _OWN,
    "style-src": _OWN,
    "img-src": f"{_OWN} data:",
    "font-src": _OWN,
    "connect-src": _OWN,
    "worker-src": _OWN,
    "manifest-src": _OWN,
    "media-src": f"{_OWN} blob:",
    "base-uri": "'none'",
    "form-action": _OWN,
    "frame-ancestors": "'none'",
}
_SOFTPHONE_POLICY = _POLICY | {"connect-src": f"{_OWN} ws: wss:"}
"""The softphone page streams to the server that the person names."""
_NOBODYS = "camera=(), geolocation=(), display-capture=(), usb=(), payment=(), microphone="
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def policy(path: str) -> dict[str, str]:
    """Return the headers that go with an answer from this path."""
    softphone = path.startswith(SOFTPHONE)
    rules = _SOFTPHONE_POLICY if softphone else _POLICY
    return _ALWAYS | {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "permissions-policy": f"{_NOBODYS}{'(self)' if softphone else '()'}",
    }


class SafeHeaders:
    """Puts :func:`policy` on every answer, refusals and errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in policy(scope["path"]).items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_safely)


def foreign(headers: Headers, *, behind_proxy: bool) -> str:
    """Return why a POST comes from somewhere else than our own page; empty where it does not.

    A browser says so in `Sec-Fetch-Site` and `Origin`; a program that sends neither carries no one else's cookie.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return f"the request comes from another site ({site[:20]})"
    origin = headers.get("origin")
    if origin is None:
        return ""
    ours = {headers.get("host", "")}
    if behind_proxy:
        ours |= set(headers.getlist("x-forwarded-host"))
    if urlsplit(origin).netloc not in ours - {""}:
        return f"the request comes from a page of {origin[:100]}, which is not this dashboard"
    return ""
