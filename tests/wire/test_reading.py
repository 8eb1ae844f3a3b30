"""Reading a peer's JSON."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.wire.reading import read_json, shown

decoder = msgspec.json.Decoder(dict[str, int])


def test_what_fits_is_read() -> None:
    assert read_json(decoder, '{"a":1}') == {"a": 1}


@given(st.text(alphabet=st.characters()))
def test_any_text_is_read_or_is_one_kind_of_error(text: str) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        assert read_json(decoder, text) == {}


@pytest.mark.parametrize("text", ["", "{", '{"a":1', "[" * 100_000, "\udfff", '{"a":"\udfff"}'])
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_json(decoder, text)


def test_nesting_without_end_is_an_error_too() -> None:
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        read_json(msgspec.json.Decoder(), "[" * 100_000)


@pytest.mark.parametrize("text", ["[]", '{"a":"1"}', "7"])
def test_json_of_another_type_is_told_from_no_json(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_json(decoder, text)


class Known(msgspec.Struct, tag="known"):
    """A message with a type."""


@given(st.text(max_size=500))
@example("\U00010000" * 40)
def test_what_is_wrong_is_one_legible_line_whatever_the_peer_wrote(text: str) -> None:
    with pytest.raises(msgspec.ValidationError) as problem:
        read_json(msgspec.json.Decoder(Known), msgspec.json.encode({"type": f"un{text}"}).decode())
    assert str(problem.value).isprintable()
    assert len(str(problem.value)) < 200
    assert str(problem.value).endswith("- at `$.type`")


@given(st.text(alphabet=st.characters()))
def test_what_is_shown_is_one_short_printable_line(text: str) -> None:
    assert shown(text).isascii()
    assert shown(text).isprintable()
    assert len(shown(text)) <= len(ascii("\U0001f600" * 40 + "..."))


def test_what_is_short_is_shown_whole() -> None:
    assert shown("boss") == "'boss'"
