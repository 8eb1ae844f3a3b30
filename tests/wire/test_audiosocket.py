"""AudioSocket; the packets are those that a real Asterisk sent: a UUID, 20 ms each, two short ones, no hangup."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.audiosocket import RATES_HZ, SERVED_HZ, AudioSocket
from streamer.wire.events import Audio, Dialect, Encoding, Fault, Role, Start, Stop, WireEvent

CALL = "40325ec2-5efd-4bd3-805f-53576e581d13"


def packet(kind: int, payload: bytes = b"") -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


ID = packet(0x01, uuid.UUID(CALL).bytes)
AUDIO = packet(0x10, bytes(range(16)) * 20)
HANGUP = bytes(3)
DTMF = packet(0x03, b"7")
STARTED = Start(call_id=CALL, roles=(Role.CUSTOMER,), encoding=Encoding.PCM_S16LE, rate_hz=8000)


def live(first: bytes = AUDIO) -> AudioSocket:
    dialect = AudioSocket()
    assert dialect.receive(ID) == []
    assert isinstance(dialect.receive(first)[0], Start)
    return dialect


def heard(found: list[WireEvent]) -> bytes:
    return b"".join(event.payload for event in found if isinstance(event, Audio))


def fault_of(found: list[WireEvent]) -> Fault:
    (fault,) = found
    assert isinstance(fault, Fault)
    assert "\n" not in fault.message
    return fault


def test_a_stream_as_a_real_asterisk_sent_it_is_understood() -> None:
    dialect = AudioSocket()
    assert dialect.receive(ID) == []
    first, *rest = [event for _ in range(64) for event in dialect.receive(AUDIO)]
    rest += dialect.receive(packet(0x10, bytes(44))) + dialect.receive(packet(0x10, bytes(36)))
    assert first == STARTED
    assert heard(rest) == bytes(range(16)) * 20 * 64 + bytes(80)
    assert dialect.closed() == [Stop()]


def test_it_speaks_as_all_dialects_do_and_has_nothing_to_say() -> None:
    dialect: Dialect = AudioSocket()
    assert dialect.name == "audiosocket"
    said = [dialect.ready("S1", ("customer",)), dialect.event(b"{}"), dialect.fault(Fault("x", "y")), dialect.ended(1)]
    assert said == [[], [], [], []]


packets = st.one_of(
    st.binary(max_size=40).map(lambda data: packet(0x12, data)),
    st.sampled_from([DTMF, packet(0x02), packet(0x04, b"new")]),
)


@settings(deadline=None)
@given(sent=st.lists(packets, max_size=12), sizes=st.lists(st.integers(0, 30), max_size=40), hangs_up=st.booleans())
def test_however_tcp_cuts_the_stream_it_means_the_same(sent: list[bytes], sizes: list[int], hangs_up: bool) -> None:
    stream = ID + packet(0x12) + b"".join(sent) + HANGUP * hangs_up
    at_once, in_pieces = AudioSocket(), AudioSocket()
    expected = at_once.receive(stream)
    found: list[WireEvent] = []
    rest = stream
    for size in sizes:
        found += in_pieces.receive(rest[:size])
        rest = rest[size:]
    found += in_pieces.receive(rest)
    assert heard(found) == heard(expected)
    assert [event for event in found if not isinstance(event, Audio)] == [
        event for event in expected if not isinstance(event, Audio)
    ]
    assert in_pieces.unknown_events == at_once.unknown_events == sent.count(packet(0x04, b"new"))
    assert in_pieces.closed() == at_once.closed() == ([] if hangs_up else [Stop()])


@settings(deadline=None)
@given(payloads=st.lists(st.binary(max_size=9), max_size=20))
def test_half_samples_wait_for_their_other_half(payloads: list[bytes]) -> None:
    dialect = live(packet(0x10))
    found = [event for payload in payloads for event in dialect.receive(packet(0x10, payload))]
    whole = b"".join(payloads)
    assert heard(found) == whole[: len(whole) // 2 * 2]


@pytest.mark.parametrize(("kind", "rate_hz"), RATES_HZ.items())
def test_the_kind_of_the_first_audio_says_the_rate(kind: int, rate_hz: int) -> None:
    dialect = AudioSocket()
    dialect.receive(ID)
    found = dialect.receive(packet(kind, bytes(4)))
    if rate_hz in SERVED_HZ:
        assert isinstance(found[0], Start)
        assert found[0].rate_hz == rate_hz
    else:
        fault = fault_of(found)
        assert fault.code == "bad_media_format"
        assert f"{rate_hz} Hz" in fault.message
        assert "c(slin16)" in fault.message


def test_the_configuration_says_who_is_heard_and_whether_streams_join() -> None:
    dialect = AudioSocket(Role.AGENT, is_part=True)
    (begun, _) = dialect.receive(ID + AUDIO)
    assert isinstance(begun, Start)
    assert (begun.roles, begun.is_part) == ((Role.AGENT,), True)


@pytest.mark.parametrize("end", [HANGUP, packet(0x00, b"why"), packet(0xFF, b"\x01")])
def test_a_hangup_ends_the_call_and_what_follows_is_not_heard(end: bytes) -> None:
    dialect = live()
    assert dialect.receive(end + AUDIO) == [Stop()]
    assert [dialect.receive(AUDIO), dialect.receive("text"), dialect.closed()] == [[], [], []]


@pytest.mark.parametrize("sent", [b"", ID, ID[:7], ID + HANGUP, ID + packet(0xFF, b"\x02"), ID + AUDIO[:30]])
def test_a_stream_without_audio_was_no_call(sent: bytes) -> None:
    dialect = AudioSocket()
    assert [dialect.receive(sent), dialect.closed()] == [[], []]


@pytest.mark.parametrize("quiet", [DTMF, packet(0x02), packet(0x02, b"\x14")])
def test_digits_and_silence_mean_nothing_and_leave_no_trace(quiet: bytes) -> None:
    dialect = live()
    before = repr(vars(dialect))
    assert dialect.receive(quiet) == []
    assert repr(vars(dialect)) == before


def test_other_control_packets_are_ignored_and_counted() -> None:
    dialect = live()
    assert dialect.receive(packet(0x0E, b"tomorrow")) == []
    assert dialect.unknown_events == 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (AUDIO, "audio_before_start"),
        (HANGUP, "not_started"),
        (DTMF, "not_started"),
        (packet(0xFF), "not_started"),
        (packet(0x01, bytes(15)), "bad_length"),
        (packet(0x01, bytes(17)), "bad_length"),
        (b"GET / HTTP/1.1\r\n", "bad_kind"),
        (b"\x16\x03\x01", "audio_before_start"),  # TLS
        ("text", "not_binary"),
    ],
)
def test_a_wrong_beginning_is_refused_in_words(sent: str | bytes, code: str) -> None:
    dialect = AudioSocket()
    assert fault_of(dialect.receive(sent)).code == code
    assert [dialect.receive(ID + AUDIO), dialect.closed()] == [[], []]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (ID, "start_twice"),
        (packet(0x12, bytes(4)), "rate_changed"),
        (packet(0x19), "bad_kind"),
        (packet(0xFE), "bad_kind"),
        (packet(0xFF, b"\x02"), "platform_error"),
        (packet(0xFF), "platform_error"),
        ("text", "not_binary"),
    ],
)
def test_a_wrong_packet_in_a_call_is_refused_in_words(sent: str | bytes, code: str) -> None:
    dialect = live()
    assert fault_of(dialect.receive(sent)).code == code
    assert [dialect.receive(AUDIO), dialect.closed()] == [[], []]


def test_what_came_before_a_fault_in_the_same_piece_counts() -> None:
    found = AudioSocket().receive(ID + AUDIO + packet(0xFE))
    assert [type(event) for event in found] == [Start, Audio, Fault]


def test_a_stranger_is_known_by_the_first_three_bytes() -> None:
    assert fault_of(AudioSocket().receive(b"\x47\xff\xff")).code == "bad_kind"


@settings(deadline=None)
@given(received=st.lists(st.binary(max_size=60) | st.sampled_from([ID, AUDIO, DTMF, HANGUP, ID[:9]]), max_size=20))
def test_no_bytes_make_it_raise_and_nothing_follows_a_fault(received: list[bytes]) -> None:
    dialect = AudioSocket()
    found = [event for data in received for event in dialect.receive(data)]
    faults = [n for n, event in enumerate(found) if isinstance(event, Fault | Stop)]
    starts = [n for n, event in enumerate(found) if isinstance(event, Start)]
    assert faults in ([], [len(found) - 1])
    assert starts in ([], [0])
    assert dialect.closed() == ([Stop()] if starts and not faults else [])
