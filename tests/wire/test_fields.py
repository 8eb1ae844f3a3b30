from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.resample import LATENCY_MS
from streamer.wire.events import Fault, Role
from streamer.wire.fields import RATES_HZ, is_set, labels, plain, rate_of, read_object, roles, whole_number

anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(anything)
def test_whatever_a_field_holds_nothing_is_raised(value: Any) -> None:
    assert isinstance(plain(value), str)
    assert isinstance(is_set(value), bool)
    assert whole_number(value) is None or int(plain(value).removesuffix(".0")) == whole_number(value)
    assert roles(value) is None or all(isinstance(role, Role) for role in roles(value) or ())
    assert isinstance(rate_of(value, "rate"), int | Fault)


@pytest.mark.parametrize("text", ["", "[]", "7", "nothing", "{", '{"a":' + 5000 * "9" + "}", 9000 * "[", "\ud800"])
def test_what_is_no_object_is_said_so(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_object(text)


def test_an_object_is_read_whatever_it_holds() -> None:
    assert read_object('{"a":{"b":[1,null]}}') == {"a": {"b": [1, None]}}


@pytest.mark.parametrize(
    ("value", "text"),
    [("a1", "a1"), (" a ", "a"), (7, "7"), (True, ""), (None, ""), ([], ""), ("x" * 256, "x" * 256), ("x" * 257, "")],
)
def test_texts_and_numbers_are_plain(value: Any, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [(8000, 8000), ("8000", 8000), (8000.0, 8000), (8000.5, None), (-1, None), ("8k", None), ("٣", None), (True, None)],
)
def test_numbers_come_as_numbers_and_as_digits(value: Any, number: int | None) -> None:
    assert whole_number(value) == number


@pytest.mark.parametrize("value", [True, 1, "1", "true", " True "])
def test_yes_is_yes_in_any_writing(value: Any) -> None:
    assert is_set(value)


@pytest.mark.parametrize("value", [False, 0, "0", "false", "", None, "yes", [True], {"a": 1}])
def test_everything_else_is_no(value: Any) -> None:
    assert not is_set(value)


def test_only_fields_that_are_asked_for_become_labels() -> None:
    fields = {"queue": "sales", "team": 7, "from": "+15551234567", "tree": {"a": 1}, "empty": ""}
    assert labels(fields, ["queue", "team", "tree", "empty", "missing"]) == {"queue": "sales", "team": "7"}


@pytest.mark.parametrize("value", ["customer, agent", ["customer", "agent"]])
def test_roles_come_as_a_list_or_with_commas(value: Any) -> None:
    assert roles(value) == (Role.CUSTOMER, Role.AGENT)


@pytest.mark.parametrize("value", ["boss", "customer,", "", ["customer", 7], [{}], 7, None])
def test_a_role_that_is_none_is_no_role(value: Any) -> None:
    assert roles(value) is None


def test_the_rates_are_those_that_can_be_brought_to_8_khz() -> None:
    assert set(RATES_HZ) == set(LATENCY_MS)


@pytest.mark.parametrize("value", [64000, "64000", 7999, 0, "fast", None])
def test_another_rate_is_refused_in_words(value: Any) -> None:
    fault = rate_of(value, "sampleRate")
    assert isinstance(fault, Fault)
    assert fault.code == "bad_sample_rate"
    assert "sampleRate" in fault.message
    assert "48000" in fault.message
    assert json.dumps(fault.message).isascii()
