"""What holds for every dialect, whatever its platform, a bad network or a stranger sends.

The streams come from two sides: as our own speakers play them, and as the vendors' documents show them. They are then
cut, doubled, swapped, spoilt and mixed with nonsense. What a message means is each dialect's own test.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamer_client.dialects.speaker import Message

from streamer.wire.events import Audio, Dialect, Fault, Start, Stop
from tests.wire.conversing import NAMES, SPOKEN, Heard, converse, dialect_for, path_of, reader, speakers
from tests.wire.listening import Listener
from tests.wire.vendors import HEADERS, STREAMS


@cache
def conversations(name: str) -> list[Heard]:
    """Return what each socket of a call carries where nothing goes wrong."""
    return [converse(name, speaker) for speaker in speakers(name)]


@cache
def streams(name: str) -> list[list[Message]]:
    """Return whole streams of a dialect."""
    return [STREAMS[name], *(heard.sent for heard in (conversations(name) if name in SPOKEN else []))]


def as_documented(name: str) -> Dialect:
    """Return our side of a socket that is opened as the vendor's documents show it."""
    return reader(name)(path_of(name), HEADERS.get(name, {}))


def as_replayed(name: str) -> Dialect:
    """Return our side of a socket that a replay opens."""
    return dialect_for(name, speakers(name)[0])


def test_a_dialect_is_named_once_and_spoken_by_a_replay() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(NAMES) == set(STREAMS)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_of_the_vendors_documents_is_one_call_without_fault(name: str) -> None:
    listener = Listener(as_documented(name))
    for message in STREAMS[name]:
        listener.hear(message)
    listener.closed()
    assert listener.start is not None
    assert not listener.failed


@pytest.mark.parametrize("name", SPOKEN)
def test_what_a_replay_says_is_one_call_without_fault_that_ends_in_order(name: str) -> None:
    for heard in conversations(name):
        assert len(heard.of(Start)) == len(heard.of(Stop)) == 1
        assert not heard.of(Fault)
        assert heard.of(Audio)


nonsense = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=400),
    st.sampled_from(["", b"", "{}", "[]", "null", "\ud800", "[" * 20_000, '{"event":"media"}', '{"type":"open"}']),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("9" * 400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=4,
)


@st.composite
def spoilt(draw: Any, message: Message) -> Message:
    """Change a message so that it still looks like one."""
    if isinstance(message, bytes):
        at = draw(st.integers(0, len(message)))
        return draw(st.sampled_from([message[:at], message[at:], message[:at] + b"\xff" + message[at:]]))
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict) or not parsed or not draw(st.booleans()):
        return message[: draw(st.integers(0, len(message)))]
    place = parsed
    while True:
        key = draw(st.sampled_from(sorted(place)))
        if isinstance(place[key], dict) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        if draw(st.booleans()):
            del place[key]
        else:
            place[key] = draw(values)
        return json.dumps(parsed)


def inserted(draw: Any, name: str, trouble: str) -> Any:
    """Return what trouble puts between two messages."""
    if trouble == "junk":
        return draw(nonsense)
    if trouble == "say":
        return (draw(st.sampled_from(["ready", "event", "fault", "ended"])),)
    return draw(st.sampled_from(draw(st.sampled_from(streams(name)))))


@st.composite
def troubled(draw: Any, name: str) -> list[Any]:
    """Return a stream to which a bad network, a bad platform and the server's own words happen."""
    stream: list[Any] = list(draw(st.sampled_from(streams(name))))[:14]
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(stream) - 1))
        match draw(st.sampled_from(["junk", "say", "other", "close", "drop", "double", "swap", "spoil", "spoil"])):
            case "junk" | "say" | "other" as trouble:
                stream.insert(at, inserted(draw, name, trouble))
            case "close":
                stream.insert(at, ("closed",))
            case "drop" if len(stream) > 1:
                del stream[at]
            case "double":
                stream.insert(at, stream[at])
            case "swap":
                stream[at], stream[at - 1] = stream[at - 1], stream[at]
            case "spoil" if not isinstance(stream[at], tuple):
                stream[at] = draw(spoilt(stream[at]))
    return stream


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_comes_is_answered_in_sense_or_refused_in_words(name: str, data: st.DataObject) -> None:
    listener = Listener(data.draw(st.sampled_from([as_documented, *([as_replayed] if name in SPOKEN else [])]))(name))
    is_open = True
    for item in data.draw(troubled(name)):
        if item == ("closed",):
            listener.closed()
            is_open = False  # the platform says no more, but the server may
        elif isinstance(item, tuple):
            listener.say(item[0])
        elif is_open:
            listener.hear(item)
    listener.closed()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(messages=st.lists(nonsense, max_size=8))
def test_nonsense_alone_never_starts_a_call_by_accident(name: str, messages: list[Message]) -> None:
    listener = Listener(as_documented(name))
    for message in messages:
        listener.hear(message)
    if listener.start is not None:
        # Only where the wire has no first message at all: raw audio is then a call, under an id made here.
        assert name == "freeswitch"


def audio_of(name: str, messages: list[Message]) -> dict[int, bytes]:
    """Return what is heard on each channel."""
    listener = Listener(as_replayed(name))
    heard: dict[int, bytes] = defaultdict(bytes)
    for message in messages:
        for event in listener.hear(message):
            if isinstance(event, Audio):
                heard[event.channel] += event.payload
    assert not listener.failed
    return dict(heard)


RAW = [name for name in SPOKEN if any(isinstance(message, bytes) for message in streams(name)[-1])]


@pytest.mark.parametrize("name", RAW)
@settings(max_examples=20)
@given(data=st.data())
def test_bytes_may_be_cut_and_joined_anywhere(name: str, data: st.DataObject) -> None:
    messages = conversations(name)[0].sent
    pieces: list[Message] = []
    for message in messages:
        if isinstance(message, str):
            pieces.append(message)
            continue
        cuts = sorted(data.draw(st.sets(st.integers(1, len(message) - 1), max_size=4)))
        pieces += [message[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(message)], strict=True)]
    joined: list[Message] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if isinstance(piece, bytes) and isinstance(before, bytes) and data.draw(st.booleans()):
            joined[-1] = before + piece
        else:
            joined.append(piece)
    assert audio_of(name, joined) == audio_of(name, messages) != {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["ready", "event", "fault", "ended", "closed", "hear"])
def test_the_server_may_say_anything_at_any_moment(name: str, what: str) -> None:
    for moment in range(len(STREAMS[name]) + 1):
        listener = Listener(as_documented(name))
        for message in STREAMS[name][:moment]:
            listener.hear(message)
        if what == "closed":
            listener.closed()
            listener.closed()
        elif what == "hear":
            listener.hear("\x00")
            listener.hear(b"\xff" * 9)
        else:
            listener.say(what)
            listener.say(what)


@pytest.mark.parametrize("name", NAMES)
def test_pressed_digits_and_numbers_are_not_kept(name: str) -> None:
    dialect = as_documented(name)
    for message in STREAMS[name][:-1]:
        marked = message.replace('"digit":"', '"digit":"98431277') if isinstance(message, str) else message
        for event in dialect.receive(marked):
            assert "98431277" not in repr(event)
            assert not isinstance(event, Start) or "+1" not in repr(event)
    assert "98431277" not in repr(vars(dialect))
