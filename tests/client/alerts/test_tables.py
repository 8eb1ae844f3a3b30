from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.tables import KeyProblem, Lines, convert, located, read_text, tables
from streamer_client.errors import RuleError

TEXT = """[[rule]]
name = "a"
[[output]]
kind = "log"
"path" = "x"
[rule.labels]
path = "y"
 [[ output ]]
kind = "mail"
"""


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    count: int = 1
    format: str = ""


def test_a_key_is_found_in_its_own_table_and_nowhere_else() -> None:
    lines = Lines(TEXT, "output")
    assert [lines.of(0, "kind"), lines.of(0, "path"), lines.of(1, "kind")] == [4, 5, 9]
    assert [lines.of(0, "host"), lines.of(1, "path"), lines.of(2, "kind")] == [3, 8, None]


@given(st.text(alphabet='[]rule="1.\n {}ab'), st.integers(0, 3))
def test_a_line_is_one_of_the_text_or_none(text: str, number: int) -> None:
    line = Lines(text, "rule").of(number, "a")
    assert line is None or 1 <= line <= len(text.splitlines())


def test_the_tables_of_a_kind_are_returned_and_strangers_refused() -> None:
    assert [table["kind"] for table in tables('[[output]]\nkind = "log"', "f", "output")] == ["log"]
    assert tables("", "f", "output") == []
    with pytest.raises(RuleError, match="f, line 1: unknown key 'ouptut' at the top"):
        tables("[[ouptut]]", "f", "output")
    with pytest.raises(RuleError, match="f, line 1: holds no output; each begins with"):
        tables("output = 3", "f", "output")
    with pytest.raises(RuleError, match="f is no TOML"):
        tables("[[", "f", "output")


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ({}, "path", "is missing, every output needs it"),
        ({"path": "x", "paht": 1}, "paht", "there is no such key; choose from path, count, format"),
        ({"path": 3}, "path", "Expected text, got int"),
        ({"path": "x", "format": 3}, "format", "got 3; choose from json, text"),
        (3, "output", "Expected object, got int"),
    ],
)
def test_a_table_that_does_not_fit_names_its_key(table: Any, key: str, words: str) -> None:
    with pytest.raises(KeyProblem, match=words) as caught:
        convert(table, Settings, "output", {"format": ("json", "text")})
    assert caught.value.key == key


def test_a_problem_is_told_with_all_that_helps_to_find_it() -> None:
    problem = KeyProblem("path", "got nothing")
    assert str(located(problem, "f.toml", "output 'x'", 3)) == "f.toml: output 'x', key 'path', line 3: got nothing"
    assert str(located(problem, "f.toml", "output 'x'", None)) == "f.toml: output 'x', key 'path': got nothing"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Any) -> None:
    with pytest.raises(RuleError, match=r"cannot read the rules in .*nowhere: No such file"):
        read_text(tmp_path / "nowhere", "rules")
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(RuleError, match="no UTF-8 text"):
        read_text(tmp_path / "x", "rules")
