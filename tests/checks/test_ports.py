"""Ports: free, in use by a running streamer, or by somebody else."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from streamer.checks import ports
from streamer.checks.outcome import Level
from streamer.checks.ports import Door, explain, wanted
from streamer.config import Settings, load


@contextmanager
def taken() -> Iterator[int]:
    """Hold a port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    """Answer every request with a page; yields the port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(port: int = 0, admin_port: int = 0, **more: Any) -> Settings:
    return load(None, {}, {"server.port": port, "server.admin_port": admin_port} | more)


def test_ports_that_are_free_are_well_and_stay_free() -> None:
    with taken() as port:
        pass
    for _ in range(2):
        (found,) = ports.check(settings(port))
        assert (found.level, found.says) == (Level.OK, f"127.0.0.1:{port}, 127.0.0.1:any: free")


def test_a_port_that_another_program_has_is_wrong_and_named_with_its_key() -> None:
    with taken() as port:
        (found,) = ports.check(settings(admin_port=port))
    assert found.level is Level.WRONG
    assert f"127.0.0.1:{port} is in use by another program" in found.says
    assert "change server.admin_port" in found.says


@pytest.mark.parametrize(
    ("page", "level"), [(b"# TYPE streamer_calls_active gauge\n", Level.OK), (b"welcome", Level.WRONG)]
)
def test_a_running_streamer_may_have_them(page: bytes, level: Level) -> None:
    with taken() as port, answering(page) as admin_port:
        found = ports.check(settings(port, admin_port))
    assert {one.level for one in found} == {level}
    if level is Level.OK:
        assert "a running streamer has them" in found[0].says


def test_what_answers_nothing_that_can_be_read_is_no_streamer() -> None:
    with taken() as port, socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()

        def answer() -> None:
            connection, _ = rude.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.com\r\n")

        thread = Thread(target=answer)
        thread.start()
        found = ports.check(settings(port, rude.getsockname()[1]))
        thread.join()
    assert [one.level for one in found] == [Level.WRONG, Level.WRONG]


def test_every_listener_is_looked_at() -> None:
    doors = list(
        wanted(
            settings(
                1,
                2,
                **{
                    "server.host": "::1",
                    "server.admin_host": "127.0.0.1",
                    "dialects.audiosocket.port": 3,
                    "dialects.audiosocket.allow": ["127.0.0.1"],
                },
            )
        )
    )
    assert doors == [
        Door("server.port", "::1", 1),
        Door("server.admin_port", "127.0.0.1", 2),
        Door("dialects.audiosocket.port", "::1", 3),
    ]


def test_an_address_of_another_machine_is_wrong() -> None:
    (found, _) = ports.check(settings(**{"server.host": "192.0.2.1"}))
    assert found.level is Level.WRONG
    assert "no address of this machine; change server.host" in found.says


def test_a_host_that_nobody_knows_is_wrong() -> None:
    (found, _) = ports.check(settings(**{"server.host": "no-such-host.invalid"}))
    assert found.level is Level.WRONG
    assert "change server.port or the host beside it" in found.says


@pytest.mark.parametrize(
    ("port", "code", "words"),
    [
        (443, errno.EACCES, "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
        (8765, errno.EACCES, "Permission denied"),
        (8765, errno.EADDRINUSE, "ss -ltnp"),
    ],
)
def test_it_is_said_what_to_do(port: int, code: int, words: str) -> None:
    assert words in explain(Door("server.port", "h", port), OSError(code, "x"))
