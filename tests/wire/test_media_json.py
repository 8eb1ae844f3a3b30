"""What all dialects of the family do alike; the messages of each are in the manner of its vendor's documents."""

from __future__ import annotations

import itertools
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.events import Audio, Dialect, Encoding, Fault, Start, Stop, WireEvent, Withdraw
from streamer.wire.exotel import Exotel
from streamer.wire.media_json import MediaStream, one_id, texts, whole_number
from streamer.wire.plivo import Plivo
from streamer.wire.signalwire import SignalWire
from streamer.wire.telnyx import Telnyx
from streamer.wire.twilio import Twilio

Json = dict[str, Any]


def camel(name: str = "streamSid", **start: Any) -> Json:
    return {"event": "start", "sequenceNumber": "1", name: "MZ1", "start": {"tracks": ["inbound", "outbound"], **start}}


def snake(name: str, **start: Any) -> Json:
    return {"event": "start", "sequence_number": "1", name: "MZ1", "start": start}


MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
LINEAR = {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}
SNAKE_MULAW = {"encoding": "audio/x-mulaw", "sample_rate": "8000"}
SNAKE_LINEAR = {"encoding": "L16", "sample_rate": 16000}
STARTS: dict[type[MediaStream], Callable[[Json, Json], Json]] = {
    Twilio: lambda form, more: camel(callSid="CA1", mediaFormat=form, customParameters=more),
    SignalWire: lambda form, more: camel(callSid="CA1", mediaFormat=form, customParameters=more),
    Telnyx: lambda form, more: snake("stream_id", call_control_id="CA1", media_format=form, custom_parameters=more),
    Plivo: lambda form, more: {**camel("streamId", callId="CA1", mediaFormat=form), "extra_headers": json.dumps(more)},
    Exotel: lambda form, more: snake("stream_sid", call_sid="CA1", media_format=form, custom_parameters=more),
}
IDS = {Twilio: "streamSid", SignalWire: "streamSid", Telnyx: "stream_id", Plivo: "streamId", Exotel: "stream_sid"}
NUMBERS = {Twilio: "sequenceNumber", SignalWire: "sequenceNumber", Plivo: "sequenceNumber"}
FAMILY = list(STARTS)
LINEAR_TOO = [SignalWire, Telnyx, Plivo, Exotel]


def start(dialect: type[MediaStream], *, linear: bool = False, **parameters: str) -> str:
    is_snake = dialect in (Telnyx, Exotel)
    form = (
        {**SNAKE_LINEAR, "encoding": "audio/x-raw"}
        if linear and dialect is Exotel
        else SNAKE_LINEAR
        if linear and is_snake
        else LINEAR
        if linear
        else SNAKE_MULAW
        if is_snake
        else MULAW
    )
    return json.dumps(STARTS[dialect](form, parameters))


def media(dialect: type[MediaStream], number: int, payload: str = "//79/w==", **top: Any) -> str:
    message = {
        "event": "media",
        NUMBERS.get(dialect, "sequence_number"): str(number),
        IDS[dialect]: "MZ1",
        "media": {"track": "inbound", "chunk": str(number - 1), "timestamp": str(20 * number), "payload": payload},
    }
    return json.dumps({**message, **top})


def stop(dialect: type[MediaStream], number: int) -> str:
    return json.dumps({"event": "stop", NUMBERS.get(dialect, "sequence_number"): str(number), IDS[dialect]: "MZ1"})


def began(found: list[WireEvent]) -> Start:
    begun = found[0]
    assert isinstance(begun, Start)
    return begun


def code_of(found: list[WireEvent]) -> str:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault.code


@pytest.mark.parametrize("kind", FAMILY)
def test_a_stream_goes_from_start_over_audio_to_stop(kind: type[MediaStream]) -> None:
    dialect: Dialect = kind()
    begun = began(dialect.receive(start(kind)))
    assert (begun.call_id, begun.encoding, begun.rate_hz, begun.has_media_clock) == ("CA1", Encoding.PCMU, 8000, True)
    assert dialect.receive(media(kind, 2)) == [Audio(0, b"\xff\xfe\xfd\xff", 40)]
    assert dialect.receive(stop(kind, 3)) == [Stop()]
    assert dialect.closed() == []


@pytest.mark.parametrize("kind", FAMILY)
def test_it_has_a_name_of_its_own_and_nothing_to_say(kind: type[MediaStream]) -> None:
    dialect = kind()
    assert dialect.name == kind.__name__.lower()
    assert not dialect.peer_closes
    said = [dialect.ready("S1", ("customer",)), dialect.event(b"{}"), dialect.fault(Fault("x", "y")), dialect.ended(1)]
    assert said == [[], [], [], []]


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["media"], "audio_before_start"),
        (["stop"], "not_started"),
        (["start", "start"], "start_twice"),
        (["start", "stop", "media"], "after_stop"),
        (["start", "stop", "start"], "after_stop"),
    ],
)
def test_what_comes_out_of_place_is_refused(kind: type[MediaStream], messages: list[str], code: str) -> None:
    made = {"start": start(kind), "media": media(kind, 2), "stop": stop(kind, 3)}
    dialect = kind()
    *before, last = [dialect.receive(made[message]) for message in messages]
    assert not any(isinstance(event, Fault) for found in before for event in found)
    assert code_of(last) == code
    assert dialect.receive(start(kind)) == []


@pytest.mark.parametrize("kind", FAMILY)
def test_media_of_another_stream_are_refused(kind: type[MediaStream]) -> None:
    dialect = kind()
    dialect.receive(start(kind))
    assert code_of(dialect.receive(media(kind, 2, **{IDS[kind]: "MZ2"}))) == "wrong_stream"


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"),
        ("[]", "bad_json"),
        ("{}", "bad_json"),
        ('{"event":"start","x":' + "[" * 100_000, "bad_json"),
        ("\ud800", "bad_json"),
        (b"\x00", "not_text"),
        ('{"event":"start"}', "bad_start"),
        ('{"event":"start","start":{}}', "bad_start"),
        ('{"event":"start","start":7}', "bad_start"),
    ],
)
def test_what_cannot_be_read_is_refused(kind: type[MediaStream], message: str | bytes, code: str) -> None:
    assert code_of(kind().receive(message)) == code


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(
    "wrong", [{"media": None}, {"media": {}}, {"media": {"track": "inbound", "payload": "?"}}, {"media": 7}]
)
def test_media_that_cannot_be_read_are_refused(kind: type[MediaStream], wrong: Json) -> None:
    dialect = kind()
    dialect.receive(start(kind))
    assert code_of(dialect.receive(media(kind, 2, **wrong))) == "bad_media"


@pytest.mark.parametrize("kind", FAMILY)
def test_the_token_of_the_configuration_is_asked_for_and_never_shown(kind: type[MediaStream]) -> None:
    assert began(kind(token="c0ffee").receive(start(kind, token="c0ffee"))).labels == {}
    for given_token in ({}, {"token": ""}, {"token": "c0ffe"}, {"token": "ç"}):
        found = kind(token="c0ffee").receive(start(kind, **given_token))
        assert code_of(found) == "bad_token"
        assert "c0ffe" not in repr(found)


@pytest.mark.parametrize("kind", FAMILY)
def test_parameters_say_notice_and_objection_and_those_allowed_are_labels(kind: type[MediaStream]) -> None:
    message = start(kind, notice="true", withdraw="1", queue="7", name="Ann")
    begun, withdrawn = kind(label_parameters=["queue"]).receive(message)
    assert isinstance(begun, Start)
    assert begun.notice
    assert begun.labels == {"queue": "7"}
    assert withdrawn == Withdraw()
    assert not began(kind().receive(start(kind, notice="false", withdraw="0"))).notice


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize("name", ["token", "notice", "withdraw"])
def test_a_parameter_with_a_meaning_cannot_become_a_label(kind: type[MediaStream], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        kind(label_parameters=[name])


@pytest.mark.parametrize("kind", FAMILY)
def test_a_role_that_is_none_is_refused_with_the_key_that_holds_it(kind: type[MediaStream]) -> None:
    with pytest.raises(ValueError, match=rf"dialects\.{kind.name}\.roles.*'boss'"):
        kind(roles={"inbound": "boss"})


@pytest.mark.parametrize("kind", FAMILY)
def test_events_of_tomorrow_are_counted_and_let_pass(kind: type[MediaStream]) -> None:
    dialect = kind()
    dialect.receive(start(kind))
    assert dialect.receive('{"event":"hologram"}') == []
    assert dialect.receive('{"event":"hologram","media":7}') == []
    assert dialect.unknown_events == 2
    assert dialect.receive(media(kind, 2)) == [Audio(0, b"\xff\xfe\xfd\xff", 40)]


@pytest.mark.parametrize("kind", FAMILY)
def test_a_pressed_digit_leaves_no_trace(kind: type[MediaStream]) -> None:
    dialect = kind()
    dialect.receive(start(kind))
    for pressed in ({"track": "inbound", "digit": "98431277"}, {"digit": 98431277}, "98431277"):
        assert dialect.receive(json.dumps({"event": "dtmf", IDS[kind]: "MZ1", "dtmf": pressed})) == []
    assert dialect.unknown_events == 0
    assert "98431277" not in repr(vars(dialect))


@pytest.mark.parametrize("kind", FAMILY)
def test_numbers_of_callers_and_their_names_are_not_read(kind: type[MediaStream]) -> None:
    message = json.loads(start(kind))
    message["start"] |= {"from": "+4930123456", "to": 4930654321, "callerName": ["Ann"]}
    dialect = kind()
    begun = began(dialect.receive(json.dumps(message)))
    assert "4930" not in repr(begun) + repr(vars(dialect))


@pytest.mark.parametrize("kind", LINEAR_TOO)
@pytest.mark.parametrize("byte_order", ["little", "big"])
@settings(deadline=None, max_examples=25)
@given(data=st.binary(min_size=2, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_linear_samples_are_put_together_again_wherever_they_were_cut(
    kind: type[MediaStream], byte_order: Any, data: bytes, cuts: list[int]
) -> None:

    data = data[: len(data) // 2 * 2]
    dialect = kind(byte_order=byte_order)
    assert began(dialect.receive(start(kind, linear=True))).encoding is Encoding.PCM_S16LE
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    heard = b""
    for n, (begin, end) in enumerate(itertools.pairwise(edges)):
        for event in dialect.receive(media(kind, n + 2, b64encode(data[begin:end]).decode())):
            assert isinstance(event, Audio)
            assert len(event.payload) % 2 == 0
            heard += event.payload
    swapped = bytes(byte for pair in zip(data[1::2], data[::2], strict=True) for byte in pair)
    assert heard == (data if byte_order == "little" else swapped)


@pytest.mark.parametrize("kind", LINEAR_TOO)
def test_half_a_sample_before_a_loss_is_let_go(kind: type[MediaStream]) -> None:
    dialect = kind()
    dialect.receive(start(kind, linear=True))
    dialect.receive(media(kind, 2, "AQID"))  # one sample and a half
    dialect.receive(media(kind, 4, "BAUGBw=="))
    found = [*dialect.receive(media(kind, 5, "CAk=")), *dialect.receive(stop(kind, 6))]
    assert b"\x03" not in b"".join(event.payload for event in found if isinstance(event, Audio))


fields = st.dictionaries(
    st.sampled_from(
        [
            "event",
            "sequenceNumber",
            "sequence_number",
            "streamSid",
            "stream_sid",
            "stream_id",
            "streamId",
            "start",
            "media",
            "track",
            "payload",
            "timestamp",
            "chunk",
            "tracks",
            "callSid",
            "call_sid",
            "callId",
            "call_control_id",
            "media_format",
            "mediaFormat",
            "custom_parameters",
            "extra_headers",
            "encoding",
            "sample_rate",
            "sampleRate",
            "error",
            "code",
        ]
    ),
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3)),
)


def hostile(kind: type[MediaStream]) -> st.SearchStrategy[str | bytes]:
    whole = [start(kind), start(kind, linear=True), *(media(kind, n) for n in range(2, 6)), stop(kind, 9)]
    return st.one_of(
        st.sampled_from(whole),
        st.sampled_from(whole),
        st.binary(max_size=50),
        st.text(max_size=50),
        st.tuples(st.sampled_from(whole), st.integers(0, 200)).map(lambda cut: cut[0][: cut[1]]),
        fields.map(json.dumps),
        fields.map(lambda inner: json.dumps({**json.loads(whole[2]), "media": inner})),
        fields.map(lambda inner: json.dumps({**json.loads(whole[0]), "start": inner})),
        fields.map(lambda inner: json.dumps({**json.loads(whole[2]), **inner})),
        fields.map(lambda inner: json.dumps({"event": "error", "payload": inner, "error": inner})),
    )


@pytest.mark.parametrize("kind", FAMILY)
@settings(deadline=None)
@given(data=st.data())
def test_no_message_makes_it_raise_and_nothing_follows_a_fault(kind: type[MediaStream], data: st.DataObject) -> None:
    received = data.draw(st.lists(hostile(kind), max_size=15))
    dialect = kind()
    found = [event for message in received for event in dialect.receive(message)]
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert faults in ([], [len(found) - 1])
    starts = [n for n, event in enumerate(found) if isinstance(event, Start)]
    assert starts in ([], [n for n in starts if n == starts[0]])
    heard = [n for n, event in enumerate(found) if isinstance(event, Audio)]
    assert not heard or (starts and starts[0] < heard[0])
    assert all(isinstance(event, Audio | Stop) for event in dialect.closed())


def test_numbers_come_as_text_or_as_numbers() -> None:
    assert [whole_number(value) for value in ("7", 7, 7.9, 0)] == [7, 7, 7, 0]
    strange = ("", "-1", "1.5", "٣", "9" * 16, -1, 1e300, float("nan"), float("inf"), None)
    assert [whole_number(value) for value in strange] == [None] * len(strange)


def test_one_id_may_stand_in_many_places() -> None:
    assert one_id("id", None, "a", "", "a") == "a"
    assert one_id("id", None, None) == ""
    assert isinstance(one_id("id", "a", "b"), Fault)


def test_parameters_are_texts_and_numbers_only() -> None:
    assert texts({"a": " x ", "b": 7, "c": None, "d": ["x"], "e": {}, "f": "y" * 1000, "g": True}) == {
        "a": "x",
        "b": "7",
    }
    assert texts(None) == {}


SIMPLE = [Twilio, SignalWire, Plivo]


ODD_NUMBERS = [
    "",
    "-1",
    "+5",
    "1.0",
    " 7",
    "007",
    "\u0663",
    "\xb2",
    "9" * 15,
    "9" * 16,
    5,
    7.0,
    2.5,
    -3,
    1e300,
    None,
    True,
]
odd = st.sampled_from(ODD_NUMBERS)
numbers = st.one_of(st.sampled_from([1, 1, 1, 1, 1, 0, 2, -1, -2, 3, 100_000]), st.tuples(st.just("is"), odd))
"""How far from the one before, or what stands there."""
pieces = st.fixed_dictionaries(
    {},
    optional={
        "track": st.sampled_from(["inbound", "inbound", "outbound", "inbound_track", "both", "", None]),
        "timestamp": st.one_of(st.integers(0, 10**6).map(str), odd),
        "payload": st.one_of(st.binary(max_size=40).map(lambda some: b64encode(some).decode()), st.just("=?")),
    },
)
whole_pieces = st.fixed_dictionaries(
    {
        "track": st.sampled_from(["inbound", "outbound"]),
        "timestamp": st.integers(0, 10**6).map(str),
        "payload": st.binary(max_size=40).map(lambda some: b64encode(some).decode()),
    }
)
plain_media = st.tuples(
    st.just("media"), st.sampled_from([1, 1, 1, 2, -1]), st.sampled_from(["MZ1"] * 9 + ["MZ2"]), whole_pieces
)
said = st.one_of(
    plain_media,
    plain_media,
    st.tuples(st.sampled_from(["media"]), numbers, st.sampled_from(["MZ1", "MZ1", "MZ2", "", None]), pieces),
    st.tuples(st.just("media"), numbers, st.just("MZ1"), st.just(None)),
    st.tuples(st.sampled_from(["mark", "dtmf", "weather", "connected"]), numbers, st.just("MZ1"), st.just(None)),
    st.tuples(st.sampled_from(["stop", "start"]), numbers, st.just("MZ1"), st.just(None)),
)


def written(kind: type[MediaStream], one: tuple[Any, ...], before: int) -> tuple[str, int]:
    """Return a message, and the number that the next one counts from."""
    event, number, stream, piece = one
    message: Json = {"event": event}
    counts = isinstance(number, int)
    value = str(before + number) if counts else number[1]
    for name, found in ((NUMBERS[kind], value), (IDS[kind], stream), ("media", piece)):
        if found is not None:
            message[name] = found
    return json.dumps(message), before + number if counts else before


@settings(max_examples=300)
@given(
    st.sampled_from(SIMPLE),
    st.lists(said, max_size=40),
    st.lists(st.integers(1, 12), max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_messages_taken_together_mean_what_they_mean_one_by_one(
    kind: type[MediaStream], script: list[tuple[Any, ...]], together: list[int], begins: bool, linear: bool
) -> None:
    quick, slow = kind(), kind()
    messages, number = [start(kind, linear=linear and kind is not Twilio)] if begins else [], 1
    for one in script:
        message, number = written(kind, one, number)
        messages.append(message)
    for count in [*together, *[1] * len(messages)]:
        some, messages = messages[:count], messages[count:]
        before = state_of(quick)
        found: list[WireEvent] | None = quick.flow(some)  # type: ignore[assignment]
        if found is None:
            assert state_of(quick) == before, "something was taken"
            found = [event for message in some for event in quick.receive(message)]
        assert found == [event for message in some for event in slow.receive(message)]
        assert state_of(quick) == state_of(slow)


def state_of(dialect: MediaStream) -> tuple[Any, ...]:
    numbers = dialect._numbers
    return dialect._state, numbers.next, list(numbers._missing), dialect.unknown_events


@pytest.mark.parametrize("kind", SIMPLE)
def test_of_a_stream_as_it_shall_be_all_messages_are_taken_together(kind: type[MediaStream]) -> None:
    dialect = kind()
    dialect.receive(start(kind))
    dialect.receive(media(kind, 2))
    found = dialect.flow([media(kind, number) for number in range(3, 100)])
    assert found == [Audio(0, b"\xff\xfe\xfd\xff", 20 * number) for number in range(3, 100)]


@pytest.mark.parametrize("kind", SIMPLE)
def test_bytes_are_never_taken_together_with_text(kind: type[MediaStream]) -> None:
    dialect = kind()
    dialect.receive(start(kind))
    dialect.receive(media(kind, 2))
    assert dialect.flow([media(kind, 3), b"audio"]) is None
    assert dialect.flow([media(kind, 3)])


@pytest.mark.parametrize("kind", FAMILY)
def test_only_who_replaces_no_part_that_deals_with_a_piece_of_audio_takes_the_quick_way(
    kind: type[MediaStream],
) -> None:
    parts = ("_receive_media", "_channel", "_hear", "_whole", "_out_of_place", "_receive_text", "receive", "flow")
    replaced = [part for part in parts if getattr(kind, part) is not getattr(MediaStream, part)]
    assert not (kind._is_simple and replaced)
