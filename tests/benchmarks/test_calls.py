"""Made-up calls: the same dice give the same call, and a tape says what the platform would."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.calls import RATE_HZ, TAPED, conversation, demo_call, lines, shelf, tape

CALL = demo_call()
STREAM = 32 * "a"


@settings(max_examples=20)
@given(st.integers(0, 1 << 32), st.floats(1.0, 20.0))
def test_a_conversation_has_its_length_and_depends_on_the_dice_alone(seed: int, seconds: float) -> None:
    one, other = (conversation(random.Random(seed), seconds, CALL) for _ in range(2))
    assert one.shape == (round(seconds * RATE_HZ), 2)
    assert one.dtype == np.int16
    assert np.array_equal(one, other)


def test_both_parties_speak_in_a_conversation_of_some_length() -> None:
    sides = conversation(random.Random(1), 30.0, CALL).T
    assert all(lines(side) for side in sides)


@pytest.mark.parametrize("dialect", TAPED)
def test_a_tape_is_as_long_as_its_recording_and_in_blocks_of_20_ms(dialect: str) -> None:
    taped = tape(dialect, CALL[: 3 * RATE_HZ], STREAM)
    assert len(taped.blocks) == 150
    assert taped.seconds == pytest.approx(3.0)
    assert all(taped.blocks)


def test_messages_of_a_tape_are_numbered_behind_those_that_open_the_call() -> None:
    taped = tape("twilio", CALL[:RATE_HZ], STREAM)
    numbers = [int(json.loads(message)["sequenceNumber"]) for block in taped.blocks for message in block]
    assert numbers == list(range(2, 2 + len(numbers)))
    (stop,) = map(json.loads, taped.last)
    assert int(stop["sequenceNumber"]) == numbers[-1] + 1


def test_half_of_a_shelf_is_native_and_the_rest_is_of_every_dialect() -> None:
    tapes = shelf(random.Random(2), 8, (0.5, 1.0))
    assert [one.dialect for one in tapes].count("native") == 4
    assert {one.dialect for one in tapes} == set(TAPED)
