"""AudioCodes' Bot API; the messages are written from the vendor's documents and its own server side."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.audiocodes import FORMATS, AudioCodes, Conversations
from streamer.wire.events import (
    Audio,
    Dialect,
    Encoding,
    Fault,
    Notice,
    Pause,
    Reply,
    Resume,
    Role,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)

INITIATE = """{"conversationId":"4a5b4b9d-dab7-42d0-a977-6740c9349588","type":"session.initiate","botName":"listen",
  "caller":"+12025550123","expectAudioMessages":true,"supportedMediaFormats":["raw/lpcm16","raw/lpcm16_8","raw/mulaw"]}"""
RESUME = '{"conversationId":"4a5b4b9d-dab7-42d0-a977-6740c9349588","type":"session.resume"}'
START = '{"conversationId":"4a5b4b9d-dab7-42d0-a977-6740c9349588","type":"userStream.start"}'
CHUNK = '{"conversationId":"4a5b4b9d-dab7-42d0-a977-6740c9349588","type":"userStream.chunk","audioChunk":"//79/w=="}'
STOP = '{"conversationId":"4a5b4b9d-dab7-42d0-a977-6740c9349588","type":"userStream.stop"}'
DTMF = """{"conversationId":"4a5b4b9d-dab7-42d0-a977-6740c9349588","type":"activities","activities":[
  {"type":"event","name":"dtmf","value":"7","id":"1","timestamp":"2026-11-22T10:00:00.000Z"}]}"""
END = """{"conversationId":"4a5b4b9d-dab7-42d0-a977-6740c9349588","type":"session.end",
  "reasonCode":"client-disconnected","reason":"Client Side"}"""
VALIDATE = '{"type":"connection.validate"}'
CONVERSATION = "4a5b4b9d-dab7-42d0-a977-6740c9349588"
BOTH = {"caller": Role.CUSTOMER, "callee": Role.AGENT}


def initiate(*formats: str, **changes: Any) -> str:
    message = {**json.loads(INITIATE), **changes}
    if formats:
        message["supportedMediaFormats"] = list(formats)
    return json.dumps({key: value for key, value in message.items() if value is not ...})


def of(message: str, participant: str | None = None, **changes: Any) -> str:
    named = {} if participant is None else {"participant": participant}
    return json.dumps({**json.loads(message), **named, **changes})


def chunk(data: bytes, participant: str | None = None) -> str:
    return of(CHUNK, participant, audioChunk=base64.b64encode(data).decode())


def activity(**given: Any) -> str:
    message = json.loads(DTMF)
    message["activities"] = [{"type": "event", "name": "start", **given}]
    return json.dumps(message)


def live(*formats: str, **options: Any) -> AudioCodes:
    dialect = AudioCodes(**options)
    first, *_ = dialect.receive(initiate(*formats))
    assert isinstance(first, Start)
    return dialect


def streaming(*formats: str, **options: Any) -> AudioCodes:
    dialect = live(*formats, **options)
    dialect.receive(START)
    return dialect


def replies(found: list[WireEvent]) -> list[dict[str, Any]]:
    return [json.loads(event.message) for event in found if isinstance(event, Reply)]


def said(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def heard(found: list[WireEvent], channel: int = 0) -> bytes:
    return b"".join(event.payload for event in found if isinstance(event, Audio) and event.channel == channel)


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert fault.close_code == 1008
    assert "\n" not in fault.message
    return fault


def test_a_session_as_documented_is_understood_and_answered() -> None:
    dialect = AudioCodes()
    begun = Start(call_id=CONVERSATION, roles=(Role.CUSTOMER,), encoding=Encoding.PCMU, rate_hz=8000, is_part=True)
    assert dialect.receive(INITIATE) == [begun, Pause()]
    assert said(dialect.ready("S1", ("customer",))) == [{"type": "session.accepted", "mediaFormat": "raw/mulaw"}]
    started = dialect.receive(START)
    assert replies(started) == [{"type": "userStream.started"}]
    assert Resume() in started
    assert dialect.receive(CHUNK) == [Audio(0, b"\xff\xfe\xfd\xff")]
    stopped = dialect.receive(STOP)
    assert replies(stopped) == [{"type": "userStream.stopped"}]
    assert Pause() in stopped
    assert dialect.receive(END) == [Stop()]


def test_it_speaks_as_all_dialects_do() -> None:
    dialect: Dialect = AudioCodes()
    assert dialect.name == "audiocodes"
    assert [dialect.event(b"{}"), dialect.ended(1), dialect.closed()] == [[], [], []]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["raw/lpcm16", "raw/lpcm16_8", "raw/mulaw"], "raw/mulaw"),
        (["raw/lpcm16", "raw/lpcm16_8"], "raw/lpcm16_8"),
        (["wav/mulaw", "raw/lpcm16_24", "raw/lpcm16"], "raw/lpcm16"),
        (["raw/lpcm16_24"], "raw/lpcm16_24"),
    ],
)
def test_of_the_formats_offered_the_telephones_own_is_chosen(offered: list[str], chosen: str) -> None:
    dialect = AudioCodes()
    first, _ = dialect.receive(initiate(*offered))
    assert isinstance(first, Start)
    assert (first.encoding, first.rate_hz) == FORMATS[chosen]
    assert said(dialect.ready("S1", ()))[0]["mediaFormat"] == chosen


@pytest.mark.parametrize("offered", [["wav/mulaw", "wav/lpcm16"], ["audio/opus"]])
def test_a_session_without_a_raw_format_is_declined_in_words(offered: list[str]) -> None:
    dialect = AudioCodes()
    fault = fault_of(dialect.receive(initiate(*offered)))
    assert fault.code == "bad_media_format"
    assert offered[0] in fault.message
    assert "raw/mulaw" in fault.message
    assert said(dialect.fault(fault)) == [{"type": "session.error", "reason": fault.message}]


def test_a_fault_in_a_session_names_the_conversation() -> None:
    dialect = live()
    fault = fault_of(dialect.receive(b"\x00"))
    assert said(dialect.fault(fault))[0]["conversationId"] == CONVERSATION


class TestParticipants:
    """Each has a channel; the configuration says which and who."""

    def test_the_configuration_gives_order_and_roles(self) -> None:
        dialect = AudioCodes({"callee": Role.AGENT, "caller": Role.CUSTOMER})
        first, _ = dialect.receive(INITIATE)
        assert isinstance(first, Start)
        assert first.roles == (Role.AGENT, Role.CUSTOMER)

    def test_two_streams_are_told_apart_and_answered_by_name(self) -> None:
        dialect = live(participants=BOTH)
        found = [event for name in BOTH for event in dialect.receive(of(START, name))]
        assert replies(found) == [{"type": "userStream.started", "participant": name} for name in BOTH]
        assert found.count(Resume()) == 1
        found = dialect.receive(chunk(b"\x01\x02", "callee")) + dialect.receive(chunk(b"\x03", "caller"))
        assert (heard(found, 0), heard(found, 1)) == (b"\x03", b"\x01\x02")
        found = [event for name in BOTH for event in dialect.receive(of(STOP, name))]
        assert [type(event) for event in found] == [Reply, Reply, Pause]

    def test_one_that_joins_late_stands_where_the_other_is(self) -> None:
        dialect = live(participants=BOTH)
        dialect.receive(of(START, "caller"))
        dialect.receive(chunk(bytes(8000), "caller"))
        dialect.receive(of(START, "callee"))
        found = dialect.receive(chunk(bytes(80), "callee")) + dialect.receive(chunk(bytes(80), "callee"))
        assert [event.media_ms for event in found if isinstance(event, Audio)] == [1000, 1010]
        assert dialect.receive(chunk(b"\x01", "caller")) == [Audio(0, b"\x01")]

    def test_one_that_stops_and_begins_again_goes_on_by_count(self) -> None:
        dialect = live(participants=BOTH)
        for name in BOTH:
            dialect.receive(of(START, name))
        dialect.receive(of(STOP, "callee"))
        dialect.receive(chunk(bytes(8000), "caller"))
        dialect.receive(of(START, "callee"))
        assert dialect.receive(chunk(b"\x01", "callee")) == [Audio(1, b"\x01")]

    def test_a_stranger_is_refused_in_words_that_say_where_to_name_him(self) -> None:
        fault = fault_of(live().receive(of(START, "supervisor")))
        assert fault.code == "unknown_participant"
        assert "'supervisor'" in fault.message
        assert "dialects.audiocodes.participants" in fault.message

    def test_where_nobody_is_named_the_open_stream_is_meant(self) -> None:
        dialect = live(participants=BOTH)
        dialect.receive(of(START, "callee"))
        assert heard(dialect.receive(CHUNK), 1) == b"\xff\xfe\xfd\xff"
        dialect.receive(of(START, "caller"))
        assert heard(dialect.receive(CHUNK), 0) == b"\xff\xfe\xfd\xff"

    def test_nobody_at_all_cannot_be_configured(self) -> None:
        with pytest.raises(ValueError, match=r"dialects\.audiocodes\.participants"):
            AudioCodes({})


class TestResume:
    """A lost socket is followed by another one that carries the conversation on."""

    def test_a_conversation_that_is_known_goes_on_in_its_format(self) -> None:
        known = Conversations()
        lost = live("raw/lpcm16_8", conversations=known)
        assert lost.closed() == []
        dialect = AudioCodes(conversations=known)
        first, pause = dialect.receive(RESUME)
        assert first == Start(
            call_id=CONVERSATION, roles=(Role.CUSTOMER,), encoding=Encoding.PCM_S16LE, rate_hz=8000, is_part=True
        )
        assert pause == Pause()
        assert said(dialect.ready("S2", ())) == [{"type": "session.accepted", "mediaFormat": "raw/lpcm16_8"}]
        dialect.receive(START)
        assert heard(dialect.receive(CHUNK)) == b"\xff\xfe\xfd\xff"

    def test_one_that_is_not_known_is_declined(self) -> None:
        dialect = AudioCodes(conversations=Conversations())
        fault = fault_of(dialect.receive(RESUME))
        assert fault.code == "unknown_conversation"
        assert said(dialect.fault(fault))[0]["type"] == "session.error"

    def test_one_that_has_ended_is_declined(self) -> None:
        known = Conversations()
        live(conversations=known).receive(END)
        assert fault_of(AudioCodes(conversations=known).receive(RESUME)).code == "unknown_conversation"

    def test_a_resume_on_the_same_socket_is_just_accepted(self) -> None:
        assert replies(live().receive(RESUME)) == [{"type": "session.accepted", "mediaFormat": "raw/mulaw"}]

    def test_a_stream_on_the_new_socket_has_no_place_of_its_own(self) -> None:
        known = Conversations()
        live(participants=BOTH, conversations=known)
        dialect = AudioCodes(BOTH, known)
        dialect.receive(RESUME)
        dialect.receive(of(START, "caller"))
        dialect.receive(chunk(bytes(800), "caller"))
        dialect.receive(of(START, "callee"))
        assert dialect.receive(chunk(b"\x01", "callee")) == [Audio(1, b"\x01")]

    def test_only_so_many_conversations_are_remembered_and_the_oldest_go(self) -> None:
        known = Conversations(most=2)
        for name in ("a", "b", "a", "c"):
            known.begin(name, "raw/mulaw")
        assert [known.format_of(name) for name in "abc"] == ["raw/mulaw", None, "raw/mulaw"]


class TestWhatIsSaidOfTheCall:
    """Activities carry parameters; labels come from the session's own fields."""

    @pytest.mark.parametrize("where", ["parameters", "activityParams"])
    @pytest.mark.parametrize(("value", "told"), [("true", True), (True, True), ("1", True), ("no", False), ({}, False)])
    def test_a_parameter_says_that_the_person_was_told_or_objects(self, where: str, value: Any, told: bool) -> None:
        assert live().receive(activity(**{where: {"notice": value}})) == [Notice()] * told
        assert live().receive(activity(**{where: {"withdraw": value}})) == [Withdraw()] * told

    def test_only_allowed_fields_become_labels(self) -> None:
        dialect = AudioCodes(label_fields=["botName", "supportedMediaFormats", "missing"])
        first, _ = dialect.receive(INITIATE)
        assert isinstance(first, Start)
        assert first.labels == {"botName": "listen"}

    def test_the_callers_number_is_nowhere(self) -> None:
        dialect = AudioCodes()
        found = dialect.receive(INITIATE)
        assert "2025550123" not in repr(found) + repr(vars(dialect))

    def test_pressed_digits_mean_nothing_and_leave_no_trace(self) -> None:
        dialect = live()
        before = repr(vars(dialect))
        assert dialect.receive(DTMF) == []
        assert repr(vars(dialect)) == before

    @pytest.mark.parametrize("strange", [{"activities": 7}, {"activities": [7]}, {"activities": [{"parameters": 7}]}])
    def test_strange_activities_are_let_pass(self, strange: dict[str, Any]) -> None:
        assert live().receive(of(DTMF, **strange)) == []

    def test_an_objection_beside_something_strange_counts(self) -> None:
        both = [{"parameters": 7, "activityParams": []}, {"parameters": {"withdraw": "true"}}]
        assert live().receive(of(DTMF, activities=both)) == [Withdraw()]


def test_a_probe_of_the_connection_is_answered_and_is_no_call() -> None:
    dialect = AudioCodes()
    assert replies(dialect.receive(VALIDATE)) == [{"type": "connection.validated", "success": True}]
    assert dialect.closed() == []


@settings(deadline=None)
@given(samples=st.binary(max_size=300), sizes=st.lists(st.integers(0, 50), max_size=20))
def test_however_samples_are_cut_they_arrive(samples: bytes, sizes: list[int]) -> None:
    dialect = streaming("raw/lpcm16")
    found: list[WireEvent] = []
    data = samples
    for size in [*sizes, len(samples)]:
        found += dialect.receive(chunk(data[:size]))
        data = data[size:]
    assert heard(found) == samples[: len(samples) // 2 * 2]


def test_samples_in_the_other_byte_order_are_turned_round() -> None:
    assert heard(streaming("raw/lpcm16", byte_order="big").receive(chunk(b"\x01\x02"))) == b"\x02\x01"


def test_half_a_sample_at_the_stop_of_a_stream_is_forgotten() -> None:
    dialect = streaming("raw/lpcm16")
    dialect.receive(chunk(b"\x01"))
    dialect.receive(STOP)
    dialect.receive(START)
    assert heard(dialect.receive(chunk(b"\x02\x03"))) == b"\x02\x03"


def test_chunks_behind_the_stop_of_their_stream_are_let_pass() -> None:
    dialect = streaming()
    dialect.receive(STOP)
    assert dialect.receive(CHUNK) == []


def test_a_stream_that_starts_twice_is_answered_twice() -> None:
    assert [type(event) for event in streaming().receive(START)] == [Reply]


@pytest.mark.parametrize("message", ['{"type":"weather"}', '{"type":"weather","audioChunk":7,"conversationId":[]}'])
def test_messages_of_tomorrow_are_ignored_and_counted(message: str) -> None:
    dialect = streaming()
    assert dialect.receive(message) == []
    assert dialect.unknown_events == 1
    assert heard(dialect.receive(CHUNK)) == b"\xff\xfe\xfd\xff"


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        ("", "bad_json", "JSON"),
        ("[]", "bad_json", "array"),
        ("{}", "bad_json", "type"),
        ('{"type":7}', "bad_json", "type"),
        ('{"type":"x","y":' + "[" * 100_000, "bad_json", "nested"),
        ("\ud800", "bad_json", "surrogate"),
        (b"\xff\x7f", "not_text", "binary"),
        (CHUNK, "audio_before_start", "session.initiate"),
        (START, "not_started", "session.initiate"),
        (STOP, "not_started", "session.initiate"),
        (initiate(conversationId=...), "bad_message", "conversationId"),
        (initiate(conversationId=""), "bad_message", "conversationId"),
        (initiate(conversationId="x" * 257), "bad_message", "conversationId"),
        (initiate(supportedMediaFormats=...), "bad_message", "supportedMediaFormats"),
        (initiate(supportedMediaFormats=[7]), "bad_message", "supportedMediaFormats"),
        (initiate(supportedMediaFormats=[]), "bad_media_format", "nothing"),
        ('{"type":"session.resume"}', "bad_message", "conversationId"),
    ],
)
def test_a_wrong_beginning_is_refused_in_words(message: str | bytes, code: str, names: str) -> None:
    fault = fault_of(AudioCodes().receive(message))
    assert fault.code == code
    assert names in fault.message
    assert len(fault.message) < 300


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        (INITIATE, "start_twice", "session.initiate"),
        (CHUNK, "audio_before_start", "userStream.start"),
        (of(CHUNK, audioChunk="?"), "bad_message", "audioChunk"),
        (of(CHUNK, audioChunk=None), "bad_message", "audioChunk"),
        (of(START, conversationId="another"), "wrong_conversation", "conversationId"),
        (of(RESUME, conversationId="another"), "wrong_conversation", "conversationId"),
        (of(END, conversationId="another"), "wrong_conversation", "conversationId"),
        (b"", "not_text", "binary"),
    ],
)
def test_a_wrong_message_in_a_session_is_refused_in_words(message: str | bytes, code: str, names: str) -> None:
    fault = fault_of(live().receive(message))
    assert fault.code == code
    assert names in fault.message


def test_a_field_that_cannot_be_read_is_no_label_and_no_accident() -> None:
    message = INITIATE.replace('"listen"', '1e999, "x": "\\ud800"')
    found = AudioCodes(label_fields=["botName"]).receive(message)
    assert isinstance(found[0], Start | Fault)


def test_after_the_end_or_a_fault_nothing_is_heard() -> None:
    ended = live()
    assert [ended.receive(END), ended.receive(END), ended.receive(START), ended.closed()] == [[Stop()], [], [], []]
    failed = AudioCodes()
    fault_of(failed.receive(START))
    assert failed.receive(INITIATE) == []
    assert AudioCodes().receive(END) == []


fields = st.dictionaries(
    st.sampled_from(["type", "conversationId", "participant", "audioChunk", "activities", "supportedMediaFormats"]),
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=9)),
)
documented = st.sampled_from([INITIATE, RESUME, START, CHUNK, STOP, DTMF, END, VALIDATE])
messages = st.one_of(
    st.binary(max_size=50),
    st.text(max_size=50),
    documented,
    documented.flatmap(lambda whole: st.integers(0, len(whole)).map(lambda length: whole[:length])),
    fields.map(json.dumps),
    st.tuples(documented, fields).map(lambda both: json.dumps({**json.loads(both[0]), **both[1]})),
)


@settings(deadline=None)
@given(st.lists(messages, max_size=20))
def test_no_message_makes_it_raise_and_nothing_follows_a_fault(received: list[str | bytes]) -> None:
    dialect = AudioCodes(BOTH, label_fields=["participant"])
    found = [event for message in received for event in dialect.receive(message)]
    ends = [n for n, event in enumerate(found) if isinstance(event, Fault | Stop)]
    starts = [n for n, event in enumerate(found) if isinstance(event, Start)]
    assert ends in ([], [len(found) - 1])
    assert len(starts) <= 1
    assert all(isinstance(event, Reply) for event in found[: starts[0] if starts else -1])
    json.loads(str(dialect.fault(Fault("x", "y"))[0]))
