"""Which lines of a TOML text are keys and heads, and which are words in a message."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.masking import masked
from streamer_client.alerts.rules import parse_rules
from streamer_client.errors import RuleError

TRAP = '''
[[rule]]
name = "a"  # not """ the beginning of anything
severity = "info"
emotions = ["angry"]
within_s = 60
message = """
[[rule]]
count = 3
name = 'b'
"""
count = 0
'''


def test_a_message_that_looks_like_a_rule_does_not_mislead() -> None:
    with pytest.raises(RuleError, match="rule 'a', key 'count', line 12: got 0"):
        parse_rules(TRAP, "rules.toml")


@pytest.mark.parametrize("line", ['a = "# no comment"', "a = 1  # '''", r'a = "\"\"\""', 'a = \'"""\'', "a = '''b'''"])
def test_a_line_of_its_own_stays_as_it_is(line: str) -> None:
    assert masked(line) == line
    tomllib.loads(line)


@given(st.text(alphabet=st.sampled_from("\"'#\\\nab =[]")))
def test_no_line_is_lost_or_won(text: str) -> None:
    assert masked(text).count("\n") == text.count("\n")
