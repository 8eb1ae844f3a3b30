"""Values that must never come out of the server, put into everything that goes in, and the search for them.

Nothing here may know where a platform carries what: the values stand in every message, under every name that a
platform, its customer or a stranger might use.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streamer_client.dialects.speaker import Message, Samples, Speaker

from tests.wire.vendors import STREAMS

NUMBER = "491701834267"
SPELLINGS = (f"+{NUMBER}", f"00{NUMBER}", "+49 (0)170-183 42 67", "0170/1834267", f"sip:+{NUMBER}@pbx.example")
SUBSCRIBER = "1701834267"
"""What all spellings share once what separates digits is left out."""
NAME = "Erika Mustermann"
DIGITS = "73*91#46"
"""As somebody pressed them."""
TOKEN = "PLANTED-in-a-message"
HOSTILE = f"{NAME} {SPELLINGS[2]} {DIGITS} {TOKEN}"
ALLOWED = "billing-desk-4"
"""The value of the one field that the configuration allows; found again, it shows that the search would find."""

FIELDS: Mapping[str, Any] = {
    "queue": ALLOWED,
    "from": SPELLINGS[0],
    "to": SPELLINGS[1],
    "caller": SPELLINGS[2],
    "callee": SPELLINGS[3],
    "ani": SPELLINGS[4],
    "callerName": NAME,
    "friendlyName": NAME.upper(),
    "digits": DIGITS,
    "password": TOKEN,
    SPELLINGS[0]: "a key",
    NAME: "a key",
}
_CALL_IDS = frozenset(
    (
        "call_id",
        "callSid",
        "call_sid",
        "callId",
        "call_control_id",
        "call_session_id",
        "conversationId",
        "call",
        "call-id",
    )
)
"""Fields that name a call; they are used as they are, so only the numbers in them can be known."""
_IDS = ("streamSid", "stream_id", "stream_sid", "streamId", "conversationId", "channel_id")


def planted(message: Message) -> Message:
    """Return a message with the fields at every level of it; what is no JSON object stays as it is."""
    if isinstance(message, bytes):
        return message
    try:
        parsed = json.loads(message)
    except ValueError:
        return message
    return json.dumps(_planted(parsed)) if isinstance(parsed, dict) else message


def _planted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _planted(inner) for name, inner in value.items()} | {
            name: text for name, text in FIELDS.items() if name not in value
        }
    if isinstance(value, str) and value.startswith("{"):
        return planted(value)  # some platforms put JSON into a text
    return value


def pressed(dialect: str, last: Message) -> list[Message]:
    """Return how a platform says that digits were pressed, of the stream that the last message is of."""
    if dialect == "audiosocket":
        return [b"\x03" + len(DIGITS).to_bytes(2) + DIGITS.encode()]
    found: list[Message] = []
    for message in STREAMS[dialect]:
        if isinstance(message, str) and "dtmf" in message.lower() and message.startswith("{"):
            said = json.loads(re.sub(r'("(?:digit|dtmf|value)": ?)"\d"', rf'\1"{DIGITS}"', message))
            ids = json.loads(last) if isinstance(last, str) else {}
            found.append(json.dumps(said | {name: ids[name] for name in _IDS if name in ids and name in said}))
    return found


class Planted:
    """The platform's side of a dialect, with the values in all that it says; keeps the audio as it went out."""

    def __init__(self, dialect: str, speaker: Speaker) -> None:
        self._dialect = dialect
        self._speaker = speaker
        self._last: Message = ""
        self.audio_sent: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._speaker, name)

    def open(self) -> list[Message]:
        """Return what comes first."""
        return self._said(self._speaker.open())

    def receive(self, message: Message) -> list[Message]:
        """Take what the server says; return the answers."""
        return self._said(self._speaker.receive(message))

    def audio(self, samples: Samples, position_ms: float) -> list[Message]:
        """Return the messages for a piece of the recording."""
        messages = self._speaker.audio(samples, position_ms)
        for message in messages:
            payload = re.search(r'"(?:payload|audioChunk)": ?"([^"]+)"', message) if isinstance(message, str) else None
            if isinstance(message, bytes) or payload is not None:
                self.audio_sent.append(message if isinstance(message, bytes) else base64.b64decode(payload[1]))
        return self._said(messages)

    def close(self) -> list[Message]:
        """Return what comes last."""
        return [*pressed(self._dialect, self._last), *self._said(self._speaker.close())]

    def _said(self, messages: Sequence[Message]) -> list[Message]:
        self._last = next((one for one in reversed(messages) if isinstance(one, str)), self._last)
        return [planted(message) for message in messages]


def spoilt(message: Message) -> Iterator[str]:
    """Give a message once for each of its values, which is then a hostile one."""
    if isinstance(message, str) and message.startswith("{"):
        parsed = json.loads(message)
        yield from map(json.dumps, _spoilt(parsed))


def _spoilt(value: Any, name: str = "") -> Iterator[Any]:
    yield SPELLINGS[2] if name in _CALL_IDS else HOSTILE
    if isinstance(value, dict):
        for key, inner in value.items():
            for other in _spoilt(inner, key):
                yield {**value, key: other}
    elif isinstance(value, list) and value:
        for other in _spoilt(value[0]):
            yield [other, *value[1:]]


def audio_marks(chunks: Sequence[bytes]) -> list[bytes]:
    """Return bytes by which audio would be known again, in every form in which it could be written down."""
    loud = sorted((chunk for chunk in chunks if len(chunk) >= 32), key=lambda chunk: len(set(chunk[:32])))[-5:]
    marks = []
    for chunk in loud:
        middle = chunk[len(chunk) // 2 // 12 * 12 :][:24] if len(chunk) >= 72 else chunk[:24]
        numbers = ", ".join(map(str, middle)).encode()
        marks += [middle, base64.b64encode(middle), middle.hex().encode(), repr(middle)[2:-1].encode(), numbers]
    return marks


def _numbers_closed_up(place: bytes) -> bytes:
    return re.sub(rb"(?<=\d)(?:\(0\)|[ ().\-/])+(?=\d)", b"", place)


def found(places: Mapping[str, bytes], secrets: Sequence[str], marks: Sequence[bytes]) -> list[str]:
    """Return what stands where it must not, each as one line for people.

    Parameters
    ----------
    places
        All that came out, by what it is.
    secrets
        Keys and tokens of the configuration, right or wrong.
    marks
        Of the audio.
    """
    texts = {"name": "Mustermann", "pressed digits": DIGITS, "token": TOKEN}
    texts |= {f"secret {secret}": secret for secret in secrets}
    leaks = []
    for where, place in places.items():
        folded, closed_up = place.lower(), _numbers_closed_up(place)
        for what, text in texts.items():
            forms = (text.encode(), base64.b64encode(text.encode()))
            if forms[0].lower() in folded or forms[1] in place:
                leaks.append(f"{what} in {where}: {_around(place, text.encode())}")
        if SUBSCRIBER.encode() in closed_up:
            leaks.append(f"number in {where}: {_around(closed_up, SUBSCRIBER.encode())}")
        leaks += [f"audio in {where}: {_around(place, mark)}" for mark in marks if mark in place]
    return leaks


def _around(place: bytes, text: bytes) -> str:
    at = place.lower().find(text.lower())
    return repr(place[max(0, at - 150) : at + 100])
