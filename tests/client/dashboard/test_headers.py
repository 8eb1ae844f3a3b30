"""What answers say to the browser, and from where a browser may post."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from streamer_client.dashboard.headers import SafeHeaders, foreign, policy


@pytest.mark.parametrize("path", ["/", "/api/me", "/softphone", "/softphone/", "/tap/index.js"])
def test_no_answer_allows_inline_script_other_hosts_or_frames(path: str) -> None:
    headers = policy(path)
    csp = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert csp["default-src"] == csp["frame-ancestors"] == csp["base-uri"] == "'none'"
    assert csp["script-src"] == csp["style-src"] == "'self'"
    assert "http" not in headers["content-security-policy"]
    microphone = path.startswith("/softphone/")
    assert ("ws: wss:" in csp["connect-src"]) is microphone
    assert ("microphone=(self)" in headers["permissions-policy"]) is microphone


@pytest.mark.parametrize(
    ("headers", "behind_proxy", "ours"),
    [
        ({"host": "desk:8080", "origin": "http://desk:8080"}, False, True),
        ({"host": "desk:8080", "origin": "http://desk:9090"}, False, False),
        ({"host": "desk:8080", "origin": "http://evil.example"}, False, False),
        ({"host": "desk:8080", "origin": "null"}, False, False),
        ({"origin": "null"}, False, False),
        ({"host": "inside", "x-forwarded-host": "desk.example", "origin": "https://desk.example"}, True, True),
        ({"host": "inside", "x-forwarded-host": "desk.example", "origin": "https://desk.example"}, False, False),
        ({"host": "desk", "sec-fetch-site": "same-origin"}, False, True),
        ({"host": "desk", "sec-fetch-site": "none"}, False, True),
        ({"host": "desk", "sec-fetch-site": "cross-site", "origin": "http://desk"}, False, False),
        ({"host": "desk"}, False, True),
    ],
)
def test_only_a_page_of_ours_may_post(headers: dict[str, str], behind_proxy: bool, ours: bool) -> None:
    assert (foreign(Headers(headers), behind_proxy=behind_proxy) == "") is ours


async def test_what_is_no_request_passes_untouched_and_nothing_is_kept_unless_a_page_says_so() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"no-cache")]})
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        raise AssertionError("nobody asks")

    async def send(message: Message) -> None:
        sent.append(message)

    await SafeHeaders(app)({"type": "lifespan"}, receive, send)
    assert sent[0]["headers"] == [(b"cache-control", b"no-cache")]
    await SafeHeaders(app)({"type": "http", "path": "/"}, receive, send)
    kept, usual = (dict(message["headers"]) for message in sent[1:])
    assert kept[b"cache-control"] == b"no-cache"
    assert usual[b"cache-control"] == b"no-store"
    assert usual[b"x-frame-options"] == b"DENY"
