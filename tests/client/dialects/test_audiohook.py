"""The platform's side of AudioHook, held against the vendor's own state machine and signature example."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamer_client.dialects.audiohook import ORGANIZATION, PATH, AudioHook, headers, signature, speakers
from streamer_client.dialects.speaker import CallOptions, Speaker
from streamer_client.errors import OptionError, StreamError
from streamer_client.g711 import encode_mulaw

API_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="


def options(roles: tuple[str, ...] = ("customer", "agent"), **more: Any) -> CallOptions:
    given = {"url": f"ws://127.0.0.1:8765{PATH}", "call_id": "C1", "stream_id": "5" * 32, "now_s": 1_641_013_200.5}
    return CallOptions(roles=roles, **{**given, **more})


class Session:
    """A session and a server of the vendor's manner that answers it."""

    def __init__(self, roles: tuple[str, ...] = ("customer", "agent"), media_format: str = "PCMU") -> None:
        self.speaker = AudioHook(options(roles), media_format)
        self.seq = 0
        (said,) = self.speaker.open()
        self.opening: dict[str, Any] = json.loads(said)

    def hear(self, kind: str, clientseq: int = 1, **parameters: Any) -> list[dict[str, Any]]:
        self.seq += 1
        message = {"version": "2", "type": kind, "id": self.opening["id"], "seq": self.seq, "clientseq": clientseq}
        answers = self.speaker.receive(json.dumps({**message, "parameters": parameters}))
        return list(map(json.loads, answers))

    def opened(self, choice: int = 0) -> Session:
        self.hear("opened", startPaused=False, media=[self.opening["parameters"]["media"][choice]])
        return self


def silence(frames: int, channels: int = 2) -> Any:
    return np.zeros((frames, channels), dtype=np.int16)


def test_a_session_begins_as_the_vendors_client_begins_it() -> None:
    session = Session()
    offered = session.opening["parameters"].pop("media")
    assert session.opening == {
        "version": "2",
        "id": session.speaker.session_id,
        "type": "open",
        "seq": 1,
        "serverseq": 0,
        "position": "PT0S",
        "parameters": {
            "organizationId": ORGANIZATION,
            "conversationId": "C1",
            "participant": session.opening["parameters"]["participant"],
            "language": "en-US",
        },
    }
    channels = [["external", "internal"], ["external"], ["internal"]]
    assert offered == [{"type": "audio", "format": "PCMU", "channels": names, "rate": 8000} for names in channels]
    assert session.speaker.headers["Audiohook-Session-Id"] == str(uuid.UUID(session.opening["id"]))
    assert session.speaker.headers["Audiohook-Organization-Id"] == ORGANIZATION
    assert session.opening["parameters"]["participant"]["ani"] == ""


def test_the_notice_goes_out_in_the_custom_configuration() -> None:
    (said,) = AudioHook(options(notice=True)).open()
    assert json.loads(said)["parameters"]["customConfig"] == {"notice": True}


def test_audio_waits_for_opened() -> None:
    session = Session()
    assert not session.speaker.may_send
    assert session.opened().speaker.may_send


@settings(deadline=None)
@given(st.integers(1, 3000), st.sampled_from([0, 1, 2]), st.sampled_from(["PCMU", "L16"]), st.integers(0, 99))
def test_samples_alternate_in_the_order_that_the_server_chose(
    frames: int, choice: int, media_format: str, seed: int
) -> None:
    samples = np.random.default_rng(seed).integers(-32768, 32768, (frames, 2)).astype(np.int16)
    session = Session(("agent", "customer"), media_format).opened(choice)
    wanted = [samples, samples[:, :1], samples[:, 1:]][choice]
    (said,) = session.speaker.audio(samples, 0.0)
    assert said == (encode_mulaw(np.ascontiguousarray(wanted)) if media_format == "PCMU" else wanted.tobytes())


def test_a_ping_goes_out_after_a_second_then_every_five_and_never_before_the_pong() -> None:
    session = Session().opened()
    pings = []
    for block in range(100):
        for said in session.speaker.audio(silence(1600), block * 200.0):
            if isinstance(said, str):
                pings.append(json.loads(said))
                if len(pings) != 2:
                    session.hear("pong", clientseq=pings[-1]["seq"])
    assert [ping["position"] for ping in pings] == ["PT1S", "PT6S"]
    assert [ping["seq"] for ping in pings] == [2, 3]


def test_a_pause_and_what_was_left_out_in_it_are_said() -> None:
    session = Session().opened()
    session.speaker.audio(silence(801), 0.0)
    (paused,) = map(json.loads, session.speaker.pause(100.125))
    (resumed,) = map(json.loads, session.speaker.resume(2600.125, 2500.0))
    assert (paused["type"], paused["position"], paused["parameters"]) == ("paused", "PT0.100125S", {})
    assert (resumed["type"], resumed["position"]) == ("resumed", "PT2.600125S")
    assert resumed["parameters"] == {"start": "PT0.100125S", "discarded": "PT2.5S"}
    following, *_ = session.speaker.audio(silence(100), 2600.125)
    assert isinstance(following, bytes)


def test_a_piece_that_is_missing_from_the_recording_is_said_to_be_discarded() -> None:
    session = Session().opened()
    session.speaker.audio(silence(800), 0.0)
    said, _ = session.speaker.audio(silence(800), 300.0)
    assert json.loads(said)["parameters"] == {"start": "PT0.1S", "discarded": "PT0.2S"}


def test_the_server_may_ask_for_a_pause() -> None:
    session = Session().opened()
    assert [said["type"] for said in session.hear("pause")] == ["paused"]
    assert not session.speaker.may_send
    assert [said["type"] for said in session.hear("resume")] == ["resumed"]
    assert session.speaker.may_send


def test_close_waits_for_closed() -> None:
    session = Session().opened()
    (said,) = map(json.loads, session.speaker.close())
    assert (said["type"], said["serverseq"], said["parameters"]) == ("close", 1, {"reason": "end"})
    assert session.speaker.close() == []
    assert not session.speaker.may_send
    session.hear("event", entities=[])
    assert not session.speaker.is_over
    session.hear("closed", clientseq=2)
    assert session.speaker.is_over


def test_a_disconnect_is_answered_by_close_and_the_reason_comes_out_at_the_end() -> None:
    session = Session()
    (said,) = session.hear("disconnect", reason="unauthorized", info="no access")
    assert (said["type"], said["parameters"]) == ("close", {"reason": "disconnect"})
    assert session.hear("disconnect", reason="error") == []
    with pytest.raises(StreamError, match="no access") as ended:
        session.hear("closed")
    assert ended.value.code == "unauthorized"


@pytest.mark.parametrize(
    "message",
    [
        b"\x00",
        "hello",
        '{"type":"opened"}',
        '{"type":"opened","seq":2,"clientseq":1}',
        '{"type":"opened","seq":1,"clientseq":2}',
        '{"type":"opened","seq":1,"clientseq":1,"parameters":{"media":[]}}',
        '{"type":"opened","seq":1,"clientseq":1,"parameters":{"media":[{"channels":["third"]}]}}',
        '{"type":"pong","seq":1,"clientseq":1}',
        '{"type":"closed","seq":1,"clientseq":1}',
    ],
)
def test_a_server_that_breaks_the_protocol_is_told_so(message: str | bytes) -> None:
    with pytest.raises(StreamError):
        Session().speaker.receive(message)


@pytest.mark.parametrize("roles", [(), ("customer", "customer"), ("unknown",), ("customer", "agent", "agent")])
def test_a_role_without_a_side_is_refused(roles: tuple[str, ...]) -> None:
    with pytest.raises(OptionError, match="customer, agent"):
        speakers(options(roles))


class TestHeaders:
    """How the upgrade proves where it comes from."""

    def test_the_vendors_own_example_is_signed_alike(self) -> None:
        # The example of the protocol's documentation lives for half a century; ours for 30 s.
        named = {
            "Audiohook-Organization-Id": "d7934305-0972-4844-938e-9060eef73d05",
            "Audiohook-Session-Id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
            "Audiohook-Correlation-Id": "e160e428-53e2-487c-977d-96989bf5c99d",
            "X-API-KEY": API_KEY,
        }
        url, key = "wss://audiohook.example.com/api/v1/voicebiometrics/ws", base64.b64decode(SECRET)
        made = signature(
            named, url, key, nonce="VGhpc0lzQVVuaXF1ZU5vbmNl", created_s=1_641_013_200, expires_s=3_282_026_430
        )
        assert made["Signature"] == "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:"

    def test_the_signature_is_new_for_each_call_and_lives_for_half_a_minute(self) -> None:
        one = headers(options(key=f"{API_KEY}:{SECRET}"), "S1")
        other = headers(options(key=f"{API_KEY}:{SECRET}", stream_id="6" * 32), "S1")
        assert one["X-API-KEY"] == API_KEY
        assert ";created=1641013200;expires=1641013230" in one["Signature-Input"]
        nonces = {made["Signature-Input"].split('nonce="')[1].split('"')[0] for made in (one, other)}
        assert len(nonces) == 2
        assert all(len(nonce) >= 22 for nonce in nonces)

    def test_without_a_secret_only_the_key_goes_out_and_without_a_key_nothing(self) -> None:
        assert "Signature" not in headers(options(key=API_KEY), "S1")
        assert headers(options(key=API_KEY), "S1")["X-API-KEY"] == API_KEY
        assert "X-API-KEY" not in headers(options(), "S1")

    def test_a_secret_that_is_no_base64_is_refused_and_not_shown(self) -> None:
        with pytest.raises(OptionError, match="base64") as refused:
            headers(options(key=f"{API_KEY}:hush!"), "S1")
        assert "hush" not in str(refused.value)


def test_it_is_a_speaker_like_all_others() -> None:
    (speaker,) = speakers(options())
    said: Speaker = speaker
    assert (said.url, said.channels, said.rate_hz, said.frame_ms) == (
        "ws://127.0.0.1:8765/audiohook",
        (0, 1),
        8000,
        200,
    )
    assert said.waits_for_server
