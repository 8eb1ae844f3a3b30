"""Health and metrics over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from streamer.admin import MOST_ASKING, READY, Admin


async def get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.fixture
async def served():
    registry = CollectorRegistry()
    Counter("streamer_things", "Things.", registry=registry).inc(3)
    word = [READY]
    listener = await Admin(registry, lambda: word[0]).listen("127.0.0.1", 0)
    yield next(iter(listener.sockets)).getsockname()[1], word
    listener.close()
    await listener.wait_closed()


async def test_live_is_live_and_ready_says_why_not(served) -> None:
    port, word = served
    assert await get(port, "/livez") == (200, "live\n")
    assert await get(port, "/readyz") == (200, "ready\n")
    word[0] = "draining"
    assert await get(port, "/readyz?verbose") == (503, "draining\n")
    assert await get(port, "/livez") == (200, "live\n")


async def test_metrics_are_what_prometheus_reads(served) -> None:
    status, body = await get(served[0], "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(body)}
    assert status == 200
    assert families["streamer_things"].samples[0].value == 3


async def test_anything_else_is_not_found(served) -> None:
    status, body = await get(served[0], "/etc/passwd")
    assert status == 404
    assert "/readyz" in body


async def test_who_asks_nothing_makes_room_for_who_does(served) -> None:
    port, _ = served
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_ASKING)]
    assert await get(port, "/livez") == (200, "live\n")
    with suppress(ConnectionResetError):
        assert await silent[0][0].read() == b""
    for _, writer in silent:
        writer.close()
