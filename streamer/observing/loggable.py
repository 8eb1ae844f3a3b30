"""What of words meant for a peer may stand in the log: ours, and none that the peer wrote.

An error tells a peer what came, and so repeats what it sent: a name in a field where a role should be, a number where a
track should be, a token in the wrong place. The peer alone gets that back. What a peer wrote always stands in quotes
(`wire.reading.shown`), so in the log every quoted text that is no word of a protocol becomes its length, and so does
every telephone number. This file must never let through what it does not know.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from traceback import TracebackException
from types import TracebackType
from typing import Any, Final, TextIO

_WORDS: Final = """
start stop gap pause resume notice withdraw media dtmf mark connected clear open opened close closed ping pong paused
resumed discarded update error event disconnect session.initiate session.resume session.end userStream
userStream.start userStream.chunk userStream.stop activities connection.validate MEDIA_START type token roles
media_format call_sid created PCMU PCMA L16 G722 2 PT1.5S @authority array bool bytes float int null object str
"""
KNOWN: Final = frozenset(_WORDS.split())
"""What stays although it is quoted: kinds of messages, fields and values that our own messages name, types."""

_QUOTED: Final = re.compile(
    r"""(?<!\w) (?: '(?P<single>(?:[^'\\]|\\.)*)' | "(?P<double>(?:[^"\\]|\\.)*)" | `(?P<back>[^`]*)`
    | (?P<unclosed>['"`].*) )""",
    re.VERBOSE | re.DOTALL,
)
"""An apostrophe within or behind a word opens nothing; a quote that is never closed reaches to the end."""
_PLACE: Final = re.compile(r"\$(?:[.\w]|\[\.\.\.\])*")
"""Where in a message, as the decoder says it: `$.media.track`; names of fields that we know, never keys of a peer."""
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?")
"""A web page's origin: to let it in, an operator must copy it from the log."""
_NUMBER: Final = re.compile(r"\+?\d(?:[ ().\-/]*\d){6,}")


def loggable(message: str) -> str:
    """Return a message without what a peer wrote in it.

    Parameters
    ----------
    message
        Words of ours, in which a peer's own stand in quotes.

    Returns
    -------
    str
        The same with each quoted text that is no word of a protocol, no place in a message and no web page's origin as
        ``<n characters>``, and what may be a telephone number as ``<number>``.
    """
    return _NUMBER.sub("<number>", _QUOTED.sub(_without_peer, message))


def _without_peer(quoted: re.Match[str]) -> str:
    inside = next(text for text in quoted.groups() if text is not None)
    is_ours = inside in KNOWN or _PLACE.fullmatch(inside) or _ORIGIN.fullmatch(inside)
    if is_ours and quoted["unclosed"] is None:
        return quoted[0]
    return f"<{len(inside)} characters>"


def without_contents(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what the exceptions of a log line repeat of a peer's data; a processor of structlog, behind the tracebacks.

    Types, files and lines, by which a defect is found, stay.
    """
    for exception in line.get("exception", ()):
        exception["exc_value"] = loggable(exception["exc_value"])
    return line


def write_traceback(page: TextIO, problem: tuple[type[BaseException], BaseException, TracebackType | None]) -> None:
    """Write a traceback for people, masked as above and without the values of variables."""
    page.write("\n")
    parts = TracebackException(*problem).format()
    page.writelines(part if part.startswith("  File ") else loggable(part) for part in parts)
