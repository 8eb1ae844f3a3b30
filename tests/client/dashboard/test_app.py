"""What the dashboard answers over HTTP: who comes in, what it refuses, and the stream of changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from streamer_client.broker import Broker
from streamer_client.dashboard import app as module
from streamer_client.dashboard.access import Served, Tokens
from streamer_client.dashboard.server import dashboard


@pytest_asyncio.fixture
async def alerted(mosquitto: Any, make: Any, desk: Any) -> AsyncIterator[Any]:
    """A dashboard that shows one open alert."""
    async with desk(mosquitto) as ada:
        await ada.say(make.alert())
        await ada.until(lambda seen: seen["alerts"])
        yield ada


CLOSED = ["/api/me", "/api/snapshot", "/api/stream", "/api/calls/default/CA1"]


@pytest.mark.parametrize("path", CLOSED)
async def test_nothing_is_shown_to_who_is_not_signed_in(mosquitto: Any, desk: Any, path: str) -> None:
    async with desk(mosquitto) as ada, httpx.AsyncClient(base_url=ada.running.url) as stranger:
        for cookies in ({}, {f"emotion_dashboard_{httpx.URL(ada.running.url).port}": "guessed"}):
            stranger.cookies = httpx.Cookies(cookies)
            answer = await stranger.get(path)
            assert answer.status_code == 401
            assert answer.json() == {"error": "sign in first", "name_needed": True}
            assert answer.headers["cache-control"] == "no-store"


async def test_the_cookie_is_for_this_site_only_and_for_no_script(mosquitto: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada:
        answer = await ada.http.post("/api/login", json={"token": "a-token-of-the-tests", "name": "Ada"})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie  # on loopback there is no TLS
        assert "a-token" not in cookie


async def test_a_long_session_outlasts_the_browser_and_the_usual_one_does_not(mosquitto: Any, desk: Any) -> None:
    for options, words in (({}, None), ({"session_s": 720 * 3600.0}, "Max-Age=2592000")):
        async with desk(mosquitto, **options) as ada:
            answer = await ada.http.post("/api/login", json={"token": "a-token-of-the-tests", "name": "Ada"})
            assert ("Max-Age" in answer.headers["set-cookie"]) is bool(words)
            assert (words or "") in answer.headers["set-cookie"]


async def test_after_logging_out_the_cookie_is_worth_nothing_and_open_streams_end(mosquitto: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada:
        cookies = dict(ada.http.cookies)
        stream = ada.stream((await ada.snapshot())["cursor"])
        await anext(stream)
        assert (await ada.http.post("/api/logout", json={})).status_code == 204
        await ada.say()
        ada.http.cookies = httpx.Cookies(cookies)
        assert (await ada.http.get("/api/me")).status_code == 401
        async with asyncio.timeout(60):
            assert [event async for _, event, _ in stream if event == "call"] == []


async def test_a_token_of_ones_own_says_who_one_is(mosquitto: Any, desk: Any) -> None:
    tokens = Tokens({"token-of-ada-000": "Ada", "token-of-ben-000": "Ben"})
    async with desk(mosquitto, tokens=tokens, token="token-of-ben-000", name="Ada") as ben:
        me = (await ben.http.get("/api/me")).json()
        assert me["name"] == "Ben"
        ben.http.cookies.clear()
        assert (await ben.http.get("/api/me")).json()["name_needed"] is False


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "Ada\nBen", "Ada\x07"])
async def test_with_a_shared_token_a_name_is_needed(mosquitto: Any, desk: Any, name: str) -> None:
    async with desk(mosquitto) as ada:
        answer = await ada.http.post("/api/login", json={"token": "a-token-of-the-tests", "name": name})
        assert answer.status_code == 401
        assert answer.json()["name_needed"] is True


async def test_who_guesses_has_to_wait_and_others_need_not(mosquitto: Any, desk: Any) -> None:
    async with desk(mosquitto, served=Served(port=0, behind_proxy=True)) as ada:
        codes = []
        for _ in range(12):
            answer = await ada.http.post(
                "/api/login",
                json={"token": "guess", "name": "Eve"},
                headers={"x-forwarded-for": "198.51.100.7, 203.0.113.9"},
            )
            codes.append(answer.status_code)
        assert codes == [401] * 10 + [429] * 2
        assert 1 <= int(answer.headers["retry-after"]) <= 6
        right = {"token": "a-token-of-the-tests", "name": "Eve"}
        wrong = right | {"token": "guess"}
        for address, code in (("203.0.113.9", 429), ("198.51.100.7", 401)):  # the last one is the proxy's own word
            answer = await ada.http.post("/api/login", json=wrong, headers={"x-forwarded-for": address})
            assert answer.status_code == code
        # Who is right comes in, whatever somebody else behind the same address tries.
        answer = await ada.http.post("/api/login", json=right, headers={"x-forwarded-for": "203.0.113.9"})
        assert answer.status_code == 200
        assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"sec-fetch-site": "same-origin"}, 404),
        ({}, 404),
    ],
)
async def test_no_page_of_another_site_can_post(mosquitto: Any, desk: Any, headers: Any, code: int) -> None:
    async with desk(mosquitto) as ada:
        sent = {"content-type": "application/json", **headers}
        for path in ("/api/alerts/none/acknowledge", "/api/login", "/api/logout"):
            answer = await ada.http.post(path, content=b"{}", headers=sent)
            if path.endswith("acknowledge") or code != 404:
                assert answer.status_code == code, path
        assert (await ada.http.get("/api/me")).status_code == (200 if code != 404 else 401)


async def test_our_own_page_can_post(mosquitto: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada:
        origin = ada.running.url.rstrip("/")
        answer = await ada.http.post("/api/alerts/none/acknowledge", json={}, headers={"origin": origin})
        assert answer.status_code == 404
        assert answer.json()["error"] == "this alert is not known (any more)"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", 400, "not understood"),
        (b'{"note":7}', 400, "not understood"),
        (b'{"note":"x","by":"somebody else"}', 400, "unknown field `by`"),
        (b'{"note":"' + b"x" * 20_000 + b'"}', 413, "at most 16384 bytes"),
        (b'{"note":"' + b"x" * 1001 + b'"}', 422, "note has 1001 characters; give 0 to 1000"),
    ],
)
async def test_a_request_that_cannot_be_right_is_refused_in_words(
    alerted: Any, body: bytes, code: int, words: str
) -> None:
    answer = await alerted.http.post(
        "/api/alerts/CA1-alert/acknowledge", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == code
    assert words in answer.json()["error"]


async def test_pages_come_with_strict_headers_and_are_asked_for_again_only_if_they_changed(
    mosquitto: Any, desk: Any
) -> None:
    async with desk(mosquitto) as ada:
        page = await ada.http.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        csp = page.headers["content-security-policy"]
        assert "default-src 'none'" in csp
        assert "script-src 'self';" in csp
        assert "connect-src 'self';" in csp
        assert "frame-ancestors 'none'" in csp
        assert "unsafe" not in csp
        assert "microphone=()" in page.headers["permissions-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        again = await ada.http.get("/", headers={"if-none-match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        softphone = await ada.http.get("/softphone/")
        assert "connect-src 'self' ws: wss:" in softphone.headers["content-security-policy"]
        assert "microphone=(self)" in softphone.headers["permissions-policy"]
        for path in ("/../pyproject.toml", "/%2e%2e/server.py", "/nowhere", "/softphone/../../x"):
            missing = await ada.http.get(path)
            assert missing.status_code == 404, path
            assert "content-security-policy" in missing.headers
        assert (await ada.http.get("/login")).status_code == 200
        assert (await ada.http.get("/livez")).text == "ok\n"
        assert (await ada.http.post("/livez")).status_code == 405


async def test_a_page_that_comes_back_hears_what_it_missed_and_no_more(mosquitto: Any, make: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada:
        first = await ada.snapshot()
        await ada.say(make.state(), make.utterance(1), make.utterance(2), make.state("CA2"))
        await ada.until(lambda seen: len(seen["calls"]) == 2)
        calls: dict[str, Any] = {}
        async with contextlib.aclosing(ada.stream(first["cursor"])) as stream:
            async for cursor, event, data in stream:
                if event == "call":
                    assert data["id"] not in calls, "the changes of one call are put together"
                    calls[data["id"]] = data
                    last = cursor
                if len(calls) == 2:
                    break
        assert len(calls["CA1"]["parties"][0]["trace"]) == 2
        await ada.say(make.state("CA3"))
        async with contextlib.aclosing(ada.stream(0, **{"last-event-id": last})) as stream:
            async for _, event, data in stream:
                if event == "call":
                    assert data["id"] == "CA3"
                    break


@pytest.mark.parametrize("cursor", [0, 9_000_000_000_000])
async def test_a_page_from_before_a_restart_is_told_to_begin_anew(mosquitto: Any, desk: Any, cursor: int) -> None:
    async with desk(mosquitto) as ada:
        events = [(event, data) async for _, event, data in ada.stream(cursor) if event]
        assert [event for event, _ in events] == ["reset"]
        assert events[0][1]["cursor"] <= (await ada.snapshot())["cursor"]
        assert (await ada.http.get("/api/stream?cursor=new")).status_code == 400


async def test_only_so_many_pages_can_be_open(mosquitto: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STREAMS", 1)
    async with desk(mosquitto) as ada, ada.http.stream("GET", "/api/stream") as open_one:
        await anext(open_one.aiter_bytes())
        refused = await ada.http.get("/api/stream")
        assert refused.status_code == 503
        assert "pages are open" in refused.json()["error"]


async def test_two_dashboards_of_one_machine_do_not_sign_each_other_out(mosquitto: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada, dashboard(served=Served(port=0), broker=Broker(mosquitto.url)) as other:
        ada.http.base_url = httpx.URL(other.url)
        token = other.link.partition("#token=")[2]
        await ada.http.post("/api/login", json={"token": token, "name": "Ada"})
        ada.http.base_url = httpx.URL(ada.running.url)
        assert (await ada.http.get("/api/me")).status_code == 200
