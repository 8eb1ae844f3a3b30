"""Asterisk's chan_websocket; the control frames are those that a real Asterisk sent, with made-up values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.asterisk import FORMATS, MAX_EARLY_BYTES, Asterisk
from streamer.wire.events import Audio, Dialect, Encoding, Fault, Role, Start, Stop, WireEvent, Withdraw

STARTED = {
    "event": "MEDIA_START",
    "connection_id": "conn1",
    "channel": "WebSocket/conn1/0x7f92",
    "channel_id": "1795328709.0",
    "format": "ulaw",
    "optimal_frame_size": 160,
    "ptime": 20,
    "channel_variables": {
        "MEDIA_WEBSOCKET_CONNECTION_ID": "conn1",
        "MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": "160",
    },
}
PLAIN = (
    "MEDIA_START connection_id:conn1 channel:WebSocket/conn1/0x7f channel_id:1795328721.2 format:ulaw "
    "optimal_frame_size:160 ptime:20"
)
DTMF = '{"event":"DTMF_END","channel_id":"1795328709.0","digit":"7"}'
DTMF_PLAIN = "DTMF_END digit:7 channel_id:1795328709.0"
PLAYBACK = [
    "MEDIA_XOFF",
    "MEDIA_XON",
    "QUEUE_DRAINED",
    "MEDIA_BUFFERING_COMPLETED 77",
    "STATUS channel_id:1.2 queue_length:43 xon_level:800 xoff_level:900 queue_full:false media_paused:false",
    "ERROR channel_id:1.2 error_text:Command too long",
    '{"event":"STATUS","channel_id":"1.2","queue_length":43,"queue_full":false}',
    '{"event":"MEDIA_MARK_PROCESSED","channel_id":"1.2","correlation_id":"m1"}',
    '{"event":"ERROR","channel_id":"1.2","error_text":"Command too long"}',
]


def start(variables: dict[str, Any] | None = None, **changes: Any) -> str:
    message = {**STARTED, "channel_variables": {**STARTED["channel_variables"], **(variables or {})}, **changes}  # type: ignore[dict-item]
    return json.dumps({key: value for key, value in message.items() if value is not ...})


def begun(dialect: Asterisk, message: str) -> Start:
    first, *_ = dialect.receive(message)
    assert isinstance(first, Start), first
    return first


def live(message: str | None = None, **options: Any) -> Asterisk:
    dialect = Asterisk(**options)
    begun(dialect, message or start())
    return dialect


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault


def heard(found: list[WireEvent]) -> bytes:
    assert all(isinstance(event, Audio) and event.channel == 0 and event.media_ms is None for event in found)
    return b"".join(event.payload for event in found if isinstance(event, Audio))


def test_a_socket_as_a_real_asterisk_opened_it_is_understood() -> None:
    dialect = Asterisk({})
    assert dialect.receive(json.dumps(STARTED)) == [
        Start(call_id="1795328709.0", roles=(Role.UNKNOWN,), encoding=Encoding.PCMU, rate_hz=8000)
    ]
    assert heard(dialect.receive(bytes(160))) == bytes(160)
    assert heard(dialect.receive(bytes(22))) == bytes(22)
    assert dialect.closed() == [Stop()]


def test_plain_control_frames_say_the_same() -> None:
    assert Asterisk({}).receive(PLAIN) == [
        Start(call_id="1795328721.2", roles=(Role.UNKNOWN,), encoding=Encoding.PCMU, rate_hz=8000)
    ]


def test_it_speaks_as_all_dialects_do_and_has_nothing_to_say() -> None:
    dialect: Dialect = Asterisk()
    assert dialect.name == "asterisk"
    said = [dialect.ready("S1", ("customer",)), dialect.event(b"{}"), dialect.fault(Fault("x", "y")), dialect.ended(1)]
    assert said == [[], [], [], []]


@pytest.mark.parametrize(("name", "form"), FORMATS.items())
def test_every_format_that_is_taken_says_encoding_and_rate(name: str, form: tuple[Encoding, int]) -> None:
    for message in (start(format=name), PLAIN.replace("format:ulaw", f"format:{name}")):
        call = begun(Asterisk(), message)
        assert (call.encoding, call.rate_hz) == form


@pytest.mark.parametrize("name", ["opus", "g722", "slin12", "slin96", "slin192", "gsm", "", "\n\r"])
def test_other_formats_are_refused_in_words_that_say_which_to_set(name: str) -> None:
    fault = fault_of(Asterisk().receive(start(format=name)))
    assert fault.code == "bad_media_format"
    assert "c(ulaw)" in fault.message
    assert "format=ulaw" in fault.message


class TestWhoAndWhichCall:
    """Variables of the channel are believed; parameters of the URI only where the configuration says so."""

    def test_variables_name_the_call_and_the_leg(self) -> None:
        call = begun(Asterisk(), start({"call": "CA1", "leg": "in"}))
        assert (call.call_id, call.roles, call.is_part) == ("CA1", (Role.CUSTOMER,), True)
        assert begun(Asterisk(), start({"call": "CA1", "leg": "out"})).roles == (Role.AGENT,)

    @pytest.mark.parametrize("mark", ["_", "__"])
    def test_variables_that_were_inherited_count_too(self, mark: str) -> None:
        call = begun(Asterisk(), start({f"{mark}call": "CA1", f"{mark}leg": "in"}))
        assert (call.call_id, call.roles) == ("CA1", (Role.CUSTOMER,))

    def test_parameters_of_the_uri_may_be_the_previous_calls_and_are_not_believed(self) -> None:
        call = begun(Asterisk({"call": "CA0", "leg": "in", "notice": "true"}), start())
        assert (call.call_id, call.roles, call.is_part) == ("1795328709.0", (Role.UNKNOWN,), False)
        assert call.notice is False

    @pytest.mark.parametrize("message", [start(), PLAIN])
    def test_they_are_where_the_configuration_says_so(self, message: str) -> None:
        call = begun(Asterisk({"call": "CA1", "leg": "out", "notice": "1"}, identity="uri"), message)
        assert (call.call_id, call.roles, call.is_part, call.notice) == ("CA1", (Role.AGENT,), True, True)

    def test_variables_win_over_parameters(self) -> None:
        dialect = Asterisk({"call": "CA0", "leg": "out"}, identity="uri")
        call = begun(dialect, start({"call": "CA1", "leg": "in"}))
        assert (call.call_id, call.roles) == ("CA1", (Role.CUSTOMER,))

    def test_a_socket_that_says_no_leg_has_the_role_of_the_configuration(self) -> None:
        assert begun(Asterisk(role=Role.CUSTOMER), start({"call": "CA1"})).roles == (Role.CUSTOMER,)
        assert begun(Asterisk(role=Role.CUSTOMER), start()).roles == (Role.CUSTOMER,)

    def test_a_leg_that_the_configuration_does_not_name_is_unknown(self) -> None:
        roles = {"in": Role.AGENT, "supervisor": Role.UNKNOWN}
        assert begun(Asterisk(roles=roles, role=Role.CUSTOMER), start({"leg": "out"})).roles == (Role.UNKNOWN,)
        assert begun(Asterisk(roles=roles, role=Role.CUSTOMER), start({"leg": "in"})).roles == (Role.AGENT,)

    def test_where_asterisk_gives_no_channel_id_the_channels_name_will_do(self) -> None:
        assert begun(Asterisk(), start(channel_id=...)).call_id == "WebSocket/conn1/0x7f92"
        assert begun(Asterisk(), PLAIN.replace(" channel_id:1795328721.2", "")).call_id == "WebSocket/conn1/0x7f"

    @pytest.mark.parametrize("strange", ["", "x" * 300, 7.5, None, ["CA1"], {}])
    def test_a_strange_call_is_none(self, strange: Any) -> None:
        call = begun(Asterisk(), start({"call": strange}))
        assert call.call_id in {"1795328709.0", "7.5"}

    def test_a_socket_that_names_nothing_is_refused(self) -> None:
        fault = fault_of(Asterisk().receive(start(channel_id="", channel="")))
        assert (fault.code, "channel_id" in fault.message) == ("bad_start", True)

    def test_only_allowed_variables_become_labels(self) -> None:
        dialect = Asterisk({"site": "7", "queue": "wrong"}, label_variables=["queue"])
        assert begun(dialect, start({"queue": "sales", "secret": "x"})).labels == {"queue": "sales"}


@pytest.mark.parametrize(("value", "told"), [("true", True), ("1", True), ("TRUE", True), ("0", False), ("", False)])
def test_a_variable_says_whether_the_person_has_been_told(value: str, told: bool) -> None:
    assert begun(Asterisk(), start({"notice": value})).notice is told


@pytest.mark.parametrize("identity", ["variables", "uri"])
def test_an_objection_counts_wherever_it_stands(identity: Any) -> None:
    by_variable = Asterisk(identity=identity).receive(start({"withdraw": "true"}))
    by_parameter = Asterisk({"withdraw": "1"}, identity=identity).receive(start())
    assert [type(event) for event in by_variable] == [type(event) for event in by_parameter] == [Start, Withdraw]
    assert [type(event) for event in Asterisk({"withdraw": "0"}).receive(start())] == [Start]


def test_audio_that_came_too_early_is_played_in_behind_the_start() -> None:
    dialect = Asterisk()
    assert dialect.receive(bytes([1] * 160)) == dialect.receive(bytes([2] * 160)) == []
    first, *rest = dialect.receive(start())
    assert isinstance(first, Start)
    assert heard(rest) == bytes([1] * 160 + [2] * 160)


def test_an_objection_comes_before_the_audio_that_came_too_early() -> None:
    dialect = Asterisk()
    dialect.receive(bytes(160))
    assert [type(event) for event in dialect.receive(start({"withdraw": "1"}))] == [Start, Withdraw, Audio]


def test_audio_without_end_and_without_a_start_is_refused() -> None:
    dialect = Asterisk()
    assert dialect.receive(bytes(MAX_EARLY_BYTES)) == []
    assert fault_of(dialect.receive(b"x")).code == "audio_before_start"


@settings(deadline=None)
@given(samples=st.binary(max_size=400), sizes=st.lists(st.integers(0, 50), max_size=30), before=st.integers(0, 30))
def test_however_samples_are_cut_and_whenever_they_come_they_arrive(
    samples: bytes, sizes: list[int], before: int
) -> None:
    dialect = Asterisk()
    found: list[WireEvent] = []
    data = samples
    for count, size in enumerate([*sizes, len(data)]):
        if count == before:
            found += dialect.receive(start(format="slin16"))
        found += dialect.receive(data[:size])
        data = data[size:]
    if not found:
        found += dialect.receive(start(format="slin16"))
    call, *audio = [event for event in found if isinstance(event, Start | Audio)]
    assert isinstance(call, Start)
    assert heard(list(audio)) == samples[: len(samples) // 2 * 2]


def test_samples_of_a_machine_with_the_other_byte_order_are_turned_round() -> None:
    dialect = live(start(format="slin"), byte_order="big")
    assert heard(dialect.receive(b"\x01\x02\x03\x04")) == b"\x02\x01\x04\x03"


@pytest.mark.parametrize("message", [DTMF, DTMF_PLAIN, *PLAYBACK])
def test_digits_and_what_is_said_of_playback_mean_nothing_and_leave_no_trace(message: str) -> None:
    dialect = live()
    before = repr(vars(dialect))
    assert dialect.receive(message) == []
    assert repr(vars(dialect)) == before


@pytest.mark.parametrize("message", ["MEDIA_HOLOGRAM depth:3", '{"event":"MEDIA_HOLOGRAM","format":7}', "MEDIA_STAR"])
def test_events_of_tomorrow_are_ignored_and_counted(message: str) -> None:
    dialect = live()
    assert dialect.receive(message) == []
    assert dialect.unknown_events == 1
    assert heard(dialect.receive(b"\xff")) == b"\xff"


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        ("", "bad_control", "MEDIA_START"),
        ("hello", "bad_control", "'hello'"),
        ("\ud800", "bad_control", "MEDIA_START"),
        ("[]", "bad_control", "'[]'"),
        ("{", "bad_json", "JSON"),
        ("{}", "bad_json", "event"),
        (' {"event":7}', "bad_json", "event"),
        ('{"event":"x","y":' + "[" * 100_000, "bad_json", "nested"),
        ('{"event":"\ud800"}', "bad_json", "surrogate"),
        ('{"event":"MEDIA_START","format":7}', "bad_start", "format"),
        ('{"event":"MEDIA_START","channel_variables":[]}', "bad_start", "channel_variables"),
        ("MEDIA_START", "bad_media_format", "ulaw"),
        ("MEDIA_START format:ulaw", "bad_start", "channel_id"),
    ],
)
def test_a_wrong_beginning_is_refused_in_words(message: str, code: str, names: str) -> None:
    fault = fault_of(Asterisk().receive(message))
    assert fault.code == code
    assert names in fault.message
    assert len(fault.message) < 300


def test_null_variables_are_none() -> None:
    assert begun(Asterisk(), start(channel_variables=None)).call_id == "1795328709.0"


@pytest.mark.parametrize("message", [start(), PLAIN])
def test_a_second_start_is_refused(message: str) -> None:
    assert fault_of(live().receive(message)).code == "start_twice"


def test_a_socket_that_closes_before_its_start_was_no_call() -> None:
    dialect = Asterisk()
    dialect.receive(bytes(160))
    assert dialect.closed() == []
    assert dialect.receive(start()) == []


def test_after_the_close_or_a_fault_nothing_is_heard() -> None:
    closed = live()
    assert [closed.closed(), closed.closed(), closed.receive(bytes(160))] == [[Stop()], [], []]
    failed = Asterisk()
    fault_of(failed.receive("hello"))
    assert [failed.receive(start()), failed.closed()] == [[], []]


fields = st.dictionaries(
    st.sampled_from(["event", "format", "channel", "channel_id", "channel_variables"]),
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=9)
    | st.dictionaries(st.text(), st.none()),
)
messages = st.one_of(
    st.binary(max_size=50),
    st.text(max_size=50),
    st.sampled_from([start(), PLAIN, DTMF, DTMF_PLAIN, *PLAYBACK]),
    st.sampled_from([start(), PLAIN, DTMF, DTMF_PLAIN]).flatmap(
        lambda whole: st.integers(0, len(whole)).map(lambda length: whole[:length])
    ),
    fields.map(json.dumps),
    fields.map(lambda changes: json.dumps({**STARTED, **changes})),
)


@settings(deadline=None)
@given(received=st.lists(messages, max_size=20), parameters=st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_no_message_makes_it_raise_and_nothing_follows_a_fault(
    received: list[str | bytes], parameters: dict[str, str]
) -> None:
    dialect = Asterisk(parameters, identity="uri")
    found = [event for message in received for event in dialect.receive(message)]
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    starts = [n for n, event in enumerate(found) if isinstance(event, Start)]
    assert faults in ([], [len(found) - 1])
    assert starts in ([], [0])
    assert dialect.closed() == ([Stop()] if starts and not faults else [])
