"""An alert in words, for places that take text: chat, mail, a log. Pure.

Nothing here may show more than the event carries, and nothing an event carries may break a line or a header.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import unicodedata

from streamer_client.events import AlertEvent


def sentence(alert: AlertEvent) -> str:
    """Return an alert as one line: time, severity, rule, call, message, id."""
    data = alert.data
    return (
        f"{one_line(alert.time)} {data.severity.upper()} {one_line(data.rule)}: call {one_line(data.call.id)}, "
        f"{one_line(data.role)}: {one_line(data.message)} ({counted(alert)}; alert {one_line(alert.id)})"
    )


def counted(alert: AlertEvent) -> str:
    """Return how many utterances stand behind an alert: ``2 utterances``."""
    count = len(alert.data.utterances)
    return f"{count} utterance{'s' * (count != 1)}"


def one_line(text: str) -> str:
    """Return a text as one line: whatever controls a terminal, a line or the direction of writing is a space."""
    clean = "".join(" " if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else one for one in text)
    return " ".join(clean.split())


def safe_id(alert: AlertEvent) -> str:
    """Return the alert's id as it may stand in a header; a digest where it is none of ours and might do harm there."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", alert.id):
        return alert.id
    return hashlib.sha256(alert.id.encode(errors="replace")).hexdigest()[:32]


def how_to_take(alert: AlertEvent) -> str:
    """Return the command that acknowledges an alert, for a person to complete; safe to paste into a shell."""
    data = alert.data
    parts = ["streamer", "acknowledge", alert.id, "--call", data.call.id]
    if data.call.tenant != "default":
        parts += ["--tenant", data.call.tenant]
    return shlex.join(one_line(part) for part in [*parts, "--by", "YOUR-NAME"])
