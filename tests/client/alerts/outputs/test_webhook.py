"""Webhooks towards a real HTTP server on this machine, well-behaved and not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs import webhook
from streamer_client.alerts.outputs.webhook import Webhook, WebhookSettings, slack_text, wait_s
from streamer_client.alerts.tables import KeyProblem
from streamer_client.events import AlertEvent, CallRef, decode

from tests.certificates import authority, signed

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW_S = 1_795_342_504.9


def hook(url: str, environment: dict[str, str] | None = None, **keys: Any) -> Webhook:
    return Webhook(WebhookSettings(url=url, **keys), environment or {}, lambda: NOW_S)


async def refused(output: Webhook, alert: AlertEvent) -> OutputError:
    with pytest.raises(OutputError) as caught:
        await output.deliver(alert)
    return caught.value


async def test_an_alert_arrives_as_the_cloudevent_it_is_and_signed(receiving: Any, make: Any) -> None:
    async with receiving() as receiver:
        await hook(receiver.url(), {"KEY": SECRET}, secret_env="KEY").send(make.alert())
    (request,) = receiver.requests
    assert request.line == "POST /hook HTTP/1.1"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert decode(request.body) == make.alert()
    name, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert (name, at) == ("CA1-alert", "1795342504")
    digest = hmac.digest(KEY, f"{name}.{at}.".encode() + request.body, hashlib.sha256)
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


async def test_every_try_has_the_same_id(receiving: Any, make: Any) -> None:
    async with receiving() as receiver:
        receiver.answers = [b"HTTP/1.1 500 Oops\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
        problem = await refused(hook(receiver.url()), make.alert())
        await hook(receiver.url()).deliver(make.alert())
    assert problem.retry
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


async def test_a_text_for_slack_says_what_happened_and_how_to_take_it(receiving: Any, make: Any) -> None:
    async with receiving() as receiver:
        await hook(receiver.url(), format="slack").deliver(make.alert())
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/json"
    text = json.loads(request.body)["text"]
    assert "*CRITICAL* angry-customer: Listen in.\nCall CA1, customer, 2 utterances." in text
    assert "streamer acknowledge CA1-alert --call CA1 --by YOUR-NAME" in text


@given(st.text(max_size=40))
def test_nothing_in_an_event_can_call_a_channel_or_break_out_of_a_line(make: Any, text: str) -> None:
    alert = make.alert(call=text)
    said = slack_text(alert)
    assert "<" not in said
    assert ">" not in said
    assert said.count("\n") == 2


@pytest.mark.parametrize("status", ["408 x", "425 x", "429 x", "500 x", "502 x", "503 x", "504 x", "599 x"])
async def test_trouble_that_passes_is_worth_another_try(receiving: Any, make: Any, status: str) -> None:
    async with receiving() as receiver:
        receiver.answers = [f"HTTP/1.1 {status}\r\nRetry-After: 120\r\n\r\n".encode()]
        problem = await refused(hook(receiver.url()), make.alert())
    assert (problem.retry, problem.after_s) == (True, 120)
    assert status[:3] in str(problem)


@pytest.mark.parametrize("status", ["400 Bad Request", "401 No", "403 No", "404 Not Found", "410 Gone", "422 No"])
async def test_what_will_be_refused_again_is_not_tried_again(receiving: Any, make: Any, status: str) -> None:
    async with receiving() as receiver:
        receiver.answers = [f"HTTP/1.1 {status}\r\n\r\n".encode()]
        problem = await refused(hook(receiver.url("/secret-path")), make.alert())
    assert not problem.retry
    assert f"answered {status}; check address and access" in str(problem)
    assert "secret-path" not in str(problem)


async def test_a_redirect_is_not_followed(receiving: Any, make: Any) -> None:
    async with receiving() as receiver, receiving() as elsewhere:
        receiver.answers = [f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url()}\r\n\r\n".encode()]
        problem = await refused(hook(receiver.url()), make.alert())
    assert not problem.retry
    assert "none is followed: write the new address into url" in str(problem)
    assert elsewhere.requests == []


async def test_a_receiver_that_hangs_is_given_up_in_time(receiving: Any, make: Any) -> None:
    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()  # ends when the other side hangs up

    async with receiving() as receiver:
        receiver.answers = [hang]
        problem = await refused(hook(receiver.url(), timeout_s=0.3), make.alert())
    assert problem.retry
    assert "did not answer within 0.3 s" in str(problem)


async def test_a_receiver_that_drips_is_given_up_in_time(receiving: Any, make: Any) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with receiving() as receiver:
        receiver.answers = [drip]
        problem = await refused(hook(receiver.url(), timeout_s=0.3), make.alert())
    assert "did not answer within" in str(problem)


async def test_gigabytes_for_an_answer_are_not_read(receiving: Any, make: Any) -> None:
    sent = 0

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:  # until the other side hangs up
            writer.write(bytes(1_000_000))
            await writer.drain()
            sent += 1_000_000

    async with receiving() as receiver:
        receiver.answers = [pour]
        await hook(receiver.url()).deliver(make.alert())
    assert sent < 100_000_000


async def test_a_reset_connection_is_worth_another_try(receiving: Any, make: Any) -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with receiving() as receiver:
        receiver.answers = [reset]
        problem = await refused(hook(receiver.url()), make.alert())
    assert problem.retry
    assert f"cannot reach http://127.0.0.1:{receiver.port}: " in str(problem)


async def test_nonsense_for_an_answer_is_worth_another_try(receiving: Any, make: Any) -> None:
    async with receiving() as receiver:
        receiver.answers = [b"220 mail.example ESMTP\r\n"]
        assert (await refused(hook(receiver.url()), make.alert())).retry


async def test_nobody_there_is_worth_another_try(make: Any) -> None:
    problem = await refused(hook("http://127.0.0.1:1/x"), make.alert())
    assert problem.retry
    assert str(problem).startswith("cannot reach http://127.0.0.1:1: ")


async def test_a_cancelled_delivery_ends_at_once(receiving: Any, make: Any) -> None:
    begun = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()

    async with receiving() as receiver:
        receiver.answers = [hang]
        delivery = asyncio.create_task(hook(receiver.url()).deliver(make.alert()))
        await begun.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery


async def test_a_receiver_with_a_certificate_of_its_own_authority(receiving: Any, make: Any, tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    pair = signed(ours, tmp_path, "receiver")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    async with receiving(context) as receiver:
        await hook(receiver.url(scheme="https"), ca_file=str(ours.cert)).deliver(make.alert())
        problem = await refused(hook(receiver.url(scheme="https")), make.alert())
    assert len(receiver.requests) == 1
    assert problem.retry
    assert "certificate" in str(problem)


async def test_a_host_at_the_clouds_credentials_is_refused(make: Any) -> None:
    problem = await refused(hook("http://169.254.169.254/latest", plain=True), make.alert())
    assert not problem.retry
    assert "where no receiver of alerts can be" in str(problem)


async def test_an_address_that_is_a_secret_is_read_from_a_file_each_time(
    receiving: Any, make: Any, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        file = tmp_path / "address"
        file.write_text(receiver.url("/one") + "\n")
        output = Webhook(WebhookSettings(url_file=str(file)), {})
        await output.deliver(make.alert())
        file.write_text(receiver.url("/two"))
        await output.deliver(make.alert())
        file.unlink()
        problem = await refused(output, make.alert())
    assert [request.line.split()[1] for request in receiver.requests] == ["/one", "/two"]
    assert problem.retry


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({}, "url", "is missing; give url, url_file or url_env"),
        ({"url": "https://h", "url_env": "U"}, "url", "give one of"),
        ({"url_file": "a", "url_env": "U"}, "url_file", "give one of"),
        ({"url": "http://receiver.example/x"}, "url", "another machine.*write https://, or set plain = true"),
        ({"url": "ftp://receiver.example"}, "url", "not understood; expected one like https://host/path"),
        ({"url": "https://"}, "url", "not understood"),
        ({"url": "https://host:99999/"}, "url", "not understood"),
        ({"url": "https://host/a b\n"}, "url", "not understood"),
        ({"url": "https://me:pass@host/"}, "url", "holds a user name"),
        ({"url_env": "NOWHERE"}, "url_env", "the variable NOWHERE is empty or not set"),
        ({"url": "https://h", "secret_env": "WEAK"}, "secret_env", "24 to 64 bytes"),
        ({"url": "https://h", "secret_file": "nowhere"}, "secret_file", "cannot read nowhere"),
        ({"url": "https://h", "secret_file": "a", "secret_env": "b"}, "secret_file", "give one of"),
        ({"url": "https://h", "timeout_s": 0}, "timeout_s", "more than 0"),
        ({"url": "https://h", "ca_file": "nowhere"}, "ca_file", "there is no file nowhere"),
        ({"url": "https://h", "ca_file": __file__}, "ca_file", "cannot read a certificate"),
    ],
)
def test_what_cannot_be_right_is_refused_at_load_with_its_key(keys: Any, key: str, words: str) -> None:
    with pytest.raises(KeyProblem, match=words) as caught:
        Webhook(WebhookSettings(**keys), {"WEAK": "whsec_c2hvcnQ="})
    assert caught.value.key == key
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.0.0.2/", "http://[::1]:8/", "https://h.example/"])
def test_this_machine_and_tls_need_no_leave(url: str) -> None:
    assert hook(url).name == "webhook"


def test_plain_http_to_another_machine_can_be_allowed() -> None:
    assert hook("http://receiver.example/", plain=True, name="crm").name == "crm"


def test_without_httpx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(KeyProblem, match=r"pip install 'emotion-streamer-client\[alerts\]'"):
        hook("https://h")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("999999999999", 3600),
        ("Sun, 22 Nov 2026 10:15:34 GMT", 30),
        ("Sun, 22 Nov 2020 10:15:34 GMT", 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("٣", 0),
    ],
)
def test_a_receiver_may_ask_for_time(header: str, seconds: float) -> None:
    assert wait_s(header, 1_795_342_504.0) == pytest.approx(seconds)


@given(st.text(max_size=30))
def test_no_retry_after_raises_or_waits_for_ever(header: str) -> None:
    assert 0 <= wait_s(header, NOW_S) <= 3600


async def test_an_id_that_is_none_of_ours_cannot_break_a_header(receiving: Any, make: Any) -> None:
    alert = AlertEvent(id="a.b\r\nx-evil: 1", source="/x", subject="s", time="t", data=make.alert().data)
    async with receiving() as receiver:
        await hook(receiver.url()).deliver(alert)
    (request,) = receiver.requests
    assert "x-evil" not in request.headers
    assert request.headers["webhook-id"].isalnum()


def test_an_alert_of_another_tenant_says_so_in_its_command(make: Any) -> None:
    data = make.alert().data
    moved = type(data)(
        call=CallRef(id="CA1", tenant="acme"),
        **{name: getattr(data, name) for name in ("rule", "severity", "role", "message", "utterances")},
    )
    alert = AlertEvent(id="x", source="/x", subject="s", time="t", data=moved)
    assert "--tenant acme --by" in slack_text(alert)
    assert webhook.how_to_take(alert).startswith("streamer acknowledge x --call CA1 ")


@pytest.mark.parametrize(
    "url",
    ["https://a..b/x", f"https://{'a' * 70}.example/x", "https://xn--a/", f"https://h/{'a' * 70_000}"],
)
def test_an_address_that_no_request_can_be_made_of_is_refused_at_load(url: str) -> None:
    with pytest.raises(KeyProblem, match="the webhook's address is not understood") as caught:
        hook(url)
    assert caught.value.key == "url"


@pytest.mark.parametrize(
    ("variable", "proxy", "words"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1", "names a SOCKS proxy"),
        ("HTTPS_PROXY", "foo://user:hidden@x", "names a proxy that is not understood"),
        ("HTTPS_PROXY", "http://x:hidden", "names a proxy that is not understood"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_refused_at_load_and_later_worth_another_try(
    make: Any, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, words: str
) -> None:
    async def nowhere(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    if proxy.startswith("socks5"):
        monkeypatch.setitem(sys.modules, "socksio", None)
    output = hook("https://receiver.example/x")
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(KeyProblem, match=words):
        hook("https://receiver.example/x")
    problem = await refused(output, make.alert())
    assert problem.retry
    assert words in str(problem)
    assert "hidden" not in str(problem)


async def test_what_nobody_foresaw_is_worth_another_try_and_shows_no_path(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(*_: object, **__: object) -> None:
        raise UnicodeError("https://receiver.example/secret-path")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", odd)
    problem = await refused(hook("https://receiver.example/secret-path"), make.alert())
    assert problem.retry
    assert str(problem) == "cannot post to https://receiver.example (UnicodeError); check url"
