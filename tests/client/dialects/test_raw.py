from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dialects.raw import RawSpeaker, basic, bearer, one_or_two
from streamer_client.dialects.speaker import CallOptions, Speaker
from streamer_client.errors import OptionError, StreamError

URL = "ws://127.0.0.1:8765/raw"


def speaker(channels: int = 2) -> RawSpeaker:
    return RawSpeaker(URL, ["first"], range(channels), {"A": "b"}, ("sub",))


def test_it_is_a_speaker_that_waits_for_nobody() -> None:
    raw: Speaker = speaker()
    assert (raw.url, raw.headers, raw.subprotocols, raw.channels) == (URL, {"A": "b"}, ("sub",), (0, 1))
    assert (raw.rate_hz, raw.frame_ms) == (8000, 20)
    assert (raw.may_send, raw.is_over, raw.waits_for_server) == (True, False, False)
    assert raw.open() == ["first"]
    assert raw.receive("anything") == raw.pause(0) == raw.resume(0, 20) == raw.close() == []


@given(st.lists(st.tuples(st.integers(-32768, 32767), st.integers(-32768, 32767)), max_size=50))
def test_samples_go_out_low_byte_first_party_beside_party(frames: list[tuple[int, int]]) -> None:
    messages = speaker().audio(np.array(frames, np.int16).reshape(-1, 2), 0)
    expected = b"".join(value.to_bytes(2, "little", signed=True) for frame in frames for value in frame)
    assert messages == ([expected] if expected else [])


def test_other_channels_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="carries 2"):
        speaker().audio(np.zeros((160, 1), np.int16), 0)


def test_credentials_take_the_form_of_their_scheme() -> None:
    assert basic("acme:s3cret") == {"Authorization": "Basic YWNtZTpzM2NyZXQ="}
    assert bearer("s3cret") == {"Authorization": "Bearer s3cret"}
    assert basic(None) == basic("") == bearer(None) == {}


def test_basic_needs_an_id() -> None:
    with pytest.raises(OptionError, match="ID:SECRET") as problem:
        basic("s3cret")
    assert not isinstance(problem.value, StreamError)
    assert "s3cret" not in str(problem.value)


@pytest.mark.parametrize("roles", [(), ("customer", "agent", "agent")])
def test_other_than_one_or_two_parties_are_refused(roles: tuple[str, ...]) -> None:
    with pytest.raises(OptionError, match=f"got {len(roles)} roles"):
        one_or_two(CallOptions(url=URL, call_id="c1", roles=roles), "jambonz")
