from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import Any

import pytest
from streamer_client.connection import closed, open_socket, with_path
from streamer_client.errors import ConnectError, OptionError
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("ws://host:8765", "ws://host:8765/v1/stream"),
        ("wss://host/", "wss://host/v1/stream"),
        ("ws://host:8765/behind/a/proxy", "ws://host:8765/behind/a/proxy"),
    ],
)
def test_a_path_is_added_only_where_there_is_none(given: Any, used: Any) -> None:
    assert with_path(given, "/v1/stream") == used


@pytest.mark.parametrize("url", ["", "host:8765", "http://host", "ws://", "ws://host:99999", "ws://host:0"])
def test_what_is_no_websocket_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(OptionError, match=r"expected one like ws://127\.0\.0\.1:8765"):
        with_path(url, "/v1/stream")


async def test_nobody_listening_is_one_clear_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: the port is ours, and it refuses
        port = unused.getsockname()[1]
        with pytest.raises(ConnectError, match=r"connection refused; is the server running there\?") as caught:
            await open_socket(f"ws://127.0.0.1:{port}/v1/stream", {})
    assert f"cannot reach ws://127.0.0.1:{port}" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_something_else_listening_is_told_from_a_server() -> None:
    async def chatter(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(chatter, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError, match="answers, but not as a WebSocket server"):
            await open_socket(f"ws://127.0.0.1:{port}/", {})


async def test_tls_towards_a_plain_port_is_named(server: Any) -> None:
    with pytest.raises(ConnectError, match=r"no secure connection to wss://|hung up before TLS came about"):
        await open_socket(server.url.replace("ws://", "wss://"), {})


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (HTTPStatus.UNAUTHORIZED, {}, "wants a key"),
        (HTTPStatus.UNAUTHORIZED, {"Authorization": "Bearer x"}, "does not accept this key"),
        (HTTPStatus.FORBIDDEN, {}, "does not let this key use /v1/stream"),
        (HTTPStatus.SERVICE_UNAVAILABLE, {}, "takes no calls now"),
        (HTTPStatus.IM_A_TEAPOT, {}, "refused the connection"),
    ],
)
async def test_each_refusal_of_the_handshake_says_what_to_do(
    server: Any, status: Any, headers: Any, words: str
) -> None:
    server.refuse_with = status
    with pytest.raises(ConnectError, match=words) as caught:
        await open_socket(f"{server.url}/v1/stream", headers)
    assert str(caught.value).endswith(f"(HTTP {status.value}: not now)")


async def test_a_wrong_path_names_the_right_ones(server: Any) -> None:
    with pytest.raises(ConnectError, match=r"has nothing at /v2; the native protocol lives at /v1/stream"):
        await open_socket(f"{server.url}/v2", {})


async def test_a_password_in_the_address_is_never_repeated(server: Any) -> None:
    url = server.url.replace("ws://", "ws://user:hunter2@")
    with pytest.raises(ConnectError) as caught:
        await open_socket(f"{url}/v2", {})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "name"),
    [(1000, "closed"), (1001, "draining"), (1008, "policy"), (1009, "too_big"), (1011, "server_fault"), (1013, "full")],
)
def test_each_close_code_of_the_contract_has_a_name(code: int, name: str) -> None:
    error = closed(ConnectionClosedError(Close(code, "because"), None))
    assert error.code == name
    assert error.reason.endswith(": because")


def test_an_unknown_close_code_and_a_lost_connection_are_told_apart() -> None:
    assert "code 4000" in str(closed(ConnectionClosedError(Close(4000, ""), None)))
    assert closed(ConnectionClosedError(None, None)).code == "lost"
