"""What jambonz and FreeSWITCH streams have in common once they have begun."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.events import Audio, Dialect, Fault, Notice, Pause, Resume, Start, Stop, WireEvent, Withdraw
from streamer.wire.fork import Fork
from streamer.wire.freeswitch import FreeSwitch
from streamer.wire.jambonz import Jambonz

FRAME = b"\x01\x02\x11\x12"
"""One sample of the caller, one of the callee."""
EMPTY = b""
DTMF = '{"event":"dtmf","dtmf":"2","duration":"1600"}'


def jambonz() -> Fork:
    dialect = Jambonz()
    (start,) = dialect.receive('{"sampleRate":8000,"mixType":"stereo","callSid":"0f3c"}')
    assert isinstance(start, Start)
    return dialect


def freeswitch() -> Fork:
    dialect = FreeSwitch("/freeswitch?call=0f3c&channels=2", lambda: "made")
    (start,) = dialect.receive("metadata of any kind")
    assert isinstance(start, Start)
    return dialect


both = pytest.mark.parametrize("live", [jambonz, freeswitch])
Live = Callable[[], Fork]


@both
def test_it_speaks_as_all_dialects_do_and_has_nothing_to_say(live: Live) -> None:
    dialect: Dialect = live()
    said = [dialect.ready("S1", ("customer",)), dialect.event(b"{}"), dialect.fault(Fault("x", "y")), dialect.ended(1)]
    assert said == [[], [], [], []]
    assert dialect.peer_closes


@both
@given(cuts=st.lists(st.integers(0, 4000), max_size=9))
def test_audio_of_any_message_size_reaches_its_party_whole(live: Live, cuts: list[int]) -> None:
    dialect, data = live(), 1000 * FRAME
    heard: list[WireEvent] = []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        heard += dialect.receive(data[begin:end]) if end > begin else []
    parts = [b"".join(event.payload for event in heard if event.channel == channel) for channel in (0, 1)]
    assert parts == [1000 * b"\x01\x02", 1000 * b"\x11\x12"]
    assert {event.media_ms for event in heard} == {None}


@both
def test_an_empty_message_is_the_end_of_the_audio_however_often_it_comes(live: Live) -> None:
    dialect = live()
    assert dialect.receive(FRAME) == [Audio(0, b"\x01\x02"), Audio(1, b"\x11\x12")]
    assert dialect.receive(EMPTY) == [Stop()]
    assert [dialect.receive(message) for message in (EMPTY, "bye", DTMF, EMPTY)] == [[], [], [], []]
    assert dialect.closed() == []


@both
def test_audio_behind_the_end_is_a_fault(live: Live) -> None:
    dialect = live()
    dialect.receive(EMPTY)
    (fault,) = dialect.receive(FRAME)
    assert isinstance(fault, Fault)
    assert fault.code == "after_stop"
    assert dialect.receive(FRAME) == dialect.closed() == []


@both
def test_a_socket_that_closes_ends_the_call_half_a_frame_or_not(live: Live) -> None:
    dialect = live()
    dialect.receive(FRAME + b"\x01")
    assert dialect.closed() == [Stop()]
    assert dialect.closed() == []


@both
def test_pressed_digits_say_nothing_and_leave_no_trace(live: Live) -> None:
    dialect = live()
    assert dialect.receive(DTMF.replace('"2"', '"98431277"')) == []
    assert dialect.unknown_events == 0
    assert "98431277" not in repr(vars(dialect))


@both
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type":"notice"}', [Notice()]),
        ('{"type":"withdraw"}', [Withdraw()]),
        ('{"type":"pause"}', [Pause()]),
        ('{"type":"resume"}', [Resume()]),
        ('{"notice":true}', [Notice()]),
        ('{"notice":"true","withdraw":"1"}', [Notice(), Withdraw()]),
    ],
)
def test_the_dialplan_can_say_things_in_mid_call(live: Live, text: str, said: list[WireEvent]) -> None:
    dialect = live()
    assert dialect.receive(text) == said
    assert dialect.unknown_events == 0


@both
@pytest.mark.parametrize("text", ["bye", "", "[]", '{"type":"weather"}', '{"type":["notice"]}', '{"notice":false}'])
def test_other_texts_are_let_pass_and_counted(live: Live, text: str) -> None:
    dialect = live()
    assert dialect.receive(text) == []
    assert dialect.unknown_events == 1
    assert dialect.receive(FRAME) == [Audio(0, b"\x01\x02"), Audio(1, b"\x11\x12")]


messages = st.one_of(
    st.binary(max_size=9),
    st.sampled_from([EMPTY, DTMF, '{"type":"notice"}', '{"type":7}', '{"event":{}}', "", "\ud800", "é{"]),
)


@both
@given(received=st.lists(messages, max_size=12), closes=st.booleans())
def test_no_message_makes_it_raise_and_a_call_ends_once(live: Live, received: list[str | bytes], closes: bool) -> None:
    dialect = live()
    found = [event for message in received for event in dialect.receive(message)]
    found += dialect.closed() if closes else []
    ends = [n for n, event in enumerate(found) if isinstance(event, Stop)]
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert len(ends) <= 1
    assert faults in ([], [len(found) - 1])
    after = found[ends[0] :] if ends else []
    assert not any(isinstance(event, Audio) for event in after)
