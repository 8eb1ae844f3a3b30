"""The native protocol, message by message."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.events import (
    Audio,
    Dialect,
    Encoding,
    Fault,
    Gap,
    Notice,
    Pause,
    Resume,
    Role,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)
from streamer.wire.native import MAX_CHANNELS, SAMPLE_RATES_HZ, Native

START: dict[str, Any] = {
    "type": "start",
    "version": 1,
    "call_id": "CA1",
    "channels": [{"role": "customer"}, {"role": "agent"}],
    "encoding": "pcm_s16le",
    "sample_rate": 8000,
}


def text(**fields: Any) -> str:
    return json.dumps(fields)


def start(**changes: Any) -> str:
    return json.dumps({key: value for key, value in {**START, **changes}.items() if value is not ...})


def live(**changes: Any) -> Native:
    dialect = Native()
    (begun,) = dialect.receive(start(**changes))
    assert isinstance(begun, Start)
    return dialect


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault


@given(
    st.lists(st.one_of(st.binary(max_size=9), st.sampled_from(["pause", "stop"])), max_size=20),
    st.lists(st.integers(1, 5), max_size=20),
    st.sampled_from([{}, {"channels": [{"role": "customer"}]}, {"encoding": "pcmu"}]),
    st.booleans(),
)
def test_messages_taken_together_mean_what_they_mean_one_by_one(
    script: list[str | bytes], together: list[int], changes: dict[str, Any], begins: bool
) -> None:
    quick, slow = (live(**changes), live(**changes)) if begins else (Native(), Native())
    messages = [one if isinstance(one, bytes) else text(type=one) for one in script]
    heard: dict[int, bytes] = {}
    for count in [*together, *[1] * len(messages)]:
        some, messages = messages[:count], messages[count:]
        audio = quick.flow(some)
        found = [event for message in some for event in quick.receive(message)] if audio is None else list(audio)
        expected = [event for message in some for event in slow.receive(message)]
        assert quick._state == slow._state
        if audio is None:
            assert found == expected
            continue
        assert all(type(message) is bytes for message in some)
        assert all(piece.pieces == len(some) for piece in audio)
        heard = {piece.channel: piece.payload for piece in audio}
        for event in expected:
            assert isinstance(event, Audio)
            assert heard[event.channel].startswith(event.payload)
            heard[event.channel] = heard[event.channel][len(event.payload) :]
        assert not any(heard.values())


def test_it_speaks_as_all_dialects_do() -> None:
    dialect: Dialect = Native()
    assert dialect.name == "native"


def test_a_start_with_all_fields_means_what_it_says() -> None:
    found = Native().receive(start(labels={"queue": "repairs"}, events=True, notice=True, speed=None))
    assert found == [
        Start(
            call_id="CA1",
            roles=(Role.CUSTOMER, Role.AGENT),
            encoding=Encoding.PCM_S16LE,
            rate_hz=8000,
            labels={"queue": "repairs"},
            notice=True,
            wants_events=True,
            has_media_clock=False,
            speed=None,
        )
    ]


def test_what_a_start_leaves_out_has_its_default_and_what_is_unknown_is_ignored() -> None:
    (begun,) = Native().receive(start(color="blue"))
    assert isinstance(begun, Start)
    assert (begun.labels, begun.notice, begun.wants_events, begun.speed) == ({}, False, False, 1.0)


@pytest.mark.parametrize("rate_hz", SAMPLE_RATES_HZ)
def test_every_rate_of_the_manual_is_taken_for_linear_samples(rate_hz: int) -> None:
    (begun,) = Native().receive(start(sample_rate=rate_hz))
    assert isinstance(begun, Start)
    assert begun.rate_hz == rate_hz


@given(
    st.sampled_from(list(Encoding)),
    st.integers(1, MAX_CHANNELS),
    st.binary(max_size=400),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_however_the_bytes_are_cut_each_channel_gets_its_own_samples(
    encoding: Encoding, n_channels: int, data: bytes, cuts: list[int]
) -> None:
    width = encoding.bytes_per_sample
    data = data[: len(data) - len(data) % (width * n_channels)]
    dialect = live(encoding=encoding, channels=[{"role": "unknown"}] * n_channels)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    heard = [b""] * n_channels
    for begin, end in pairwise(edges):
        for audio in dialect.receive(data[begin:end]):
            assert isinstance(audio, Audio)
            assert audio.media_ms is None
            heard[audio.channel] += audio.payload
    samples = np.frombuffer(data, np.uint8).reshape(-1, n_channels, width)
    assert heard == [samples[:, channel].tobytes() for channel in range(n_channels)]
    assert dialect.receive(text(type="stop")) == [Stop()]


def test_a_sample_may_be_cut_by_a_control_message() -> None:
    dialect = live(channels=[{"role": "customer"}])
    assert dialect.receive(b"\x01") == []
    assert dialect.receive(text(type="gap", duration_ms=20)) == [Gap(20)]
    assert dialect.receive(b"\x02") == [Audio(0, b"\x01\x02")]


def test_an_empty_binary_message_says_nothing() -> None:
    assert live().receive(b"") == []


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (text(type="gap", duration_ms=1500), Gap(1500)),
        (text(type="gap", duration_ms=0.5), Gap(0.5)),
        (text(type="pause"), Pause()),
        (text(type="resume"), Resume()),
        (text(type="notice"), Notice()),
        (text(type="withdraw"), Withdraw()),
        (text(type="stop"), Stop()),
    ],
)
def test_each_control_message_has_its_event(message: str, meaning: WireEvent) -> None:
    assert live().receive(message) == [meaning]


@pytest.mark.parametrize("kind", ["pause", "resume", "notice", "withdraw", "stop"])
def test_a_control_message_before_start_is_refused(kind: str) -> None:
    fault = fault_of(Native().receive(text(type=kind)))
    assert fault.code == "not_started"
    assert kind in fault.message


def test_audio_before_start_is_refused() -> None:
    assert fault_of(Native().receive(b"\x00\x00")).code == "audio_before_start"


def test_a_second_start_is_refused() -> None:
    assert fault_of(live().receive(start())).code == "start_twice"


@pytest.mark.parametrize(
    "message", [b"\x00\x00", b"", start(), *(text(type=kind) for kind in ("stop", "notice", "withdraw"))]
)
def test_after_stop_nothing_more_is_taken(message: str | bytes) -> None:
    dialect = live()
    dialect.receive(text(type="stop"))
    assert fault_of(dialect.receive(message)).code == "after_stop"


@pytest.mark.parametrize(("encoding", "odd"), [("pcm_s16le", 7), ("pcm_s16le", 2), ("pcmu", 1)])
def test_a_stop_in_the_middle_of_a_frame_is_refused(encoding: str, odd: int) -> None:
    dialect = live(encoding=encoding)
    dialect.receive(b"\x00" * odd)
    assert fault_of(dialect.receive(text(type="stop"))).code == "odd_bytes"


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        ("", "bad_json", "JSON"),
        ("{", "bad_json", "JSON"),
        ("[]", "bad_json", "array"),
        ('{"type":7}', "bad_json", "type"),
        ("[" * 100_000, "bad_json", "JSON"),
        ('{"type":"gap","deep":' + "[" * 100_000, "bad_json", "nested"),
        ("\ud800", "bad_json", "surrogate"),
        ("{}", "unknown_type", "''"),
        (text(type="hello"), "unknown_type", "'hello'"),
        (text(type="x" * 10_000), "unknown_type", "xxx..."),
        (start(version=...), "bad_start", "version"),
        (start(version=2), "bad_start", "version 2"),
        (start(version="1"), "bad_start", "version"),
        (start(call_id=...), "bad_start", "call_id"),
        (start(call_id=""), "bad_start", "call_id"),
        (start(call_id="x" * 257), "bad_start", "call_id"),
        (start(channels=...), "bad_start", "channels"),
        (start(channels=[]), "bad_start", "0 channels"),
        (start(channels=[{}]), "bad_start", "role"),
        (start(channels=[{"role": "agent"}] * 9), "too_many_channels", "9 channels"),
        (start(channels=[{"role": "boss"}]), "unknown_role", "'boss'"),
        (start(encoding=...), "bad_start", "encoding"),
        (start(encoding="opus"), "unknown_encoding", "'opus'"),
        (start(sample_rate=...), "bad_start", "sample_rate"),
        (start(sample_rate=11025), "bad_sample_rate", "11025"),
        (start(encoding="pcmu", sample_rate=16000), "bad_sample_rate", "8000"),
        (start(encoding="pcma", sample_rate=48000), "bad_sample_rate", "8000"),
        (start(labels={"queue": 7}), "bad_start", "labels"),
        (start(labels={"k": "v" * 257}), "bad_start", "labels"),
        (start(labels={str(n): "" for n in range(33)}), "bad_start", "labels"),
        (start(events="yes"), "bad_start", "events"),
        (start(notice=1), "bad_start", "notice"),
        (start(speed=0), "bad_start", "speed"),
        (start(speed="max"), "bad_start", "speed"),
        ('{"type":"gap","duration_ms":1e999}', "bad_gap", "duration_ms"),
        (text(type="gap"), "bad_gap", "duration_ms"),
        (text(type="gap", duration_ms=-1), "bad_gap", "duration_ms"),
        (text(type="gap", duration_ms=1e9), "bad_gap", "duration_ms"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(message: str, code: str, names: str) -> None:
    fault = fault_of(Native().receive(message))
    assert fault.code == code
    assert names in fault.message
    assert len(fault.message) < 300


def test_after_a_fault_nothing_is_heard() -> None:
    dialect = Native()
    fault_of(dialect.receive("{"))
    assert dialect.receive(start()) == []
    assert dialect.receive(b"\x00\x00") == []


messages = st.one_of(
    st.binary(max_size=50),
    st.text(max_size=50),
    st.sampled_from([start(), *(text(type=kind) for kind in ("gap", "pause", "resume", "notice", "withdraw", "stop"))]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*START, "labels", "speed"]), inner)
        ),
        max_leaves=9,
    ).map(json.dumps),
)


@given(st.lists(messages, max_size=20))
def test_no_message_makes_it_raise_and_nothing_follows_a_fault(received: list[str | bytes]) -> None:
    dialect = Native()
    found = [event for message in received for event in dialect.receive(message)]
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert faults in ([], [len(found) - 1])


def test_its_replies_are_those_of_the_manual() -> None:
    dialect = live(events=True)
    assert list(map(json.loads, dialect.ready("S1", ("customer",)))) == [
        {"type": "ready", "session_id": "S1", "analysed": ["customer"]}
    ]
    assert dialect.event(b'{"id":"01JD"}') == ['{"type":"event","event":{"id":"01JD"}}']
    assert list(map(json.loads, dialect.fault(Fault("bad_json", "no")))) == [
        {"type": "error", "code": "bad_json", "message": "no"}
    ]
    assert list(map(json.loads, dialect.ended(3))) == [{"type": "ended", "utterances": 3}]


@pytest.mark.parametrize("dialect", [Native(), live()])
def test_events_go_only_to_who_asked_for_them(dialect: Native) -> None:
    assert dialect.event(msgspec.json.encode({"id": "01JD"})) == []


def test_a_socket_that_closes_says_nothing_of_the_call() -> None:
    assert Native().closed() == []
    assert live().closed() == []
    stopped = live()
    stopped.receive(text(type="stop"))
    assert stopped.closed() == []
    cut_in_a_sample = live()
    cut_in_a_sample.receive(b"\0")
    assert cut_in_a_sample.closed() == []
