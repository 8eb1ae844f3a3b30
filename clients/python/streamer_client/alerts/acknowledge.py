"""Say on the bus that somebody has taken care of an alert: who, when, and what was done.

The same act said twice (a button pressed again, a command repeated after an error) is one event: its id derives from
alert, person and note. This file must never keep acknowledgements, and never invent the call an alert belongs to.
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

import aiomqtt

from streamer_client.broker import Broker
from streamer_client.errors import OptionError
from streamer_client.events import AcknowledgementData, AcknowledgementEvent, AlertEvent, CallRef
from streamer_client.publish import publish

SOURCE = "/acknowledgements"
LONGEST_BY = 80
LONGEST_NOTE = 1000
LONGEST_ALERT = 128
_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing: one in a name makes a wallboard show what nobody wrote."""


def acknowledgement(
    alert: AlertEvent | str,
    *,
    by: str,
    note: str = "",
    call: CallRef | None = None,
    at_s: float,
    source: str = SOURCE,
) -> AcknowledgementEvent:
    """Return the event that says so; publishes nothing.

    Parameters
    ----------
    alert : AlertEvent or str
        The alert, or its id.
    by : str
        Who, as the person or the desk calls itself; 1 to 80 characters.
    note : str
        What was done; up to 1000 characters, one line.
    call : CallRef, optional
        The alert's call; needed where only its id is given.
    at_s : float
        When, in seconds since 1970 (UTC).
    source : str
        Where it was said; the CloudEvents ``source``.

    Raises
    ------
    OptionError
        A name or note that is empty, too long or holds control characters; an id without its call.
    """
    if isinstance(alert, AlertEvent):
        call, alert = alert.data.call, alert.id
    if call is None:
        raise OptionError(f"the call of alert {alert!r} is not known; give the alert as it came, or its call")
    if not call.tenant or set(call.tenant) & set("/+#"):
        raise OptionError(f"got tenant {call.tenant!r}; name the one whose alert it is, without /, + and #")
    alert = _line("the alert's id", alert, 1, LONGEST_ALERT)
    by = _line("by", by, 1, LONGEST_BY)
    note = _line("note", note, 0, LONGEST_NOTE)
    # Lengths in front: no two different acts may run together into the same text.
    act = "".join(f"{len(part)}:{part}" for part in (call.tenant, alert, by, note))
    return AcknowledgementEvent(
        id=hashlib.sha256(f"acknowledgement {act}".encode()).hexdigest()[:32],
        source=source,
        subject=f"{call.id}/{alert}",
        time=datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        data=AcknowledgementData(call=call, alert=alert, by=by, note=note),
    )


async def acknowledge(
    broker: Broker,
    alert: AlertEvent | str,
    *,
    by: str,
    note: str = "",
    call: CallRef | None = None,
    base: str = "emotion",
    source: str = SOURCE,
    now_s: Callable[[], float] = time.time,
) -> AcknowledgementEvent:
    """Publish an acknowledgement; return it once the broker has it.

    Parameters
    ----------
    broker : Broker
    alert, by, note, call, source
        As in :func:`acknowledgement`.
    base : str
        First levels of every topic, as configured in the server.
    now_s : callable
        The clock, in seconds since 1970 (UTC).

    Raises
    ------
    OptionError
        As in :func:`acknowledgement`; nothing is connected then.
    BrokerError
        The broker cannot be reached, does not let us in, or refuses the message.
    """
    event = acknowledgement(alert, by=by, note=note, call=call, at_s=now_s(), source=source)
    try:
        async with broker.client() as client:
            await publish(client, broker, topic_of(event, base), event)
    except aiomqtt.MqttError as problem:
        raise broker.explain(problem) from problem
    return event


def topic_of(event: AcknowledgementEvent, base: str = "emotion") -> str:
    """Return the topic of an acknowledgement: that of its call's tenant."""
    return f"{base}/v1/{event.data.call.tenant}/acknowledgements"


def _line(name: str, text: str, shortest: int, longest: int) -> str:
    """Return a text without spaces around it; refuse what would break a log line, a page or a header.

    Also letters that look composed and letters that are composed become the same, so that the same name is the same
    act from every keyboard (NFC).
    """
    text = unicodedata.normalize("NFC", text).strip()
    bad = next((one for one in text if unicodedata.category(one) in _FORBIDDEN or one in _TURNING), None)
    if bad is not None:
        raise OptionError(f"{name} holds the control character U+{ord(bad):04X}; give one line of plain text")
    if not shortest <= len(text) <= longest:
        raise OptionError(f"{name} has {len(text)} characters; give {shortest} to {longest}")
    return text
