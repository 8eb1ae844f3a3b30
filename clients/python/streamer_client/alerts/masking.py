"""A TOML text without what stands inside its multi-line strings, line by line as before.

For whoever looks for keys and heads of tables by line: a message of several lines may hold words that look like them.
This file must never judge a text; TOML's own reader has done that.
"""

from __future__ import annotations

import re

_PART = re.compile(
    r'"""(?:\\.|[^\\])*?"""'  # one of these two may go over several lines ...
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"'  # ... these may hold the quotes or the hash of the others
    r"|'[^'\n]*'"
    r"|#[^\n]*",
    re.DOTALL,
)


def masked(text: str) -> str:
    """Return the text, of as many lines, with nothing but line ends inside strings that go over several."""
    return _PART.sub(lambda part: "\n" * part[0].count("\n") if "\n" in part[0] else part[0], text)
