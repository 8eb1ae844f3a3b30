"""Cards as TOML: what is written is what is read."""

import math
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.toml import to_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXTS
VALUES = PLAIN | st.lists(PLAIN, max_size=4)
DOCUMENTS = st.dictionaries(
    TEXTS, VALUES | st.dictionaries(TEXTS, VALUES | st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3), max_size=5
)


@given(DOCUMENTS)
def test_what_is_written_is_what_is_read(document: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(document)) == document


def test_a_header_is_a_comment() -> None:
    assert to_toml({"a": 1}, "by hand: never").splitlines()[0] == "# by hand: never"


def test_not_a_number_stays_not_a_number() -> None:
    assert math.isnan(tomllib.loads(to_toml({"a": math.nan}))["a"])


def test_tuples_are_lists() -> None:
    assert tomllib.loads(to_toml({"labels": ("a", "b")})) == {"labels": ["a", "b"]}


@pytest.mark.parametrize("value", [None, b"x", [None], object()])
def test_what_a_card_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="a card cannot hold"):
        to_toml({"a": value})
