"""A call that is one too many, in every dialect over real sockets: what its platform is told, and that nothing is left.

The node runs in the test's own process, so that its load can be set instead of made.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import pytest_asyncio
from streamer_client.dialects.speaker import Speaker
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamer.load.shedding import Level
from streamer.server import Server
from tests.end_to_end.test_every_dialect import free_port
from tests.nodes import overload, serve
from tests.wire.conversing import SPOKEN, path_of, speakers, tone

pytestmark = pytest.mark.asyncio(loop_scope="session")  # that of the node

ROOM, OF_DEFAULT = 4, 2
IN_WORDS = {"native", "audiohook", "audiocodes"}
"""Those in which the server can say why; the others have the close code and its reason."""
REASONS = {"full": "server.max_calls", "tenant full": "limits.calls_per_tenant: 2", "overloaded": "too much to do"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A node with room for few calls."""
    flags: dict[str, Any] = {
        "server__max_calls": ROOM,
        "limits__calls_per_tenant": {"default": OF_DEFAULT},
        "dialects__audiosocket__port": free_port(),
        "dialects__audiocodes__participants": {"caller": "customer", "callee": "agent"},
        "audio__join_grace_s": 0,
    }
    async with serve(tmp_path_factory.mktemp("node"), **flags) as server:
        yield server


@pytest.fixture(autouse=True)
def _platforms_that_close_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.session.PARTING_S", 0.05)


@contextmanager
def crowded(server: Server, how: str) -> Iterator[None]:
    """Have the node be full, or have too much to do."""
    admission = server._admission
    with ExitStack() as slots:
        calls, tenant = {"full": (ROOM, "other"), "tenant full": (OF_DEFAULT, "default"), "overloaded": (0, "")}[how]
        for _ in range(calls):
            slot = admission.acquire("", tenant)
            assert slot is not None
            slots.enter_context(slot)
        if how == "overloaded":
            overload(server, Level.NO_CALLS)
        try:
            yield
        finally:
            overload(server, Level.ALL)


async def call(server: Server, name: str, speaker: Speaker) -> tuple[list[Any], int, str]:
    """Try to begin a call as its platform does; return what the server said, its close code and the reason."""
    if name == "audiosocket":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.audiosocket_port)
        messages = [*speaker.open(), *speaker.audio(tone(0.1, speaker.rate_hz, 1), 0)]
        writer.writelines(message for message in messages if isinstance(message, bytes))
        heard = await reader.read()
        writer.close()
        return [heard] if heard else [], 0, ""
    said: list[Any] = []
    target = speaker.url.partition(path_of(name))[2]
    async with connect(
        f"ws://127.0.0.1:{server.port}{path_of(name)}{target}",
        additional_headers=speaker.headers,
        subprotocols=list(speaker.subprotocols) or None,  # type: ignore[arg-type]
    ) as socket:
        try:
            for message in speaker.open():
                await socket.send(message)
            if speaker.may_send:  # some platforms say nothing of the call before its audio
                for message in speaker.audio(tone(1.5, speaker.rate_hz, len(speaker.channels)), 0):
                    await socket.send(message)
            while True:
                said.append(json.loads(await socket.recv()))
                if name == "audiohook":
                    break  # the platform closes, and says so before
                for answer in () if name == "native" else speaker.receive(json.dumps(said[-1])):
                    await socket.send(answer)
        except ConnectionClosed:
            pass
        except Exception as problem:  # noqa: BLE001 - the speaker of a dialect takes a refusal in words as an error
            assert "refus" in repr(problem) or "error" in repr(problem).lower(), problem  # noqa: PT017
            await socket.wait_closed()
    return said, socket.close_code or 0, socket.close_reason or ""


@pytest.mark.parametrize("how", REASONS)
@pytest.mark.parametrize("name", SPOKEN)
async def test_a_call_too_many_is_refused_as_its_platform_understands(server: Server, name: str, how: str) -> None:
    with crowded(server, how):
        before = server._admission.active
        said, code, reason = await call(server, name, speakers(name)[0])
        assert server._admission.active == before
    if name in IN_WORDS:
        assert REASONS[how] in json.dumps(said[-1])
    else:
        assert said == []
    if name not in {"audiosocket", "audiohook"}:
        assert code == 1013
        assert reason == ("overloaded" if how == "overloaded" else "full")
    if name == "audiohook":
        assert (said[-1]["type"], said[-1]["parameters"]["reason"]) == ("disconnect", "error")
    assert server.readiness == "ready"
