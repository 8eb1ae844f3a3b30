"""Alerts by e-mail, over TLS, as plain text that a supervisor can act on.

The Message-ID derives from the alert's id, so that a mail that comes twice is seen to be one. What an event carries
stands in the body and, as one line, in the subject; no header takes anything else from it. This file must never try
again, and never put an address or a password into a message of its own.
"""

from __future__ import annotations

import asyncio
import email.policy
import email.utils
import logging
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Literal

from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.network import is_loopback, tls_context
from streamer_client.alerts.outputs.place import Place, Settings
from streamer_client.alerts.outputs.secret import Secret
from streamer_client.alerts.outputs.words import counted, how_to_take, one_line, safe_id
from streamer_client.alerts.tables import KeyProblem
from streamer_client.events import AlertEvent

log = logging.getLogger(__name__)

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}
_READY = 220
_PERMANENT = 500
_AUTHENTICATION = frozenset({530, 534, 535, 538})
"""What a server says to a wrong password: for ever in its words, until somebody mends the file in ours."""


class MailSettings(Settings, frozen=True, kw_only=True, tag="mail", rename={"from_": "from"}):
    """Keys of an output of kind ``mail``."""

    name: str = "mail"
    host: str
    port: int = 0
    """0 = 587 with STARTTLS, 465 with implicit TLS, 25 without any."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """``none`` is for this machine only."""
    from_: str
    to: tuple[str, ...]
    user: str = ""
    password_file: str = ""
    password_env: str = ""
    ca_file: str = ""
    """Certificate authority of the server, where the system does not know it."""
    timeout_s: float = 30.0
    """For the whole delivery."""


class Mail(Place):
    """Sends each alert as one mail to all recipients.

    Parameters
    ----------
    settings : MailSettings
    environment : mapping
        Where the variable of the password is looked up.
    now_s : callable
        The clock, in seconds since 1970 (UTC).

    Raises
    ------
    KeyProblem
        A key that cannot be right.
    """

    def __init__(
        self, settings: MailSettings, environment: Mapping[str, str], now_s: Callable[[], float] = time.time
    ) -> None:
        super().__init__(settings)
        self._settings = settings
        self._now_s = now_s
        self._from = _address("from", settings.from_)
        self._to = tuple(_address("to", text) for text in settings.to)
        if not self._to:
            raise KeyProblem("to", "name at least one recipient")
        if not _is_name(settings.host):
            raise KeyProblem("host", f"got {settings.host!r}; expected the mail server's name, like mail.example.org")
        if not 0 <= settings.port <= 65535:
            raise KeyProblem("port", f"got {settings.port}; give 1 to 65535")
        if settings.timeout_s <= 0:
            raise KeyProblem("timeout_s", f"got {settings.timeout_s:g}; give more than 0 seconds")
        if settings.tls == "none" and not is_loopback(settings.host):
            raise KeyProblem("tls", f"{settings.host} is another machine; alerts travel to it by starttls or implicit")
        self._password = _password(settings, environment)
        self._place = f"{settings.host}:{settings.port or _PORTS[settings.tls]}"
        self._tls = tls_context(settings.ca_file)

    async def deliver(self, alert: AlertEvent) -> None:
        """Send one mail.

        Raises
        ------
        OutputError
            No server took it. Worth another try but for a server that refuses it for good (5xx).
        """
        letter = self.compose(alert)
        password = self._password.read() if self._password else ""
        session = self._session()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                refused = await asyncio.to_thread(self._converse, session, letter, password)
        except TimeoutError:
            raise OutputError(
                f"the mail server {self._place} did not take the mail within {self._settings.timeout_s:g} s", retry=True
            ) from None
        except smtplib.SMTPResponseException as problem:
            raise self._explain(problem.smtp_code, problem.smtp_error) from problem
        except smtplib.SMTPRecipientsRefused as problem:
            codes = [code for code, _ in problem.recipients.values()]
            for_good = all(code >= _PERMANENT for code in codes)
            raise OutputError(
                f"the mail server {self._place} takes none of the recipients ({codes[0]}); check to",
                retry=not for_good,
            ) from problem
        except ssl.SSLError as problem:
            why = getattr(problem, "verify_message", "") or problem.reason or "no TLS there"
            raise OutputError(
                f"no secure connection to the mail server {self._place}: {str(why).lower()}; check tls, port, ca_file",
                retry=True,
            ) from problem
        except (OSError, smtplib.SMTPException) as problem:
            # SMTPException is an OSError without a number; both say why in words of their own.
            words = (getattr(problem, "strerror", None) or str(problem) or type(problem).__name__).lower().rstrip(".")
            raise OutputError(
                f"the mail server {self._place}: {words}; check host, port and tls", retry=True
            ) from problem
        except ValueError as problem:
            # A password that is not ASCII, above all. Without its own words: they may quote it.
            raise OutputError(
                f"the mail server {self._place} cannot be given what is configured ({type(problem).__name__}); check "
                "host, user and the password's characters",
                retry=True,
            ) from problem
        finally:
            _hang_up(session)
        if refused:
            log.warning("mail server %s refused %d of %d recipients", self._place, len(refused), len(self._to))

    def compose(self, alert: AlertEvent) -> EmailMessage:
        """Return the mail about an alert."""
        data = alert.data
        letter = EmailMessage(policy=email.policy.SMTP)
        letter["Subject"] = f"{data.severity.upper()}: {one_line(data.rule)}, call {one_line(data.call.id)}"
        letter["From"] = self._from
        letter["To"] = self._to
        letter["Date"] = email.utils.format_datetime(datetime.fromtimestamp(self._now_s(), UTC))
        letter["Message-ID"] = f"<{safe_id(alert)}@{self._from.domain}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        letter.set_content(body(alert))
        return letter

    def _session(self) -> smtplib.SMTP:
        # Given, because smtplib would ask the name service, and keep the event loop waiting for its answer.
        here = socket.gethostname()
        name = here if "." in here else "[127.0.0.1]"
        timeout_s = self._settings.timeout_s
        if self._settings.tls == "implicit":
            session: smtplib.SMTP = smtplib.SMTP_SSL(local_hostname=name, timeout=timeout_s, context=self._tls)
        else:
            session = smtplib.SMTP(local_hostname=name, timeout=timeout_s)
        # The name that TLS checks. Only the constructor would set it, which connects before anybody could hang up.
        session._host = self._settings.host  # type: ignore[attr-defined]  # noqa: SLF001
        return session

    def _converse(self, session: smtplib.SMTP, letter: EmailMessage, password: str) -> Mapping[str, object]:
        """Speak to the server, in a thread; return the recipients that it refuses."""
        code, said = session.connect(self._settings.host, self._settings.port or _PORTS[self._settings.tls])
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)
        if self._settings.tls == "starttls":
            session.starttls(context=self._tls)
        if self._settings.user:
            session.login(self._settings.user, password)
        refused = session.send_message(letter)
        try:
            session.quit()
        except OSError as problem:
            # The server has the mail: a try again would send it twice.
            log.debug("the mail server hung up without a goodbye: %s", problem)
        return refused

    def _explain(self, code: int, said: bytes | str) -> OutputError:
        words = one_line(said.decode(errors="replace") if isinstance(said, bytes) else said)[:120]
        if code in _AUTHENTICATION:
            return OutputError(
                f"the mail server {self._place} does not let us in ({code}); check user and password file", retry=True
            )
        return OutputError(f"the mail server {self._place} refused the mail: {code} {words}", retry=code < _PERMANENT)


def body(alert: AlertEvent) -> str:
    """Return what the mail says: what happened, in which call, and what to do."""
    data = alert.data
    lines = [
        one_line(data.message),
        "",
        f"Severity   {data.severity}",
        f"Rule       {one_line(data.rule)}",
        f"Call       {one_line(data.call.id)} ({one_line(data.call.dialect)}, tenant {one_line(data.call.tenant)})",
        f"Party      {one_line(data.role)}",
        f"Time       {one_line(alert.time)}",
        f"Behind it  {counted(alert)}",
        f"Alert      {one_line(alert.id)}",
        "",
        "Who takes care of it says so on the dashboard, or with:",
        f"  {how_to_take(alert)}",
        "",
        "An alert is a reason for a person to look, never a decision about one.",
        "",
    ]
    return "\n".join(lines)


def _hang_up(session: smtplib.SMTP) -> None:
    """End the connection whatever the thread waits for; it ends then, too."""
    line: socket.socket | None = session.sock
    if line is None:
        return
    try:
        # Not the TLS socket's own shutdown: that one changes what the thread is reading from.
        socket.socket.shutdown(line, socket.SHUT_RDWR)
    except OSError as problem:
        log.debug("the mail server hung up first: %s", problem)
    session.close()


def _is_name(host: str) -> bool:
    """Return whether the name service can be asked for a host: no empty label, none too long."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return bool(host) and host.isprintable() and " " not in host


def _address(key: str, text: str) -> Address:
    """Return a mail address; refuse anything that could become another header or another recipient."""
    found = email.utils.getaddresses([text])
    name, spec = found[0] if len(found) == 1 else ("", "")
    problem = KeyProblem(key, f"got {text!r}; expected one address like desk@example.org")
    if not text.isprintable() or spec.count("@") != 1:
        raise problem
    try:
        return Address(display_name=name, addr_spec=spec)
    except (ValueError, IndexError) as why:
        raise problem from why


def _password(settings: MailSettings, environment: Mapping[str, str]) -> Secret | None:
    given = [key for key in ("password_file", "password_env") if getattr(settings, key)]
    if not settings.user:
        if given:
            raise KeyProblem(given[0], "is given without user; a password is of no use without its user")
        return None
    if len(given) != 1:
        raise KeyProblem("user", "a user needs its password: give one of password_file and password_env")
    secret = Secret(settings.password_file, settings.password_env, environment)
    try:
        secret.read()
    except OutputError as problem:
        raise KeyProblem(given[0], str(problem)) from problem
    return secret
