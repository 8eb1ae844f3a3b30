"""Mail towards a real SMTP server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.mail import Mail, MailSettings, body
from streamer_client.alerts.tables import KeyProblem
from streamer_client.events import AlertEvent

from tests.certificates import Pair, authority, signed

aiosmtpd = pytest.importorskip("aiosmtpd.smtp")


@dataclass
class Post:
    """A mail server that keeps what it takes; `refuse` says what it answers instead, by address or command."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Any] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))  # type: ignore[arg-type]
        self.envelopes.append(envelope)
        self.secure.append(session.ssl is not None)
        return "250 taken"


def allow(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> Any:
    return aiosmtpd.AuthResult(success=(data.login, data.password) == (b"alerts", b"right"), handled=False)


@asynccontextmanager
async def post_office(
    tls: ssl.SSLContext | None = None, *, implicit: bool = False, auth: bool = False
) -> AsyncIterator[Post]:
    post = Post()
    options = {"authenticator": allow, "auth_required": True} if auth else {}
    if tls and not implicit:
        options |= {"tls_context": tls, "require_starttls": True}
    if implicit:
        options |= {"auth_require_tls": False}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: aiosmtpd.SMTP(post, hostname="post.example", loop=loop, **options),
        "127.0.0.1",
        0,
        ssl=tls if implicit else None,
    )
    post.port = server.sockets[0].getsockname()[1]
    async with server:
        yield post


def mail(port: int, environment: dict[str, str] | None = None, **keys: Any) -> Mail:
    base: dict[str, Any] = {"host": "127.0.0.1", "port": port, "tls": "none", "from_": "alerts@firm.example"}
    return Mail(MailSettings(**base | {"to": ("desk@firm.example",)} | keys), environment or {}, lambda: 1_795_342_504)


async def refused(output: Mail, alert: AlertEvent) -> OutputError:
    with pytest.raises(OutputError) as caught:
        await output.deliver(alert)
    return caught.value


@pytest.fixture
def ours(tmp_path: Path) -> Pair:
    return authority(tmp_path, "ours")


@pytest.fixture
def tls(ours: Pair, tmp_path: Path) -> ssl.SSLContext:
    pair = signed(ours, tmp_path, "post")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    return context


async def test_a_mail_says_what_a_supervisor_needs(make: Any) -> None:
    async with post_office() as post:
        await mail(post.port, to=("desk@firm.example", "Duty Manager <duty@firm.example>")).send(make.alert())
    (letter,), (envelope,) = post.letters, post.envelopes
    assert envelope.mail_from == "alerts@firm.example"
    assert envelope.rcpt_tos == ["desk@firm.example", "duty@firm.example"]
    assert letter["Subject"] == "CRITICAL: angry-customer, call CA1"
    assert letter["To"] == "desk@firm.example, Duty Manager <duty@firm.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"].datetime.isoformat() == "2026-11-22T10:15:04+00:00"
    text = letter.get_content().replace("\r\n", "\n")
    assert text.startswith("Listen in.\n")
    for said in (
        "Call       CA1 (native, tenant default)",
        "Party      customer",
        "Time       2026-11-22T10:15:04.210Z",
        "  streamer acknowledge CA1-alert --call CA1 --by YOUR-NAME",
    ):
        assert said in text.splitlines()


async def test_the_same_alert_twice_is_the_same_message_id(make: Any) -> None:
    async with post_office() as post:
        for alert in (make.alert(), make.alert(), make.alert(call="CA2")):
            await mail(post.port).deliver(alert)
    first, second, other = (letter["Message-ID"] for letter in post.letters)
    assert first == second == "<CA1-alert@firm.example>"
    assert other != first


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # of implicit TLS the test's own server knows nothing
@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "starttls"])
async def test_over_tls_with_user_and_password(
    make: Any, tls: ssl.SSLContext, ours: Pair, tmp_path: Path, implicit: Any
) -> None:
    (tmp_path / "password").write_text("right\n")
    keys = {
        "tls": "implicit" if implicit else "starttls",
        "ca_file": str(ours.cert),
        "user": "alerts",
        "password_file": str(tmp_path / "password"),
    }
    async with post_office(tls, implicit=implicit, auth=True) as post:
        output = mail(post.port, **keys)
        await output.deliver(make.alert())
        (tmp_path / "password").write_text("wrong\n")
        problem = await refused(output, make.alert())
        (tmp_path / "password").write_text("geh\N{LATIN SMALL LETTER E WITH ACUTE}im\n", encoding="utf-8")
        odd = await refused(output, make.alert())
    assert post.secure == [not implicit]  # of implicit TLS the session knows nothing
    assert len(post.letters) == 1
    assert problem.retry
    assert "does not let us in (535); check user and password file" in str(problem)
    assert odd.retry
    assert "(UnicodeEncodeError); check host, user and the password's characters" in str(odd)
    assert "geh" not in str(odd)
    assert "wrong" not in str(problem)


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "starttls"])
async def test_a_server_whose_certificate_nobody_knows_gets_nothing(
    make: Any, tls: ssl.SSLContext, implicit: Any
) -> None:
    async with post_office(tls, implicit=implicit) as post:
        problem = await refused(mail(post.port, tls="implicit" if implicit else "starttls"), make.alert())
    assert problem.retry
    assert "no secure connection to the mail server 127.0.0.1" in str(problem)
    assert post.letters == []


async def test_a_server_without_starttls_gets_nothing(make: Any) -> None:
    async with post_office() as post:
        problem = await refused(mail(post.port, tls="starttls"), make.alert())
    assert problem.retry
    assert "starttls extension not supported by server; check host, port and tls" in str(problem)
    assert post.letters == []


@pytest.mark.parametrize(("answer", "retry"), [("451 later", True), ("554 never", False)])
async def test_a_refused_mail_is_tried_again_only_where_the_server_says_later(
    make: Any, answer: str, retry: bool
) -> None:
    async with post_office() as post:
        post.refuse["DATA"] = answer
        problem = await refused(mail(post.port), make.alert())
    assert problem.retry is retry
    assert answer in str(problem)


@pytest.mark.parametrize(("answer", "retry"), [("450 greylisted", True), ("550 unknown", False)])
async def test_so_it_is_with_recipients(make: Any, answer: str, retry: bool) -> None:
    async with post_office() as post:
        post.refuse["desk@firm.example"] = answer
        problem = await refused(mail(post.port), make.alert())
    assert problem.retry is retry
    assert f"takes none of the recipients ({answer[:3]}); check to" in str(problem)
    assert "desk@" not in str(problem)


async def test_one_of_two_recipients_is_told_of_and_nobody_gets_it_twice(make: Any, caplog: Any) -> None:
    async with post_office() as post:
        post.refuse["gone@firm.example"] = "550 unknown"
        with caplog.at_level(logging.WARNING):
            await mail(post.port, to=("desk@firm.example", "gone@firm.example")).deliver(make.alert())
    assert len(post.letters) == 1
    assert "refused 1 of 2 recipients" in caplog.text
    assert "gone@" not in caplog.text


@asynccontextmanager
async def stranger(says: bytes, *, hang_up: bool) -> AsyncIterator[int]:
    """A server that is none: says something, then hangs or hangs up."""

    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writer.write(says)
        with contextlib.suppress(ConnectionError):  # the other side may go first
            await writer.drain()
            if not hang_up:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("says", [b"", b"220 post"])
async def test_a_server_that_hangs_is_given_up_in_time(make: Any, says: bytes) -> None:
    async with stranger(says, hang_up=False) as port:
        problem = await refused(mail(port, timeout_s=0.3), make.alert())
    assert problem.retry
    assert "did not take the mail within 0.3 s" in str(problem)


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"421 too busy\r\n", b"\xff\xfe\r\n"])
async def test_a_server_that_is_no_mail_server_is_worth_another_try(make: Any, says: bytes) -> None:
    async with stranger(says, hang_up=True) as port:
        assert (await refused(mail(port), make.alert())).retry or says.startswith(b"HTTP")


async def test_nobody_there_is_worth_another_try(make: Any) -> None:
    problem = await refused(mail(1), make.alert())
    assert problem.retry
    assert str(problem) == "the mail server 127.0.0.1:1: connection refused; check host, port and tls"


async def test_a_cancelled_delivery_hangs_up(make: Any) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()
        over.set()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        delivery = asyncio.create_task(mail(server.sockets[0].getsockname()[1]).deliver(make.alert()))
        await begun.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        await over.wait()


@given(st.tuples(*[st.text()] * 5))
def test_nothing_in_an_alert_can_add_a_header_or_end_them(make: Any, texts: tuple[str, ...]) -> None:
    name, call, rule, message, time = texts
    data = make.alert(call=call).data
    data = type(data)(
        call=data.call, rule=rule, severity=data.severity, role=rule, message=message, utterances=data.utterances
    )
    letter = mail(1).compose(AlertEvent(id=name, source="/x", subject="s", time=time, data=data))
    read = email.message_from_bytes(letter.as_bytes(), policy=email.policy.default)
    assert list(read.keys()) == list(letter.keys())
    assert len(letter.keys()) == len(set(letter.keys()))
    assert read["To"] == "desk@firm.example"
    assert "An alert is a reason for a person to look" in read.get_content()  # type: ignore[attr-defined]


def test_an_injection_is_a_subject_and_no_header(make: Any) -> None:
    letter = mail(1).compose(make.alert(call="CA1\r\nBcc: thief@elsewhere.example"))
    assert letter["Bcc"] is None
    assert "Bcc: thief" in letter["Subject"]
    assert b"\nBcc:" not in letter.as_bytes()


def test_the_body_ends_where_it_should(make: Any) -> None:
    assert body(make.alert()).endswith("never a decision about one.\n")


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({"to": ()}, "to", "at least one recipient"),
        ({"to": ("desk",)}, "to", "expected one address like desk@example.org"),
        ({"to": ("a@b.example, c@d.example",)}, "to", "expected one address"),
        ({"to": ("a@b.example\r\nBcc: c@d.example",)}, "to", "expected one address"),
        ({"from_": "a@b@c"}, "from", "expected one address"),
        ({"from_": ""}, "from", "expected one address"),
        ({"port": 70000}, "port", "1 to 65535"),
        ({"timeout_s": 0}, "timeout_s", "more than 0"),
        ({"host": "post.example"}, "tls", "post.example is another machine; alerts travel to it by starttls"),
        ({"user": "alerts"}, "user", "give one of password_file and password_env"),
        ({"password_env": "P"}, "password_env", "given without user"),
        ({"user": "alerts", "password_env": "NOWHERE"}, "password_env", "the variable NOWHERE is empty"),
        ({"ca_file": "nowhere"}, "ca_file", "there is no file nowhere"),
    ],
)
def test_what_cannot_be_right_is_refused_at_load_with_its_key(keys: Any, key: str, words: str) -> None:
    with pytest.raises(KeyProblem, match=words) as caught:
        mail(**{"port": 25} | keys)
    assert caught.value.key == key


@pytest.mark.parametrize("host", ["a..b", "x" * 80, "", "ex ample", "post\nhost"])
def test_a_host_that_no_name_service_knows_is_refused_at_load(host: str) -> None:
    with pytest.raises(KeyProblem, match="expected the mail server's name") as caught:
        mail(25, host=host, tls="starttls")
    assert caught.value.key == "host"
