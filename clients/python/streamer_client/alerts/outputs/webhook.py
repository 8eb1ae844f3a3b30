"""Alerts by HTTP POST: the CloudEvent as it is, signed by Standard Webhooks, or a text as Slack and its like take it.

The address is the operator's alone: nothing of an event goes into it, no redirect is followed, the answer is neither
read nor shown, and addresses of the link alone (where clouds keep their machines' credentials) are refused. Tries
again are the service's work, not this file's. This file must never log an address's path: it may be a secret.
"""

from __future__ import annotations

import asyncio
import email.utils
import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import ModuleType
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.network import is_loopback, tls_context
from streamer_client.alerts.outputs.place import Place, Settings
from streamer_client.alerts.outputs.secret import Secret
from streamer_client.alerts.outputs.signature import headers, keys
from streamer_client.alerts.outputs.words import counted, how_to_take, one_line, safe_id
from streamer_client.alerts.tables import KeyProblem
from streamer_client.events import CONTENT_TYPE, AlertEvent, encode

if TYPE_CHECKING:
    import httpx

_RETRIED = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}  # 408, 425, 429
)
_LONGEST_WAIT_S = 3600.0
"""However long a receiver asks us to wait."""
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""All that Slack's texts give a meaning to; <!channel> in a call's id must not wake a company."""


class WebhookSettings(Settings, frozen=True, kw_only=True, tag="webhook"):
    """Keys of an output of kind ``webhook``."""

    name: str = "webhook"
    url: str = ""
    url_file: str = ""
    """File with the address, where the address itself is the secret, as Slack's are."""
    url_env: str = ""
    """Variable with the address."""
    secret_file: str = ""
    """File with the signing secret, ``whsec_...``; two lines = two signatures."""
    secret_env: str = ""
    """Variable with the signing secret."""
    format: Literal["cloudevent", "slack"] = "cloudevent"
    plain: bool = False
    """Allow http:// to other machines."""
    ca_file: str = ""
    """Certificate authority of the receiver, where the system does not know it."""
    timeout_s: float = 15.0
    """For the whole delivery."""


class Webhook(Place):
    """Posts each alert to one address.

    Parameters
    ----------
    settings : WebhookSettings
    environment : mapping
        Where the variables are looked up.
    now_s : callable
        The clock, in seconds since 1970 (UTC).

    Raises
    ------
    KeyProblem
        A key that cannot be right, or the package httpx is missing.
    """

    def __init__(
        self, settings: WebhookSettings, environment: Mapping[str, str], now_s: Callable[[], float] = time.time
    ) -> None:
        super().__init__(settings)
        self._settings = settings
        self._now_s = now_s
        self._httpx = _httpx()
        self._secret = _secret(settings.secret_file, settings.secret_env, environment, "secret", needed=False)
        self._url = None if settings.url else _secret(settings.url_file, settings.url_env, environment, "url")
        if settings.url and (settings.url_file or settings.url_env):
            raise KeyProblem("url", "give one of url, url_file and url_env")
        if settings.timeout_s <= 0:
            raise KeyProblem("timeout_s", f"got {settings.timeout_s:g}; give more than 0 seconds")
        for key, check in {"url": self._address, "secret": self._keys}.items():
            try:
                check()
            except OutputError as problem:
                given = (name for name in (key, f"{key}_file", f"{key}_env") if getattr(settings, name, ""))
                raise KeyProblem(next(given, key), str(problem)) from problem
        self._tls = tls_context(settings.ca_file)
        try:
            self._client(self._address()[0])  # a trial: a proxy that cannot be used is refused here, not at an alert
        except OutputError as problem:
            raise KeyProblem("url", str(problem)) from problem

    async def deliver(self, alert: AlertEvent) -> None:
        """Post one alert.

        Raises
        ------
        OutputError
            The receiver did not answer 2xx within the time. Worth another try: no connection, no answer, 408, 425,
            429 and 5xx.
        """
        url, place = self._address()
        body, content_type = self._body(alert)
        sent = headers(body, name=safe_id(alert), at_s=self._now_s(), keys=self._keys()) | {
            "content-type": content_type,
            "user-agent": "emotion-streamer",
        }
        httpx = self._httpx
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await _refuse_link_local(url)
                async with (
                    self._client(url) as client,
                    client.stream("POST", url.geturl(), content=body, headers=sent, follow_redirects=False) as answer,
                ):
                    self._judge(answer, place)
        except TimeoutError:
            raise OutputError(f"{place} did not answer within {self._settings.timeout_s:g} s", retry=True) from None
        except httpx.TransportError as problem:
            raise OutputError(f"cannot reach {place}: {_reason(problem)}", retry=True) from problem
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as problem:
            # Without words of its own: they may quote the address.
            raise OutputError(f"cannot post to {place} ({type(problem).__name__}); check url", retry=True) from problem

    def _client(self, url: SplitResult) -> httpx.AsyncClient:
        # No proxy of the environment stands between this machine and itself.
        by_proxy = not is_loopback(url.hostname or "")
        httpx = self._httpx
        try:
            # The time is that of the whole delivery: a receiver that drips byte by byte never meets one of httpx's.
            return httpx.AsyncClient(  # type: ignore[no-any-return]
                verify=self._tls, timeout=None, trust_env=by_proxy
            )
        except ImportError as problem:
            raise OutputError(
                "the environment names a SOCKS proxy (ALL_PROXY, HTTPS_PROXY), which needs a package more: "
                "pip install socksio, or name a proxy by http://",
                retry=True,
            ) from problem
        except (httpx.InvalidURL, ValueError) as problem:
            # Without its words: a proxy's address may hold a password.
            raise OutputError(
                "the environment names a proxy that is not understood; HTTPS_PROXY and ALL_PROXY are like "
                "http://host:port, NO_PROXY is a list of host names",
                retry=True,
            ) from problem

    def _judge(self, answer: httpx.Response, place: str) -> None:
        code = answer.status_code
        if answer.is_success:
            return
        said = f"{place} answered {code} {answer.reason_phrase}".rstrip()
        if code in _RETRIED or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            after_s = wait_s(answer.headers.get("retry-after", ""), self._now_s())
            raise OutputError(said, retry=True, after_s=after_s)
        if answer.is_redirect:
            raise OutputError(f"{said}, a redirect; none is followed: write the new address into url", retry=False)
        raise OutputError(f"{said}; check address and access", retry=False)

    def _body(self, alert: AlertEvent) -> tuple[bytes, str]:
        if self._settings.format == "slack":
            return msgspec.json.encode({"text": slack_text(alert)}), "application/json"
        return encode(alert), CONTENT_TYPE

    def _keys(self) -> tuple[bytes, ...]:
        return keys(self._secret.read()) if self._secret else ()

    def _address(self) -> tuple[SplitResult, str]:
        """Return the address, and what messages may say of it: no user, no path, no query."""
        text = self._settings.url or (self._url.read() if self._url else "")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
            (host or "").encode("idna")
            self._httpx.URL(text).host  # noqa: B018 - asked for what it refuses, here rather than on the way
        except (ValueError, self._httpx.InvalidURL):
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in {"http", "https"} or not host or not text.isascii() or not text.isprintable():
            raise OutputError(
                "the webhook's address is not understood; expected one like https://host/path", retry=True
            )
        if parts.username is not None:
            raise OutputError(
                "the webhook's address holds a user name; a receiver knows us by the signature, see secret_file",
                retry=True,
            )
        if parts.scheme == "http" and not self._settings.plain and not is_loopback(host):
            raise OutputError(
                f"{host} is another machine, and http:// shows alerts to everybody on the way; write https://, or set "
                "plain = true where the network is your own",
                retry=True,
            )
        shown = f"[{host}]" if ":" in host else host
        return parts, f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def slack_text(alert: AlertEvent) -> str:
    """Return an alert as Slack's incoming webhooks take a text: two lines and the command to acknowledge it."""
    data = alert.data
    marks = {"info": "\N{INFORMATION SOURCE}", "warning": "\N{WARNING SIGN}", "critical": "\N{LARGE RED CIRCLE}"}
    head = f"{marks[data.severity]} *{data.severity.upper()}* {one_line(data.rule)}"
    what = f"{one_line(data.message)}\nCall {one_line(data.call.id)}, {one_line(data.role)}, {counted(alert)}."
    return f"{head}: {what}\nTake it: {how_to_take(alert)}".translate(_SLACK_ESCAPES)


def wait_s(retry_after: str, now_s: float) -> float:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3): a number or a date; 0 if neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_WAIT_S)
    try:
        until_s = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except ValueError:
        return 0.0
    return min(max(until_s - now_s, 0.0), _LONGEST_WAIT_S)


async def _refuse_link_local(url: SplitResult) -> None:
    """Refuse a host that resolves to the link's own addresses, where clouds hand out credentials."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.hostname, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return  # a proxy may know it; where there is none, connecting says so
    for *_, address in found:
        # A scope (fe80::1%eth0) is no part of the address.
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            raise OutputError(f"{url.hostname} is at {ip}, where no receiver of alerts can be; check url", retry=False)


def _secret(
    file: str, variable: str, environment: Mapping[str, str], key: str, *, needed: bool = True
) -> Secret | None:
    if file and variable:
        raise KeyProblem(f"{key}_file", f"give one of {key}_file and {key}_env")
    if file or variable:
        return Secret(file, variable, environment)
    if needed:
        raise KeyProblem(key, f"is missing; give {key}, {key}_file or {key}_env")
    return None


def _reason(problem: Exception) -> str:
    words = str(problem).lower() or type(problem).__name__
    return words.partition(" (_ssl")[0]


def _httpx() -> ModuleType:
    try:
        import httpx  # noqa: PLC0415 - an extra: a reader of events need not have it
    except ImportError as problem:
        raise KeyProblem("kind", "a webhook needs httpx: pip install 'emotion-streamer-client[alerts]'") from problem
    return httpx
