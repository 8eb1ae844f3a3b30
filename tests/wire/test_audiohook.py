"""Genesys AudioHook; the messages are written from the vendor's types and state machines, not from a client of ours."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.audiohook import AudioHook
from streamer.wire.events import (
    Audio,
    Dialect,
    Encoding,
    Fault,
    Gap,
    Pause,
    Reply,
    Resume,
    Role,
    Start,
    Stop,
    WireEvent,
    Withdraw,
)

SESSION = "9dfe11a3-2bd0-4ba3-8f2c-0c2f2c9c7c11"
ORGANIZATION = "e9fc63d1-1f0f-4a2b-9d7e-6a5c0b1f7a22"
CONVERSATION = "2c2e5f0c-9c37-4d7a-8b51-0d3f7f3d9e33"
NOBODY = "00000000-0000-0000-0000-000000000000"
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
MONO = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
OPEN: dict[str, Any] = {
    "organizationId": ORGANIZATION,
    "conversationId": CONVERSATION,
    "participant": {
        "id": "535f2b0e-6c1e-4f0e-9a55-5f8f6d1a7b44",
        "ani": "+15555551234",
        "aniName": "Ann Example",
        "dnis": "+18005556789",
    },
    "media": [STEREO, MONO],
    "language": "en-US",
    "continuedSessions": [{"id": SESSION, "serverseq": 7, "clientseq": 9}],
    "customConfig": {"notice": "true", "queue": "claims", "ani": "+15555551234"},
}
PROBE = {**OPEN, "conversationId": NOBODY, "participant": {"id": NOBODY, "ani": "", "aniName": "", "dnis": ""}}


class Client:
    """The platform's side: numbers its messages, and keeps what it is told."""

    def __init__(self, dialect: AudioHook) -> None:
        self.dialect = dialect
        self.told: list[dict[str, Any]] = []
        self.seq = 0

    def message(self, kind: str, parameters: Any = ..., **changes: Any) -> str:
        self.seq += 1
        message = {
            "version": "2",
            "id": SESSION,
            "type": kind,
            "seq": self.seq,
            "serverseq": self.told[-1]["seq"] if self.told else 0,
            "position": "PT0S",
            "parameters": {} if parameters is ... else parameters,
        }
        message.update(changes)
        return json.dumps({name: value for name, value in message.items() if value is not ...})

    def say(self, kind: str, parameters: Any = ..., **changes: Any) -> list[WireEvent]:
        return self.send(self.message(kind, parameters, **changes))

    def send(self, message: str | bytes) -> list[WireEvent]:
        found = self.dialect.receive(message)
        self.hear(*(event.message for event in found if isinstance(event, Reply)))
        return found

    def hear(self, *messages: str | bytes) -> None:
        self.told += map(json.loads, messages)

    def open(self, **changes: Any) -> Start:
        begun = self.say("open", {**OPEN, **changes})[0]
        assert isinstance(begun, Start)
        self.hear(*self.dialect.ready("S1", ("customer",)))
        return begun


def waiting(**options: Any) -> Client:
    return Client(AudioHook(SESSION, ORGANIZATION, **options))


def opened(**options: Any) -> Client:
    client = waiting(**options)
    client.open()
    return client


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert "\n" not in fault.message
    assert len(fault.message) < 300
    return fault


class TestOpening:
    """`open` and `opened`."""

    def test_a_session_as_documented_is_understood(self) -> None:
        client = waiting()
        assert client.say("open", OPEN) == [
            Start(
                call_id=CONVERSATION,
                roles=(Role.CUSTOMER, Role.AGENT),
                encoding=Encoding.PCMU,
                rate_hz=8000,
                notice=True,
                has_media_clock=True,
            )
        ]
        client.hear(*client.dialect.ready("S1", ("customer",)))
        assert client.told == [
            {
                "version": "2",
                "type": "opened",
                "id": SESSION,
                "seq": 1,
                "clientseq": 1,
                "parameters": {"startPaused": False, "media": [STEREO]},
            }
        ]

    @pytest.mark.parametrize(
        ("media", "roles", "encoding"),
        [
            (["external", "internal"], (Role.CUSTOMER, Role.AGENT), "PCMU"),
            (["internal", "external"], (Role.AGENT, Role.CUSTOMER), "PCMU"),
            (["external"], (Role.CUSTOMER,), "PCMU"),
            (["internal"], (Role.AGENT,), "L16"),
        ],
    )
    def test_one_entry_of_the_offer_is_taken_as_it_is(
        self, media: list[str], roles: tuple[Role, ...], encoding: str
    ) -> None:
        client = waiting()
        offered = {"type": "audio", "format": encoding, "channels": media, "rate": 8000, "unheard": ["of"]}
        begun = client.open(media=[{"type": "video"}, offered])
        assert begun.roles == roles
        assert begun.encoding is {"PCMU": Encoding.PCMU, "L16": Encoding.PCM_S16LE}[encoding]
        assert client.told[0]["parameters"]["media"] == [offered]

    def test_who_is_heard_on_which_channel_is_configured(self) -> None:
        assert waiting(roles={"external": "agent"}).open().roles == (Role.AGENT, Role.UNKNOWN)

    @pytest.mark.parametrize(
        "media", [[], [{"type": "audio", "format": "OPUS", "channels": ["external"], "rate": 48000}]]
    )
    def test_an_offer_without_anything_that_can_be_heard_is_refused_in_words(self, media: list[Any]) -> None:
        client = waiting()
        fault = fault_of(client.say("open", {**OPEN, "media": media}))
        assert fault.code == "no_media"
        client.hear(*client.dialect.fault(fault))
        assert client.told[0]["parameters"] == {"reason": "error", "info": fault.message}

    @pytest.mark.parametrize("organization", ["", CONVERSATION, ORGANIZATION.upper()])
    def test_another_organisation_than_the_headers_is_unauthorized(self, organization: str) -> None:
        client = waiting()
        fault = fault_of(client.say("open", {**OPEN, "organizationId": organization}))
        assert fault.code == "wrong_organization"
        client.hear(*client.dialect.fault(fault))
        assert client.told[0]["parameters"]["reason"] == "unauthorized"

    def test_without_an_organisation_in_the_headers_none_is_right(self) -> None:
        client = Client(AudioHook(SESSION))
        assert fault_of(client.say("open", {**OPEN, "organizationId": ""})).code == "wrong_organization"

    def test_without_a_session_id_in_the_headers_the_first_message_names_it(self) -> None:
        client = Client(AudioHook("", ORGANIZATION))
        client.open()
        assert client.told[0]["id"] == SESSION
        assert fault_of(client.say("ping", id=CONVERSATION)).code == "wrong_id"

    def test_supported_languages_are_told_where_they_are_asked_for(self) -> None:
        client = waiting()
        client.open(supportedLanguages=True)
        assert client.told[0]["parameters"]["supportedLanguages"] == []

    def test_a_connection_probe_is_answered_and_is_no_call(self) -> None:
        client = waiting()
        assert [type(event) for event in client.say("open", PROBE)] == [Reply]
        assert client.told[0]["type"] == "opened"
        assert client.told[0]["parameters"] == {"startPaused": False, "media": []}
        client.say("ping")
        assert client.say("update", {"language": "de-DE"}) != []
        assert client.say("discarded", {"start": "PT0S", "discarded": "PT1S"}) == []
        assert client.say("close", {"reason": "end"}) == [Stop()]
        client.hear(*client.dialect.ended(0))
        assert [message["type"] for message in client.told] == ["opened", "pong", "updated", "closed"]

    def test_a_probe_may_offer_nothing_and_no_participant_makes_no_probe(self) -> None:
        assert isinstance(waiting().say("open", {**PROBE, "media": []})[0], Reply)
        assert isinstance(waiting().say("open", {**PROBE, "participant": OPEN["participant"]})[0], Start)
        assert isinstance(waiting().say("open", {**PROBE, "participant": None})[0], Start)

    def test_audio_in_a_probe_is_a_fault(self) -> None:
        client = waiting()
        client.say("open", PROBE)
        assert fault_of(client.send(bytes(160))).code == "audio_before_opened"

    def test_a_second_open_is_a_fault(self) -> None:
        assert fault_of(opened().say("open", OPEN)).code == "opened_twice"

    @pytest.mark.parametrize(
        "changes",
        [
            {"organizationId": ...},
            {"conversationId": ...},
            {"conversationId": ""},
            {"media": ...},
            {"media": {}},
            {"conversationId": 7},
        ],
    )
    def test_an_open_without_what_is_needed_is_a_fault(self, changes: dict[str, Any]) -> None:
        parameters = {name: value for name, value in {**OPEN, **changes}.items() if value is not ...}
        assert fault_of(waiting().say("open", parameters)).code == "bad_open"

    @pytest.mark.parametrize(
        "changes",
        [
            {"language": None, "customConfig": None, "participant": None, "supportedLanguages": None},
            {"customConfig": "text", "tomorrow": {"is": ["another", "day"]}},
            {"participant": {"unheard": "of"}},
        ],
    )
    def test_what_is_new_or_missing_besides_is_let_pass(self, changes: dict[str, Any]) -> None:
        assert waiting().open(**changes).call_id == CONVERSATION


class TestFieldsOfTheCall:
    """What of a call may go further."""

    def test_telephone_numbers_and_names_are_never_read(self) -> None:
        client = waiting(labels=["participant", "aniName"])
        begun = client.open()
        left = repr(begun) + repr(vars(client.dialect))
        for private in ("5551234", "5556789", "Ann"):
            assert private not in left

    def test_only_named_fields_become_labels(self) -> None:
        begun = waiting(labels=["queue", "language", "missing"]).open()
        assert begun.labels == {"queue": "claims", "language": "en-US"}

    @pytest.mark.parametrize(
        ("value", "told"), [(True, True), ("1", True), ("false", False), (None, False), ([], False)]
    )
    def test_the_custom_configuration_says_whether_the_person_has_been_told(self, value: Any, told: bool) -> None:
        assert waiting().open(customConfig={"notice": value}).notice is told

    def test_it_says_too_that_the_person_has_objected(self) -> None:
        found = waiting().say("open", {**OPEN, "customConfig": {"withdraw": True}})
        assert [type(event) for event in found] == [Start, Withdraw]

    @pytest.mark.parametrize(
        "options",
        [{"labels": ["notice"]}, {"roles": {"third": "agent"}}, {"roles": {"external": "boss"}}, {"formats": []}],
    )
    def test_a_configuration_that_cannot_be_right_is_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"audiohook|boss"):
            AudioHook(**options)


class TestNumbers:
    """Sequence numbers, per direction."""

    def test_each_side_counts_its_own_and_names_the_others_last(self) -> None:
        client = opened(wants_events=True)
        client.say("ping")
        client.say("paused")
        client.hear(*client.dialect.event(EVENT))
        client.say("ping", serverseq=0)
        assert [(told["type"], told["seq"], told["clientseq"]) for told in client.told] == [
            ("opened", 1, 1),
            ("pong", 2, 2),
            ("event", 3, 3),
            ("pong", 4, 4),
        ]

    @pytest.mark.parametrize("seq", [0, 1, 3, 2**52])
    def test_a_number_that_does_not_follow_is_a_fault(self, seq: int) -> None:
        assert fault_of(opened().say("ping", seq=seq)).code == "wrong_seq"

    def test_the_first_number_is_one(self) -> None:
        assert fault_of(waiting().say("open", OPEN, seq=0)).code == "wrong_seq"

    def test_a_server_number_that_was_never_sent_is_a_fault(self) -> None:
        assert fault_of(opened().say("ping", serverseq=2)).code == "wrong_serverseq"
        assert fault_of(waiting().say("open", OPEN, serverseq=1)).code == "wrong_serverseq"

    def test_numbers_may_come_as_text(self) -> None:
        assert [type(event) for event in opened().say("ping", seq="2", serverseq="1", version=2)] == [Reply]


class TestEveryMessage:
    """What all messages have."""

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"version": "1"}, "wrong_version"),
            ({"version": "3"}, "wrong_version"),
            ({"version": ...}, "bad_message"),
            ({"id": CONVERSATION}, "wrong_id"),
            ({"id": ...}, "bad_message"),
            ({"id": ""}, "bad_message"),
            ({"seq": ...}, "bad_message"),
            ({"seq": -1}, "bad_message"),
            ({"seq": "x"}, "bad_message"),
            ({"serverseq": ...}, "bad_message"),
            ({"type": ...}, "bad_message"),
            ({"type": "dtmf"}, "unknown_type"),
            ({"type": "opened"}, "unknown_type"),
            ({"type": ""}, "unknown_type"),
            ({"position": "soon"}, "bad_position"),
            ({"position": "PT-1S"}, "bad_position"),
        ],
    )
    def test_a_wrong_one_is_a_fault_in_words_and_ends_in_disconnect(self, changes: dict[str, Any], code: str) -> None:
        client = opened()
        fault = fault_of(client.say("ping", **changes))
        assert fault.code == code
        client.hear(*client.dialect.fault(fault))
        assert client.told[-1]["type"] == "disconnect"
        assert client.told[-1]["parameters"]["reason"] == "error"

    @pytest.mark.parametrize("text", ["", "{", "[]", "7", "\ud800", '{"a":' * 100_000], ids=lambda text: text[:9])
    def test_what_is_no_json_object_is_a_fault(self, text: str) -> None:
        assert fault_of(opened().send(text)).code in {"bad_json", "bad_message", "too_long"}

    def test_a_text_of_65535_characters_is_the_longest(self) -> None:
        client = opened()
        message = client.message("ping")
        assert [type(event) for event in client.send(message + " " * (65_535 - len(message)))] == [Reply]
        message = client.message("ping")
        assert fault_of(client.send(message + " " * (65_536 - len(message)))).code == "too_long"

    @pytest.mark.parametrize("changes", [{"position": ...}, {"parameters": ...}, {"parameters": None}, {"new": [1]}])
    def test_what_is_new_or_missing_besides_is_let_pass(self, changes: dict[str, Any]) -> None:
        assert [type(event) for event in opened().say("ping", **changes)] == [Reply]

    def test_an_error_says_nothing_and_close_may_follow(self) -> None:
        client = opened()
        assert client.say("error", {"code": 408, "message": "Timeout", "retryAfter": "PT5S"}) == []
        assert client.say("close", {"reason": "error"}) == [Stop()]

    def test_a_new_language_is_acknowledged(self) -> None:
        client = opened()
        client.say("update", {"language": "de-DE"})
        assert client.told[-1]["type"] == "updated"


class TestAudio:
    """Binary messages."""

    def test_samples_alternate_in_the_order_of_the_channels(self) -> None:
        client = opened()
        assert client.send(b"\x01\x02\x03\x04") == [Audio(0, b"\x01\x03", 0), Audio(1, b"\x02\x04", 0)]
        assert client.send(b"\x05\x06") == [Audio(0, b"\x05", 0.25), Audio(1, b"\x06", 0.25)]

    @pytest.mark.parametrize(("order", "first"), [("little", b"\x01\x02"), ("big", b"\x02\x01")])
    def test_linear_samples_come_out_little_endian(self, order: str, first: bytes) -> None:
        client = waiting(byte_order=order)
        client.open(media=[{**STEREO, "format": "L16"}])
        assert client.send(b"\x01\x02\x03\x04")[0] == Audio(0, first, 0)

    @settings(deadline=None)
    @given(
        st.lists(st.binary(max_size=60), max_size=20),
        st.sampled_from(["PCMU", "L16"]),
        st.sampled_from([["external", "internal"], ["internal"]]),
    )
    def test_however_it_is_cut_every_whole_sample_arrives_in_its_place(
        self, pieces: list[bytes], media_format: str, channels: list[str]
    ) -> None:
        client = waiting()
        client.open(media=[{**STEREO, "format": media_format, "channels": channels}])
        width = 1 if media_format == "PCMU" else 2
        heard: dict[int, bytes] = dict.fromkeys(range(len(channels)), b"")
        for piece in pieces:
            for event in client.send(piece):
                assert isinstance(event, Audio)
                assert event.media_ms == len(heard[event.channel]) / width / 8
                heard[event.channel] += event.payload
        sent = b"".join(pieces)
        whole = len(sent) // (width * len(channels)) * width * len(channels)
        alternating = np.frombuffer(sent[:whole], f"V{width}").reshape(-1, len(channels))
        assert heard == {channel: alternating[:, channel].tobytes() for channel in range(len(channels))}

    def test_an_empty_message_is_nothing(self) -> None:
        assert opened().send(b"") == []

    def test_audio_before_opened_is_a_fault(self) -> None:
        assert fault_of(waiting().send(bytes(160))).code == "audio_before_opened"
        client = waiting()
        client.say("open", OPEN)
        assert fault_of(client.send(bytes(160))).code == "audio_before_opened"

    def test_audio_while_paused_is_a_fault(self) -> None:
        client = opened()
        client.say("paused")
        assert fault_of(client.send(bytes(160))).code == "audio_while_paused"


class TestPauses:
    """`paused`, `resumed` and `discarded`."""

    def test_a_pause_and_what_was_left_out_in_it(self) -> None:
        client = opened()
        client.send(bytes(16))
        assert client.say("paused", position="PT0.001S") == [Pause()]
        assert client.say("paused", position="PT0.001S") == []
        assert [type(event) for event in client.say("ping", position="PT9S")] == [Reply]
        found = client.say("resumed", {"start": "PT0.001S", "discarded": "PT2.5S"}, position="PT2.501S")
        assert found == [Gap(2500), Resume()]
        assert client.send(bytes(16))[0] == Audio(0, bytes(8), 2501)

    def test_a_resume_without_a_pause_changes_nothing(self) -> None:
        client = opened()
        assert client.say("resumed", {"start": "PT0S", "discarded": "PT0S"}) == []
        assert isinstance(client.send(bytes(16))[0], Audio)

    @pytest.mark.parametrize("counts", [True, False], ids=["position counts it", "position does not"])
    def test_what_was_discarded_is_passed_over_and_is_no_loss(self, counts: bool) -> None:
        client = opened()
        client.send(bytes(16_000))
        found = client.say(
            "discarded", {"start": "PT1.0S", "discarded": "PT0.5S"}, position="PT1.5S" if counts else "PT1S"
        )
        assert found == [Gap(500)]
        client.say("ping", position="PT1.5S" if counts else "PT1S")
        assert client.send(bytes(16))[0] == Audio(0, bytes(8), 1500)
        assert client.dialect.lost_ms == 0

    def test_it_may_be_discarded_while_paused(self) -> None:
        client = opened()
        client.say("paused")
        assert client.say("discarded", {"start": "PT0S", "discarded": "PT1S"}) == [Gap(1000)]
        assert client.say("resumed", {"start": "PT0S", "discarded": "PT0S"}) == [Resume()]

    @pytest.mark.parametrize("kind", ["resumed", "discarded"])
    @pytest.mark.parametrize(
        "parameters", [{}, {"discarded": "1 s"}, {"discarded": 1}, {"discarded": "PT90000S"}, None]
    )
    def test_a_length_that_cannot_be_read_is_a_fault(self, kind: str, parameters: Any) -> None:
        assert fault_of(opened().say(kind, parameters)).code == f"bad_{kind}"

    @pytest.mark.parametrize("kind", ["paused", "resumed", "discarded"])
    def test_before_open_there_is_nothing_to_pause(self, kind: str) -> None:
        assert fault_of(waiting().say(kind, {"start": "PT0S", "discarded": "PT1S"})).code == "not_opened"


class TestLoss:
    """`position` held against the samples that came."""

    @pytest.mark.parametrize("kind", ["ping", "paused"])
    def test_what_was_sent_and_never_came_is_a_hole_in_front_of_the_next_audio(self, kind: str) -> None:
        client = opened()
        client.send(bytes(16_000))
        client.say(kind, position="PT1.2S")
        client.say("resumed", {"start": "PT1.2S", "discarded": "PT0S"}, position="PT1.2S")
        assert client.send(bytes(16))[0] == Audio(0, bytes(8), 1200)
        assert client.dialect.lost_ms == 200

    def test_what_is_lost_at_the_very_end_lengthens_the_call(self) -> None:
        client = opened()
        client.send(bytes(16_000))
        client.say("ping", position="PT1.5S")
        assert client.say("close", {"reason": "end"}, position="PT2S") == [Gap(1000), Stop()]

    def test_a_position_behind_ours_moves_nothing(self) -> None:
        client = opened()
        client.send(bytes(16_000))
        client.say("ping", position="PT0.5S")
        assert client.send(bytes(2))[0] == Audio(0, b"\0", 1000)

    def test_a_session_that_goes_on_where_another_ended_begins_there(self) -> None:
        client = waiting()
        client.say("open", OPEN, position="PT60S")
        client.hear(*client.dialect.ready("S1", ()))
        assert client.send(bytes(2))[0] == Audio(0, b"\0", 60_000)


class TestClosing:
    """`close`, `closed` and `disconnect`."""

    @pytest.mark.parametrize("reason", ["end", "error", "disconnect", "reconnect", "boredom"])
    def test_close_is_answered_by_closed_when_all_is_done(self, reason: str) -> None:
        client = opened()
        client.say("ping")
        assert client.say("close", {"reason": reason}) == [Stop()]
        client.hear(*client.dialect.ended(3))
        assert client.told[-1] == {
            "version": "2",
            "type": "closed",
            "id": SESSION,
            "seq": 3,
            "clientseq": 3,
            "parameters": {},
        }
        assert client.dialect.ended(3) == []

    def test_close_is_right_in_every_state(self) -> None:
        assert waiting().say("close", {"reason": "end"}) == [Stop()]
        paused = opened()
        paused.say("paused")
        assert paused.say("close", {"reason": "end"}) == [Stop()]

    def test_after_close_nothing_is_heard_and_no_disconnect_is_said(self) -> None:
        client = opened()
        client.say("close", {"reason": "end"})
        assert client.say("ping") == []
        assert client.send(bytes(160)) == []
        assert client.dialect.fault(Fault("draining", "", 1001)) == []
        client.dialect.ended(0)
        assert client.say("close", {"reason": "end"}) == []
        assert client.dialect.fault(Fault("draining", "", 1001)) == []

    @pytest.mark.parametrize(
        ("code", "reason"),
        [("draining", "completed"), ("idle", "error"), ("full", "error"), ("wrong_organization", "unauthorized")],
    )
    def test_we_disconnect_once_and_answer_the_close_that_follows(self, code: str, reason: str) -> None:
        client = opened()
        client.hear(*client.dialect.fault(Fault(code, "in words" * 1000)))
        assert client.told[-1]["type"] == "disconnect"
        assert client.told[-1]["parameters"]["reason"] == reason
        assert client.told[-1]["parameters"]["info"].startswith("in words")
        assert len(json.dumps(client.told[-1])) < 2000
        assert client.dialect.fault(Fault(code, "")) == []
        assert client.send(bytes(160)) == []
        assert client.say("ping") == []
        client.say("close", {"reason": "disconnect"})
        assert (client.told[-1]["type"], client.told[-1]["seq"], client.told[-1]["clientseq"]) == ("closed", 3, 3)
        assert client.say("close", {"reason": "disconnect"}) == []

    def test_after_a_fault_whatever_was_wrong_close_is_answered(self) -> None:
        client = waiting()
        fault = fault_of(client.say("open", {**OPEN, "organizationId": "x"}, seq=1))
        client.hear(*client.dialect.fault(fault))
        client.send("{")
        client.send(" " * 70_000)
        assert client.say("close", {"reason": "disconnect"}, seq=99) != []
        assert (client.told[-1]["type"], client.told[-1]["clientseq"]) == ("closed", 99)

    def test_a_call_that_is_not_admitted_is_disconnected_without_opened(self) -> None:
        client = waiting()
        client.say("open", OPEN)
        client.hear(*client.dialect.fault(Fault("full", "too many calls", 1013)))
        assert [told["type"] for told in client.told] == ["disconnect"]
        assert client.dialect.ready("S1", ()) == []

    def test_a_socket_that_just_closes_was_cut_off(self) -> None:
        assert opened().dialect.closed() == []

    def test_it_is_the_platform_that_closes(self) -> None:
        dialect: Dialect = AudioHook()
        assert (dialect.name, dialect.peer_closes) == ("audiohook", True)


EVENT = json.dumps(
    {
        "specversion": "1.0",
        "id": "E1",
        "type": "emotion-streamer.utterance.v1",
        "source": "/nodes/n",
        "subject": "CA1/customer/1",
        "time": "2026-11-22T10:15:04.210Z",
        "datacontenttype": "application/json",
        "sequence": "0000000001",
        "data": {
            "call": {"id": "CA1"},
            "speaker": {"role": "customer", "channel": 1},
            "utterance": {"n": 1, "start_ms": 4200, "end_ms": 5300, "speech_ms": 900, "cut": "silence"},
            "emotion": {"top": "angry", "confidence": 0.81, "uncertain": False, "scores": {"angry": 0.81}},
            "quality": {"snr_db": 18.2, "clipped": 0.0, "lost_ms": 0},
            "model": {"name": "telephone", "version": "1.0.0", "sha256": "00"},
            "latency": {"hangover_ms": 400, "queue_ms": 1.2, "compute_ms": 2.9},
        },
    }
).encode()


class TestEvents:
    """Verdicts on their way back."""

    def test_a_verdict_is_an_event_with_one_entity(self) -> None:
        client = waiting(wants_events=True)
        assert client.open().wants_events
        client.hear(*client.dialect.event(EVENT))
        assert client.told[-1]["type"] == "event"
        assert client.told[-1]["parameters"] == {
            "entities": [
                {
                    "type": "x-emotion",
                    "data": {
                        "channelId": 1,
                        "offset": "PT4.2S",
                        "duration": "PT1.1S",
                        "label": "angry",
                        "confidence": 0.81,
                        "uncertain": False,
                    },
                }
            ]
        }

    def test_the_type_of_the_entity_is_configured(self) -> None:
        client = opened(wants_events=True, event_type="acme-mood")
        client.hear(*client.dialect.event(EVENT))
        assert client.told[-1]["parameters"]["entities"][0]["type"] == "acme-mood"

    def test_the_last_events_come_between_close_and_closed(self) -> None:
        client = opened(wants_events=True)
        client.say("close", {"reason": "end"})
        client.hear(*client.dialect.event(EVENT), *client.dialect.ended(1))
        assert [(told["type"], told["seq"]) for told in client.told] == [("opened", 1), ("event", 2), ("closed", 3)]

    def test_without_the_option_nothing_is_said(self) -> None:
        client = waiting()
        assert not client.open().wants_events
        assert client.dialect.event(EVENT) == []

    def test_a_partial_verdict_and_a_session_that_is_not_open_have_none(self) -> None:
        client = opened(wants_events=True)
        partial = EVENT.replace(b"utterance.v1", b"partial.v1")
        assert client.dialect.event(partial) == []
        client.dialect.fault(Fault("idle", "no audio"))
        assert client.dialect.event(EVENT) == []


STORY = [
    "open",
    "ready",
    "audio",
    "odd audio",
    "ping",
    "paused",
    "resumed",
    "discarded",
    "update",
    "error",
    "close",
    "ended",
    "fault",
    "event",
    "closed",
    "noise",
    "repeated",
    "truncated",
]
PARAMETERS: dict[str, Any] = {"open": OPEN, "resumed": {"discarded": "PT1S"}, "discarded": {"discarded": "PT.5S"}}


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(STORY), max_size=25),
    st.sampled_from(["PT0S", "PT1S", "PT5000S", "x", ""]),
    st.text(max_size=40) | st.binary(max_size=40),
)
def test_in_whatever_order_it_is_spoken_to_it_answers_in_sense(story: list[str], position: str, noise: Any) -> None:
    client = waiting(wants_events=True)
    found: list[WireEvent] = []
    last: str | bytes = b""
    for what in story:
        if what == "ready":
            client.hear(*client.dialect.ready("S1", ()))
        elif what == "ended":
            client.hear(*client.dialect.ended(0))
        elif what == "fault":
            client.hear(*client.dialect.fault(Fault("idle", "no audio")))
        elif what == "event":
            client.hear(*client.dialect.event(EVENT))
        elif what == "closed":
            found += client.dialect.closed()
        else:
            sent: dict[str, Any] = {"audio": bytes(320), "odd audio": b"x", "noise": noise, "repeated": last}
            sent["truncated"] = last[:-1]
            last = sent[what] if what in sent else client.message(what, PARAMETERS.get(what, {}), position=position)
            found += client.send(last)
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault)]
    assert len(faults) <= 1
    assert not faults or all(isinstance(event, Reply) for event in found[faults[0] + 1 :])
    assert [told["seq"] for told in client.told] == [*range(1, len(client.told) + 1)]
    said = [told["type"] for told in client.told]
    assert said.count("opened") <= 1
    assert said.count("closed") <= 1
    assert "closed" not in said[:-1]
    starts = [n for n, event in enumerate(found) if isinstance(event, Start)]
    first_audio = [n for n, event in enumerate(found) if isinstance(event, Audio)]
    assert len(starts) <= 1
    assert not first_audio or starts[0] < first_audio[0]


values = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)
)


@settings(deadline=None)
@given(
    st.sampled_from(["open", "ping", "paused", "resumed", "discarded", "update", "close", "error"]),
    st.dictionaries(st.sampled_from(["version", "id", "type", "seq", "serverseq", "position", "parameters"]), values),
    st.dictionaries(
        st.sampled_from(["organizationId", "conversationId", "participant", "media", "customConfig", "discarded"]),
        values,
    ),
)
def test_no_field_makes_it_raise(kind: str, changes: dict[str, Any], parameters: dict[str, Any]) -> None:
    for client in (waiting(labels=["queue"]), opened()):
        message = json.loads(client.message(kind, {**PARAMETERS.get(kind, {}), **parameters}))
        found = client.dialect.receive(json.dumps({**message, **changes}))
        assert sum(isinstance(event, Fault) for event in found) <= 1
