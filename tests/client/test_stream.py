from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from streamer_client.errors import CallRefused, ConnectError, OptionError, StreamError
from streamer_client.g711 import encode_mulaw
from streamer_client.stream import stream_call

CALL = {"call_id": "CA1", "roles": ["customer", "agent"], "rate_hz": 8000}
SAMPLES = np.arange(-4000, 4000, dtype=np.int16).reshape(-1, 2)


@pytest.mark.parametrize("cut", [1, 7, 160, 8000])
async def test_audio_arrives_whole_however_it_is_cut(server: Any, cut: int) -> None:
    whole = SAMPLES.tobytes()
    async with stream_call(server.url, **CALL) as call:
        for start in range(0, len(whole), cut):
            await call.send(whole[start : start + cut])
        ended = await call.stop()
    assert server.calls[0].audio == whole
    assert ended.utterances == 0


async def test_samples_are_encoded_as_the_start_said(server: Any) -> None:
    async with stream_call(server.url, **CALL, encoding="pcmu") as call:
        await call.send(SAMPLES)
    assert server.calls[0].texts[0]["encoding"] == "pcmu"
    assert server.calls[0].audio == encode_mulaw(SAMPLES)


async def test_a_mono_call_takes_flat_samples(server: Any) -> None:
    async with stream_call(server.url, call_id="CA1", roles=["customer"], rate_hz=16000) as call:
        await call.send(SAMPLES[:, 0])
    assert server.calls[0].audio == SAMPLES[:, 0].tobytes()


@pytest.mark.parametrize("samples", [SAMPLES[:, 0], SAMPLES.astype(np.float32), SAMPLES[np.newaxis]])
async def test_samples_of_another_shape_or_type_are_refused(server: Any, samples: Any) -> None:
    async with stream_call(server.url, **CALL) as call:
        with pytest.raises(OptionError, match=r"expected int16 of shape \(frames, 2\)"):
            await call.send(samples)


async def test_the_call_knows_its_session_and_who_is_analysed(server: Any) -> None:
    async with stream_call(server.url, **CALL, key="secret", labels={"queue": "7"}, notice=True) as call:
        assert (call.session_id, call.analysed) == ("session-1", ("customer",))
    heard = server.calls[0]
    assert heard.headers["Authorization"] == "Bearer secret"
    assert (heard.texts[0]["labels"], heard.texts[0]["notice"], heard.texts[0]["speed"]) == ({"queue": "7"}, True, 1.0)


async def test_everything_that_can_be_said_in_a_call_goes_out_in_order(server: Any) -> None:
    async with stream_call(server.url, **CALL) as call:
        await call.pause()
        await call.resume()
        await call.gap(40)
        await call.notice()
        await call.withdraw()
    types = [text["type"] for text in server.calls[0].texts]
    assert types == ["start", "pause", "resume", "gap", "notice", "withdraw", "stop"]


@pytest.mark.parametrize("duration_ms", [-1, float("nan")])
async def test_a_gap_has_a_length(server: Any, duration_ms: Any) -> None:
    async with stream_call(server.url, **CALL) as call:
        with pytest.raises(OptionError, match="expected 0 or more"):
            await call.gap(duration_ms)


async def test_events_can_be_followed_while_audio_goes_out(server: Any, make: Any) -> None:
    event = make.utterance()
    followed = asyncio.Event()

    async def talk_back(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        await socket.recv()
        await server.say_event(socket, event)
        await followed.wait()
        await socket.recv()
        await socket.send('{"type":"ended","utterances":1}')

    server.handlers["/v1/stream"] = talk_back
    async with stream_call(server.url, **CALL) as call:
        await call.send(SAMPLES)
        async for heard in call:
            assert heard == event
            followed.set()
            await call.stop()


async def test_events_that_were_not_followed_are_there_after_the_stop(server: Any, make: Any) -> None:
    server.events = [make.utterance(1), make.utterance(2)]
    async with stream_call(server.url, **CALL) as call:
        ended = await call.stop()
        assert [event async for event in call] == server.events
        assert [event async for event in call] == []
    assert ended.utterances == 2


async def test_no_events_are_asked_for_where_none_are_wanted(server: Any, make: Any) -> None:
    server.events = [make.utterance()]
    async with stream_call(server.url, **CALL, events=False) as call:
        ended = await call.stop()
        assert [event async for event in call] == []
    assert ended.utterances == 1


async def test_a_server_that_talks_before_it_listens_does_not_lock_both(server: Any) -> None:
    """Each side has more to say than all buffers between them hold, and the server reads only when it has said it."""
    much = "x" * 900_000

    async def talkative(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        for _ in range(30):
            await socket.send(json.dumps({"type": "gossip", "words": much}))
        await server_rest(socket, heard)

    async def server_rest(socket: Any, heard: Any) -> None:
        async for message in socket:
            heard.messages.append(message)
            if message == '{"type":"stop"}':
                await socket.send('{"type":"ended","utterances":0}')
                return

    server.handlers["/v1/stream"] = talkative
    block = bytes(900_000)
    async with stream_call(server.url, **CALL) as call:
        for _ in range(30):
            await call.send(block)
    assert len(server.calls[0].audio) == 30 * len(block)


async def test_an_exception_in_the_block_closes_without_a_stop(server: Any) -> None:
    over = asyncio.Event()

    async def until_closed(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        async for message in socket:
            heard.messages.append(message)
        over.set()

    server.handlers["/v1/stream"] = until_closed
    with pytest.raises(ZeroDivisionError):
        async with stream_call(server.url, **CALL):
            _ = 1 / 0
    await over.wait()
    assert [text["type"] for text in server.calls[0].texts] == ["start"]


async def test_a_cancelled_call_closes_too(server: Any) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def until_closed(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        await socket.wait_closed()
        over.set()

    async def call_for_ever() -> None:
        async with stream_call(server.url, **CALL):
            begun.set()
            await asyncio.Event().wait()

    server.handlers["/v1/stream"] = until_closed
    task = asyncio.create_task(call_for_ever())
    await begun.wait()
    task.cancel()
    await over.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_refused_call_says_the_servers_words(server: Any) -> None:
    async def refuse(socket: Any, heard: Any) -> None:
        heard.messages.append(await socket.recv())
        await socket.send('{"type":"error","code":"unknown_role","message":"Got role boss."}')
        await socket.close(1008)

    server.handlers["/v1/stream"] = refuse
    with pytest.raises(CallRefused, match="Got role boss") as caught:
        async with stream_call(server.url, **CALL):
            pytest.fail("the block must not be entered")
    assert (caught.value.code, caught.value.reason) == ("unknown_role", "Got role boss.")


async def test_a_full_server_refuses_by_its_close_code(server: Any) -> None:
    async def full(socket: Any, _heard: Any) -> None:
        await socket.close(1013)

    server.handlers["/v1/stream"] = full
    with pytest.raises(CallRefused, match=r"try again later \(full\)"):
        async with stream_call(server.url, **CALL):
            pytest.fail("the block must not be entered")


async def test_an_error_in_the_middle_reaches_sender_stop_and_listener(server: Any) -> None:
    async def fail(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        await socket.send('{"type":"error","code":"odd_bytes","message":"Half a sample."}')
        await socket.close(1008)

    server.handlers["/v1/stream"] = fail

    async def all_three() -> None:
        async with stream_call(server.url, **CALL) as call:
            with pytest.raises(StreamError, match="odd_bytes"):
                await anext(aiter(call))
            with pytest.raises(StreamError, match="odd_bytes"):
                await call.send(b"\x00")
            await call.stop()

    with pytest.raises(StreamError, match=r"Half a sample\. \(odd_bytes\)"):
        await all_three()


async def test_a_connection_that_breaks_is_told_from_an_end(server: Any) -> None:
    async def vanish(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        socket.transport.abort()

    server.handlers["/v1/stream"] = vanish
    with pytest.raises(StreamError, match=r"connection to the server was lost.*\(lost\)"):
        async with stream_call(server.url, **CALL) as call:
            await call.stop()


async def test_a_close_without_ended_is_no_end(server: Any) -> None:
    async def hang_up(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        await socket.recv()

    server.handlers["/v1/stream"] = hang_up
    with pytest.raises(StreamError, match=r"closed the call before its end \(closed\)"):
        async with stream_call(server.url, **CALL) as call:
            await call.stop()


async def test_nothing_can_be_sent_after_the_stop(server: Any) -> None:
    async with stream_call(server.url, **CALL) as call:
        ended = await call.stop()
        assert await call.stop() == ended
        with pytest.raises(StreamError, match="start a new one"):
            await call.send(b"")


async def test_a_server_of_another_kind_is_not_waited_for_for_ever(server: Any) -> None:
    async def echo(socket: Any, _heard: Any) -> None:
        async for message in socket:
            await socket.send(message)

    server.handlers["/v1/stream"] = echo
    with pytest.raises(ConnectError, match="is that an Emotion Streamer"):
        async with stream_call(server.url, **CALL, ready_timeout_s=0.01):
            pytest.fail("the block must not be entered")


async def test_arguments_are_checked_before_anything_is_connected() -> None:
    with pytest.raises(OptionError, match="unknown encoding"):
        async with stream_call("ws://127.0.0.1:1", **CALL, encoding="opus"):
            pytest.fail("the block must not be entered")
