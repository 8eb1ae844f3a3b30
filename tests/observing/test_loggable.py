"""What of a peer's words gets into the log: their length."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamer
from streamer.observing.loggable import loggable, without_contents, write_traceback
from streamer.wire.reading import read_json, shown

PRIVATE = "Erika Mustermann"
WHERE_PEERS_ARE_ANSWERED = ("wire", "platforms", "session.py", "watch.py", "auth.py", "access", "load")


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("a channel has role 'boss'; use one of customer, agent", "a channel has role <4 characters>; use one of"),
        ("'start' came twice; open one stream for each call", "'start' came twice; open one stream for each call"),
        ("the platform's text: \"Ann's\"", "the platform's text: <5 characters>"),
        ("a value `x", "a value <2 characters>"),
        ("Expected `int`, got `str` - at `$.media.track`", "Expected `int`, got `str` - at `$.media.track`"),
        ("the Origin 'https://desk.example:8443' is not", "the Origin 'https://desk.example:8443' is not"),
        ("the Origin 'https://desk.example/?to=Ann' is", "the Origin <28 characters> is"),
        ("version 491701234567; this server", "version <number>; this server"),
    ],
)
def test_ours_stays_and_theirs_goes(message: str, logged: str) -> None:
    assert loggable(message).startswith(logged)


@given(before=st.text(max_size=30), behind=st.text(max_size=30))
def test_whatever_stands_around_it_what_a_peer_wrote_is_not_logged(before: str, behind: str) -> None:
    assert PRIVATE not in loggable(f"a field is {shown(before + PRIVATE + behind)[:45]}; expected one of a, b")
    assert PRIVATE not in loggable(f"a field is {shown(PRIVATE + behind)} after {shown(before + PRIVATE)}; expected a")


class Known(msgspec.Struct, tag="known", forbid_unknown_fields=True):
    """A message with a type."""

    kind: Literal["a", "b"] = "a"


@given(
    text=st.text(alphabet=st.sampled_from("'\"`\\ a\n"), max_size=12), field=st.sampled_from(["type", "kind", "else"])
)
def test_nor_is_what_the_decoder_repeats_however_it_is_quoted(text: str, field: str) -> None:
    message = {"type": "known"} | {f"{PRIVATE}{text}" if field == "else" else field: f"{text}{PRIVATE}{text}"}
    with pytest.raises(msgspec.ValidationError) as problem:
        read_json(msgspec.json.Decoder(Known), msgspec.json.encode(message).decode())
    assert PRIVATE in str(problem.value), "the peer gets it back"
    assert PRIVATE not in loggable(f"'start' is not as expected: {problem.value}")


def said_to_peers() -> Iterator[str]:
    """Find the words that the sources say to peers, with \0 where a value is filled in."""
    home = Path(streamer.__file__).parent
    for file in (
        one for name in WHERE_PEERS_ARE_ANSWERED for one in sorted(home.glob(f"{name}/*.py")) or [home / name]
    ):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in {"Fault", "Flaw", "Refusal"}:
                for said in call.args[1:]:
                    if isinstance(said, ast.Constant) and isinstance(said.value, str):
                        yield said.value
                    elif isinstance(said, ast.JoinedStr):
                        yield "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in said.values)


def test_every_word_of_ours_that_is_quoted_is_known_and_stays() -> None:
    messages = list(said_to_peers())
    assert len(messages) > 50
    for message in messages:
        for quoted in re.findall(r"(?<!\w)'[^']*'|\"[^\"]*\"", message):
            assert "\0" in quoted or loggable(quoted) == quoted, f"{quoted} of {message!r}: add it to KNOWN"


def failed() -> BaseException:
    try:
        secret = PRIVATE
        raise KeyError(secret)
    except KeyError as problem:
        return problem


def test_of_an_exception_its_type_and_place_are_logged_and_not_what_it_repeats() -> None:
    problem = failed()
    page = io.StringIO()
    write_traceback(page, (type(problem), problem, problem.__traceback__))
    assert PRIVATE not in page.getvalue()
    assert "KeyError: <16 characters>" in page.getvalue()
    assert Path(__file__).name in page.getvalue()

    line = without_contents(None, "error", {"event": "x", "exception": [{"exc_type": "E", "exc_value": str(problem)}]})
    assert line == {"event": "x", "exception": [{"exc_type": "E", "exc_value": "<16 characters>"}]}
    assert without_contents(None, "info", {"event": "x"}) == {"event": "x"}
