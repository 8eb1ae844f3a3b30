"""FreeSWITCH's forks: what the modules send is written from their sources, not from a client of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.events import Audio, Encoding, Fault, Role, Start, Stop, WireEvent, Withdraw
from streamer.wire.freeswitch import FreeSwitch

STEREO = "/freeswitch?call=5f0c-11&rate=8000&channels=2&roles=customer,agent"
FRAME = b"\x01\x02\x11\x12"
SECOND = 8000 * b"\x01\x02"
"""A second of one channel."""


def never() -> str:
    raise AssertionError("an id was made where the call had one")


def dialect_at(target: str, new_call_id: Callable[[], str] = never, **options: Any) -> FreeSwitch:
    return FreeSwitch(target, new_call_id, **options)


def start_of(target: str, first: str | bytes = FRAME, **options: Any) -> Start:
    found = dialect_at(target, **options).receive(first)
    assert isinstance(found[0], Start), found
    return found[0]


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault


def test_the_address_says_all_there_is_to_say() -> None:
    dialect = dialect_at(STEREO)
    assert dialect.receive(FRAME) == [
        Start(call_id="5f0c-11", roles=(Role.CUSTOMER, Role.AGENT), encoding=Encoding.PCM_S16LE, rate_hz=8000),
        Audio(0, b"\x01\x02"),
        Audio(1, b"\x11\x12"),
    ]
    assert dialect.closed() == [Stop()]


def test_the_metadata_says_it_too() -> None:
    metadata = '{"call":"5f0c-11","rate":"16000","channels":2,"roles":["agent","customer"],"notice":true}'
    dialect = dialect_at("/freeswitch")
    assert dialect.receive(metadata) == [
        Start(
            call_id="5f0c-11",
            roles=(Role.AGENT, Role.CUSTOMER),
            encoding=Encoding.PCM_S16LE,
            rate_hz=16000,
            notice=True,
        )
    ]


def test_metadata_may_look_like_that_of_jambonz() -> None:
    start = start_of("/freeswitch", '{"callSid":"5f0c-11","sampleRate":16000,"mixType":"stereo"}')
    assert (start.call_id, start.rate_hz, start.roles) == ("5f0c-11", 16000, (Role.CUSTOMER, Role.AGENT))


def test_the_address_wins_over_header_and_metadata() -> None:
    metadata = '{"call":"from-metadata","rate":16000,"notice":true}'
    start = start_of(STEREO, metadata, header_call_id="from-header")
    assert (start.call_id, start.rate_hz, start.notice) == ("5f0c-11", 8000, True)
    assert start_of("/freeswitch", metadata, header_call_id="from-header").call_id == "from-header"
    assert start_of("/freeswitch", metadata).call_id == "from-metadata"


def test_the_field_of_the_call_is_configured() -> None:
    assert start_of("/freeswitch?uuid=5f0c-11", call_field="uuid").call_id == "5f0c-11"
    assert start_of("/freeswitch", '{"uuid":"5f0c-11"}', call_field="uuid").call_id == "5f0c-11"


def test_what_nobody_says_is_configured() -> None:
    assert start_of("/freeswitch?call=1").roles == (Role.UNKNOWN,)
    configured = start_of("/freeswitch?call=1", mono=Role.CUSTOMER, rate_hz=16000)
    assert (configured.roles, configured.rate_hz) == ((Role.CUSTOMER,), 16000)
    assert start_of("/freeswitch?call=1", channels=2).roles == (Role.CUSTOMER, Role.AGENT)
    assert start_of("/freeswitch?call=1", channels=2, stereo=(Role.AGENT, Role.CUSTOMER)).roles == (
        Role.AGENT,
        Role.CUSTOMER,
    )


@pytest.mark.parametrize(
    ("query", "heard"),
    [
        ("channels=1", (Role.CUSTOMER,)),
        ("mix=mono", (Role.CUSTOMER,)),
        ("mix=mixed", (Role.UNKNOWN,)),
        ("mix=mixed&roles=customer", (Role.CUSTOMER,)),
        ("mix=stereo", (Role.CUSTOMER, Role.AGENT)),
        ("roles=agent", (Role.AGENT,)),
        ("roles=agent,customer", (Role.AGENT, Role.CUSTOMER)),
        ("roles=agent%2Ccustomer&channels=2&mix=stereo", (Role.AGENT, Role.CUSTOMER)),
    ],
)
def test_channels_and_roles_follow_from_each_other(query: str, heard: tuple[Role, ...]) -> None:
    assert start_of(f"/freeswitch?call=1&{query}", mono=Role.CUSTOMER).roles == heard


def test_a_socket_can_be_one_of_several_of_a_call() -> None:
    assert start_of("/freeswitch?call=1&roles=customer&part=true").is_part
    assert not start_of("/freeswitch?call=1&roles=customer").is_part


def test_only_fields_that_are_configured_become_labels() -> None:
    metadata = '{"queue":"sales","caller":"+15551234567"}'
    assert start_of("/freeswitch?call=1&skill=7", metadata, label_fields=["queue", "skill"]).labels == {
        "queue": "sales",
        "skill": "7",
    }


def test_the_person_may_have_objected() -> None:
    found = dialect_at("/freeswitch?call=1&withdraw=1").receive(FRAME)
    assert [type(event) for event in found] == [Start, Withdraw, Audio]


class TestWithoutAnId:
    """Where the address does not name the call."""

    def test_audio_waits_for_the_metadata(self) -> None:
        dialect = dialect_at("/freeswitch")
        assert dialect.receive(b"\x01\x02") == dialect.receive(b"\x03") == []
        start, audio = dialect.receive('{"call":"5f0c-11","roles":"customer"}')
        assert isinstance(start, Start)
        assert start.call_id == "5f0c-11"
        assert audio == Audio(0, b"\x01\x02")
        assert dialect.receive(b"\x04") == [Audio(0, b"\x03\x04")]

    def test_audio_does_not_wait_for_ever(self) -> None:
        dialect = dialect_at("/freeswitch", lambda: "made", metadata_wait_ms=1000)
        assert dialect.receive(SECOND) == []
        start, audio = dialect.receive(b"\x03\x04")
        assert isinstance(start, Start)
        assert start.call_id == "made"
        assert audio == Audio(0, SECOND + b"\x03\x04")

    @pytest.mark.parametrize("text", ["any text", "", "[]", "{}", '{"call":""}', '{"call":{"id":1}}'])
    def test_metadata_without_an_id_begins_a_call_of_our_naming(self, text: str) -> None:
        ids = iter(["made"])
        dialect = dialect_at("/freeswitch", lambda: next(ids))
        (start,) = dialect.receive(text)
        assert isinstance(start, Start)
        assert start.call_id == "made"
        assert dialect.receive(b"\x01\x02") == [Audio(0, b"\x01\x02")]

    def test_a_socket_that_closes_while_audio_waits_was_a_call(self) -> None:
        dialect = dialect_at("/freeswitch", lambda: "made")
        dialect.receive(SECOND)
        assert [type(event) for event in dialect.closed()] == [Start, Audio, Stop]
        assert dialect.closed() == []

    def test_so_is_one_that_flushes(self) -> None:
        dialect = dialect_at("/freeswitch", lambda: "made")
        dialect.receive(SECOND)
        assert [type(event) for event in dialect.receive(b"")] == [Start, Audio, Stop]
        assert dialect.closed() == []

    def test_a_socket_that_closes_before_anything_came_was_none(self) -> None:
        assert dialect_at("/freeswitch").closed() == []


@pytest.mark.parametrize(
    ("query", "code", "names"),
    [
        ("rate=64000", "bad_sample_rate", "'64000'"),
        ("rate=8k", "bad_sample_rate", "'8k'"),
        ("channels=3", "bad_start", "channels"),
        ("channels=two", "bad_start", "channels"),
        ("channels=1&roles=customer,agent", "bad_start", "channels"),
        ("channels=1&mix=stereo", "bad_start", "channels"),
        ("mix=quad", "bad_start", "'quad'"),
        ("roles=boss", "bad_start", "customer"),
        ("roles=customer,agent,agent", "bad_start", "channels"),
    ],
)
@pytest.mark.parametrize("first", [FRAME, b"", "any text"])
def test_a_value_that_cannot_be_is_refused_in_words(query: str, code: str, names: str, first: str | bytes) -> None:
    dialect = dialect_at(f"/freeswitch?call=1&{query}")
    fault = fault_of(dialect.receive(first))
    assert fault.code == code
    assert names in fault.message
    assert dialect.receive(FRAME) == dialect.closed() == []


def test_it_is_refused_even_where_only_the_close_shows_it() -> None:
    dialect = dialect_at("/freeswitch?rate=1", lambda: "made")
    assert dialect.receive(FRAME) == []
    assert fault_of(dialect.closed()).code == "bad_sample_rate"


def test_one_role_for_two_channels_is_refused_when_configured() -> None:
    with pytest.raises(ValueError, match="two channels"):
        dialect_at("/freeswitch", stereo=[Role.CUSTOMER])


metadata = st.dictionaries(
    st.sampled_from(["call", "rate", "channels", "mix", "roles", "part", "notice"]),
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["stereo", "agent", "16000", "x"]),
).map(json.dumps)


@given(
    target=st.sampled_from(
        [STEREO, "/freeswitch", "/freeswitch?call=", "/freeswitch?%zz=%ff&&=", "/freeswitch?rate=1"]
    ),
    received=st.lists(st.binary(max_size=9) | metadata | st.sampled_from(["", "x", "\ud800"]), max_size=10),
    wait_ms=st.sampled_from([0, 1, 1000]),
)
def test_no_message_makes_it_raise_and_nothing_precedes_the_start(
    target: str, received: list[str | bytes], wait_ms: int
) -> None:
    dialect = dialect_at(target, lambda: "made", metadata_wait_ms=wait_ms)
    found = [event for message in received for event in dialect.receive(message)] + dialect.closed()
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert faults in ([], [len(found) - 1])
    assert not found or isinstance(found[0], Start | Fault)
    assert sum(isinstance(event, Start) for event in found) <= 1
    assert bool(faults) or not found or isinstance(found[-1], Stop) or Stop() in found
