"""Reason codes: each says what to do, and is of one kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bus.reasons import Trouble, advice, advice_on_publish, trouble


@given(st.integers(0x80, 0xFF))
def test_every_refusal_says_what_to_do_and_is_of_a_kind(code: int) -> None:
    assert advice(code)
    assert advice_on_publish(code)
    assert trouble(code) in Trouble


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (0x84, Trouble.VERSION, "mqtt.version"),
        (0x86, Trouble.CREDENTIALS, "mqtt.password_file"),
        (0x8E, Trouble.TAKEN_OVER, "same `node`"),
        (0x95, Trouble.LIMITS, "largest packet"),
        (0x97, Trouble.FULL, "the broker is full"),
        (0x9A, Trouble.LIMITS, "retained messages"),
        (0xFE, Trouble.REFUSED, "its log says why"),
    ],
)
def test_the_kind_is_what_an_operator_would_call_it(code: int, kind: Trouble, words: str) -> None:
    assert trouble(code) is kind
    assert words in advice(code)


def test_one_message_that_is_not_allowed_is_no_matter_of_the_password() -> None:
    assert advice_on_publish(0x87) == "check what this user may write to at the broker"
    assert "password" in advice(0x87)
    assert advice_on_publish(0x97) == advice(0x97)
