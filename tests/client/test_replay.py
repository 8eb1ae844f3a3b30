from __future__ import annotations

import base64
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from streamer_client.dialects.twilio import headers
from streamer_client.errors import ConnectError, OptionError, RecordingError, StreamError
from streamer_client.g711 import encode_mulaw
from streamer_client.line import Break, Faults
from streamer_client.recordings.metadata import read_table
from streamer_client.replay import call_ids, replay


def stored(path: Path) -> np.ndarray:
    samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
    return samples


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 32000, 44100, 48000])
async def test_a_recording_arrives_as_it_is_stored(server: Any, recorded: Any, rate_hz: int) -> None:
    path = recorded(rate_hz=rate_hz, seconds=0.25)
    (outcome,) = await replay([path], to=server.url, speed=None)
    start = server.calls[0].texts[0]
    assert outcome.error is None
    assert (start["call_id"], start["sample_rate"], start["speed"]) == ("call", rate_hz, None)
    assert start["channels"] == [{"role": "customer"}, {"role": "agent"}]
    assert server.calls[0].audio == stored(path).tobytes()


async def test_at_real_time_the_same_bytes_arrive_as_at_full_speed(server: Any, recorded: Any) -> None:
    path = recorded(seconds=0.1)
    await replay([path], to=server.url, speed=None)
    await replay([path], to=server.url, speed=1.0)
    fast, live = server.calls
    assert fast.audio == live.audio
    assert live.texts[0]["speed"] == 1.0


async def test_mu_law_on_the_wire_is_8_khz(server: Any, recorded: Any) -> None:
    path = recorded(seconds=0.1, channels=1)
    await replay([path], to=server.url, speed=None, encoding="pcmu")
    assert server.calls[0].audio == encode_mulaw(stored(path))
    await replay(
        [recorded("wide.wav", rate_hz=48000, seconds=0.1, channels=1)], to=server.url, speed=None, encoding="pcmu"
    )
    assert server.calls[1].texts[0]["sample_rate"] == 8000
    assert len(server.calls[1].audio) == 800


async def test_events_and_progress_are_told(server: Any, recorded: Any, make: Any) -> None:
    server.events = [make.utterance()]
    events, progress = [], []
    (outcome,) = await replay(
        [recorded(seconds=0.1)], to=server.url, speed=None, on_event=events.append, on_progress=progress.append
    )
    assert (events, outcome.utterances) == (server.events, 1)
    assert [step.position_ms for step in progress] == [20, 40, 60, 80, 100]
    assert {step.duration_ms for step in progress} == {100}


async def test_twilio_carries_the_same_audio_in_20_ms_of_mu_law_a_track(server: Any, recorded: Any) -> None:
    path = recorded(seconds=0.11)
    (outcome,) = await replay([path], to=server.url, dialect="twilio", speed=None, token="c0ffee", notice=True)
    assert (outcome.error, outcome.utterances) == (None, None)
    connected, start, *media, stop = server.calls[0].texts
    assert server.calls[0].path == "/twilio"
    assert (connected["event"], start["event"], stop["event"]) == ("connected", "start", "stop")
    assert start["start"]["customParameters"] == {"token": "c0ffee", "notice": "true"}
    for channel, track in enumerate(("inbound", "outbound")):
        payloads = [m["media"]["payload"] for m in media if m["media"]["track"] == track]
        assert b"".join(map(base64.b64decode, payloads)) == encode_mulaw(stored(path)[:, channel])


async def test_a_twilio_upgrade_is_signed_where_there_is_a_key(server: Any, recorded: Any) -> None:
    await replay([recorded()], to=server.url, dialect="twilio", speed=None, key="12345")
    sent = server.calls[0].headers["X-Twilio-Signature"]
    assert {"X-Twilio-Signature": sent} == headers("12345", f"{server.url}/twilio")


async def test_blocks_of_varying_length_carry_the_same_samples(server: Any, recorded: Any) -> None:
    path = recorded(seconds=1)
    await replay([path], to=server.url, speed=None, chunk_ms=(7, 90))
    sizes = {len(message) for message in server.calls[0].messages if isinstance(message, bytes)}
    assert server.calls[0].audio == stored(path).tobytes()
    assert len(sizes) > 5


async def test_a_native_hold_is_said_with_its_length(server: Any, recorded: Any) -> None:
    path = recorded(seconds=0.2)
    await replay([path], to=server.url, speed=None, faults=Faults(pauses=(Break(40, 60),)))
    _, pause, gap, resume, stop = server.calls[0].texts
    assert (pause, resume, stop) == ({"type": "pause"}, {"type": "resume"}, {"type": "stop"})
    assert gap == {"type": "gap", "duration_ms": 60}
    assert server.calls[0].audio == stored(path)[:320].tobytes() + stored(path)[800:].tobytes()


async def test_messages_that_a_bad_line_swallows_are_counted_and_the_positions_of_the_others_stay(
    server: Any, recorded: Any
) -> None:
    faults = Faults(loss_percent=30, reorder_percent=30)
    options = {"to": server.url, "dialect": "twilio", "speed": None, "faults": faults}
    (outcome,) = await replay([recorded(seconds=1)], **options)
    media = [message["media"] for message in server.calls[0].texts if message["event"] == "media"]
    assert outcome.error is None
    assert outcome.lost_messages == 100 - len(media) > 0
    inbound = [int(one["timestamp"]) for one in media if one["track"] == "inbound"]
    assert set(inbound) < set(range(0, 1000, 20))
    assert inbound != sorted(inbound)
    await replay([recorded(seconds=1)], **options)
    assert [message.get("media") for message in server.calls[1].texts] == [
        message.get("media") for message in server.calls[0].texts
    ]


async def test_jitter_and_stalls_pass_at_a_speed_that_has_a_clock(server: Any, recorded: Any) -> None:
    path = recorded(seconds=0.1)
    faults = Faults(jitter_ms=50, stalls=(Break(40, 100),))
    (outcome,) = await replay([path], to=server.url, speed=50, faults=faults)
    assert outcome.error is None
    assert server.calls[0].audio == stored(path).tobytes()


async def test_a_platform_that_opens_a_socket_for_each_party_is_one_call(server: Any, recorded: Any) -> None:
    async def take(socket: Any, heard: Any) -> None:
        async for message in socket:
            heard.messages.append(message)

    path = recorded(seconds=0.1)
    server.handlers["/asterisk"] = take
    (outcome,) = await replay([path], to=server.url, dialect="asterisk", speed=None)
    assert outcome.error is None
    assert sorted(call.audio for call in server.calls) == sorted(stored(path)[:, n].tobytes() for n in (0, 1))


@pytest.mark.parametrize("together", [False, True])
async def test_several_files_are_several_calls(server: Any, recorded: Any, together: bool) -> None:
    files = [recorded("a.wav"), recorded("b.wav", channels=1), recorded("other/a.wav")]
    outcomes = await replay(files, to=server.url, speed=None, together=together)
    assert [outcome.call_id for outcome in outcomes] == ["a", "b", "a-2"]
    assert [outcome.error for outcome in outcomes] == [None, None, None]
    assert sorted(call.texts[0]["call_id"] for call in server.calls) == ["a", "a-2", "b"]


async def test_one_bad_file_does_not_stop_the_others(server: Any, recorded: Any) -> None:
    bad, good = await replay([Path("nowhere.wav"), recorded()], to=server.url, speed=None)
    assert isinstance(bad.error, RecordingError)
    assert good.error is None


async def test_a_server_that_is_not_there_is_the_outcome_of_each_file(recorded: Any) -> None:
    (outcome,) = await replay([recorded()], to="ws://127.0.0.1:1")
    assert isinstance(outcome.error, ConnectError)


@pytest.mark.parametrize(
    ("channels", "roles", "words"),
    [
        (2, ["customer"], "which has 2 channels; give one role per channel"),
        (1, ["customer", "agent"], "which has 1 channel; give one role per channel"),
        (3, None, "say who is on each, for example --roles customer,agent,unknown"),
    ],
)
async def test_roles_must_fit_the_channels(server: Any, recorded: Any, channels: int, roles: Any, words: str) -> None:
    (outcome,) = await replay([recorded(channels=channels)], to=server.url, roles=roles)
    assert isinstance(outcome.error, OptionError)
    assert words in str(outcome.error)
    assert server.calls == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"dialect": "morse"},
        {"speed": 0.0},
        {"encoding": "opus"},
        {"chunk_ms": 0},
        {"chunk_ms": (30, 20)},
        {"to": "http://host"},
        {"to": "ws://host:8766", "dialect": "audiosocket"},
        {"dialect": "jambonz", "faults": Faults(reorder_percent=1)},
        {"speed": None, "faults": Faults(jitter_ms=1)},
        {"speed": None, "faults": Faults(stalls=(Break(0, 1),))},
    ],
)
async def test_an_argument_that_fits_no_file_is_refused_at_once(recorded: Any, wrong: Any) -> None:
    with pytest.raises(OptionError):
        await replay([recorded()], **wrong)


async def test_a_server_that_ends_a_native_call_early_is_the_outcome(server: Any, recorded: Any) -> None:
    async def fail(socket: Any, heard: Any) -> None:
        await server.accept(socket, heard)
        await socket.send('{"type":"error","code":"idle","message":"Nothing came."}')
        await socket.close(1008)

    server.handlers["/v1/stream"] = fail
    (outcome,) = await replay([recorded(seconds=60, rate_hz=48000)], to=server.url, speed=None, on_event=lambda _: None)
    assert isinstance(outcome.error, StreamError)
    assert outcome.error.code == "idle"


@pytest.mark.parametrize("code", [1000, 1008])
async def test_a_twilio_stream_closed_before_its_stop_failed(server: Any, recorded: Any, code: int) -> None:
    async def hang_up(socket: Any, _heard: Any) -> None:
        await socket.recv()
        await socket.close(code)

    server.handlers["/twilio"] = hang_up
    (outcome,) = await replay([recorded(seconds=60)], to=server.url, dialect="twilio", speed=None)
    assert isinstance(outcome.error, StreamError)
    assert outcome.error.code == {1000: "closed", 1008: "policy"}[code]


async def test_a_talkative_server_does_not_lock_a_twilio_replay(server: Any, recorded: Any) -> None:
    async def talkative(socket: Any, heard: Any) -> None:
        for _ in range(30):
            await socket.send(json.dumps({"event": "mark", "name": "x" * 900_000}))
        await server.twilio(socket, heard)

    server.handlers["/twilio"] = talkative
    (outcome,) = await replay([recorded(seconds=5)], to=server.url, dialect="twilio", speed=None)
    assert outcome.error is None


async def test_a_callback_that_fails_ends_the_replay_with_its_own_error(server: Any, recorded: Any, make: Any) -> None:
    server.events = [make.utterance()]
    with pytest.raises(ZeroDivisionError):
        await replay([recorded()], to=server.url, speed=None, together=True, on_event=lambda _: 1 / 0)


def test_call_ids_are_the_stems_each_once() -> None:
    paths = [Path("x/a.wav"), Path("y/a.flac"), Path("a-2.wav"), Path("b.wav")]
    assert call_ids(paths) == ["a", "a-2", "a-2-2", "b"]
    assert call_ids(paths[:3], "CA1") == ["CA1", "CA1-2", "CA1-3"]


async def test_a_folder_is_played_call_by_call_and_what_is_no_call_is_told(server: Any, recorded: Any) -> None:
    folder = recorded("archive/b.wav").parent
    recorded("archive/a.wav")
    recorded("archive/c_agent.wav", channels=1)
    outcomes = await replay([folder], to=server.url, speed=None)
    assert [(one.call_id, one.error is None) for one in outcomes] == [("a", True), ("b", True), ("c_agent", False)]
    assert [call.texts[0]["call_id"] for call in server.calls] == ["a", "b"]
    assert "its partner" in str(outcomes[2].error)


async def test_a_pair_of_files_is_one_call_of_two_channels(server: Any, recorded: Any) -> None:
    agent = recorded("archive/a_agent.wav", channels=1, seconds=0.2)
    customer = recorded("archive/a_caller.wav", channels=1, seconds=0.1)
    (outcome,) = await replay([agent.parent], to=server.url, speed=None)
    start = server.calls[0].texts[0]
    assert (outcome.error, start["call_id"]) == (None, "a")
    assert start["channels"] == [{"role": "customer"}, {"role": "agent"}]
    sent = np.frombuffer(server.calls[0].audio, "<i2").reshape(-1, 2)
    np.testing.assert_array_equal(sent[:, 1], stored(agent)[:, 0])
    np.testing.assert_array_equal(sent[:800, 0], stored(customer)[:, 0])
    assert not sent[800:, 0].any()


async def test_a_table_says_ids_roles_notice_and_labels(server: Any, recorded: Any) -> None:
    call = recorded()
    (call.parent / "calls.csv").write_text(
        "file,call_id,roles,notice,label.queue\ncall.wav,CA7,agent customer,yes,billing\ngone.wav,,,,\n",
        encoding="utf-8",
    )
    notes: list[str] = []
    table = read_table(call.parent / "calls.csv")
    await replay([call], to=server.url, speed=None, metadata=table, on_note=notes.append)
    start = server.calls[0].texts[0]
    assert (start["call_id"], start["notice"], start["labels"]) == ("CA7", True, {"queue": "billing"})
    assert [one["role"] for one in start["channels"]] == ["agent", "customer"]
    assert len(notes) == 1
    with pytest.raises(OptionError, match="labels, which only native calls can carry"):
        await replay([call], to=server.url, speed=None, metadata=table, dialect="twilio")


async def test_a_telephone_number_in_a_name_does_not_leave_the_machine(server: Any, recorded: Any) -> None:
    path = recorded("out-0301234567-20261122-101504.wav")
    for _ in range(2):
        await replay([path], to=server.url, speed=None)
    first, second = (call.texts[0]["call_id"] for call in server.calls)
    assert first == second
    assert first.startswith("out-n-")
    assert first.endswith("-20261122-101504")
    assert "1234567" not in first


async def test_what_was_done_is_not_played_again_and_what_failed_is(server: Any, recorded: Any) -> None:
    folder = recorded("archive/a.wav").parent
    (folder / "b.wav").write_bytes(b"no audio")
    options = {"to": server.url, "speed": None, "resume": folder.parent / "state"}
    first = await replay([folder], **options)
    assert [(one.was_done, one.error is None) for one in first] == [(False, True), (False, False)]
    recorded("archive/b.wav")
    second = await replay([folder], **options)
    assert [(one.call_id, one.was_done) for one in second] == [("a", True), ("b", False)]
    assert [call.texts[0]["call_id"] for call in server.calls] == ["a", "b"]


async def test_a_call_that_the_server_refused_is_not_done(server: Any, recorded: Any) -> None:
    options = {"to": server.url, "speed": None, "resume": recorded().parent / "state"}
    server.refuse_with = HTTPStatus.SERVICE_UNAVAILABLE
    (refused,) = await replay([recorded()], **options)
    server.refuse_with = None
    (outcome,) = await replay([recorded()], **options)
    assert isinstance(refused.error, ConnectError)
    assert (outcome.error, outcome.was_done) == (None, False)
