"""The events as they stand on the bus: CloudEvents 1.0 in structured JSON.

One frozen struct per kind of message, in the order of the topics of the manual. The server builds its events from
these very types, so what it sends and what a client reads cannot drift apart. This file must never import anything
heavier than msgspec: a client that only reads events pays for nothing else.

Reading is lenient where the schema may grow (unknown fields are ignored, an unknown event type becomes
:class:`UnknownEvent`) and strict where a known field has the wrong type.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

CONTENT_TYPE = "application/cloudevents+json"
EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
"""What a verdict may name. Every model knows the first six; those that know surprise as well have all seven scores."""
ROLES = ("customer", "agent", "unknown")
REASONS = ("stop", "disconnected", "idle", "draining", "error", "withdrawn")


def _says(**keywords: Any) -> msgspec.Meta:  # noqa: ANN401 - JSON Schema's keywords hold anything
    """Return what the JSON Schema in ``clients/schema`` says of a value, and reading does not hold it to."""
    return msgspec.Meta(extra_json_schema=keywords)


Share = Annotated[float, _says(minimum=0, maximum=1)]
Count = Annotated[int, _says(minimum=0)]
Milliseconds = Annotated[int, _says(minimum=0)]
Role = Annotated[str, _says(enum=list(ROLES))]
EmotionName = Annotated[str, _says(enum=list(EMOTIONS))]
Id = Annotated[str, _says(minLength=1)]


class Cut(StrEnum):
    """Why an utterance ended where it did."""

    SILENCE = "silence"
    MAX_LENGTH = "max_length"
    GAP = "gap"
    END_OF_CALL = "end_of_call"


class Status(StrEnum):
    """What a node says of itself."""

    ONLINE = "online"
    DRAINING = "draining"
    OFFLINE = "offline"


class Severity(StrEnum):
    """How urgent an alert is; also the last level of its topic."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class CallRef(msgspec.Struct, frozen=True):
    """Which call an event belongs to."""

    id: Id
    """The platform's id, made safe for topics; a pseudonym where it looked like a telephone number."""
    tenant: str = "default"
    """Whose call it is: that of the key which let it in."""
    dialect: str = "native"
    """How the platform speaks: the name of its path, or ``recording``."""
    labels: dict[str, str] = {}
    """What the platform said of the call, as far as the configuration allows it by name."""


class Speaker(msgspec.Struct, frozen=True):
    """Whose audio it was."""

    role: Role
    """``customer``, ``agent`` or ``unknown``."""
    channel: Count
    """Which channel of the call, from 0."""


class Utterance(msgspec.Struct, frozen=True):
    """Where the utterance lies on the call's media clock."""

    n: Annotated[int, _says(minimum=1)]
    """Counts from 1 per role of a call."""
    start_ms: Milliseconds
    """Where it begins, pre-roll included."""
    end_ms: Milliseconds
    """Where the last speech ends; the hangover is not part of it."""
    speech_ms: Milliseconds
    """Time inside the utterance that the VAD called speech."""
    cut: Cut | None
    """Null in a partial: the utterance goes on."""


class Emotion(msgspec.Struct, frozen=True):
    """The verdict. Scores are calibrated probabilities that sum to 1 within rounding."""

    top: EmotionName
    """The likeliest emotion; no verdict where ``uncertain`` is true."""
    confidence: Share
    """The score of ``top``, 0 to 1."""
    uncertain: bool
    """True below the model's calibrated threshold: treat ``top`` as no verdict then."""
    scores: dict[EmotionName, Share]
    """By emotion: the first six of :data:`EMOTIONS`, or all seven, by the model."""


class Quality(msgspec.Struct, frozen=True):
    """How good the audio was that the verdict rests on."""

    snr_db: float
    """Level of speech over level of the silence around it, in dB."""
    clipped: Share
    """Share of samples at full scale, 0 to 1."""
    lost_ms: Milliseconds
    """Media time that never arrived and was filled with silence."""


class ModelRef(msgspec.Struct, frozen=True):
    """Which model spoke."""

    name: str
    """As in the store and in ``emotion.model``."""
    version: str
    """Verdicts of two versions are not comparable number by number."""
    sha256: str
    """Checksum of the network's file, as its card has it."""


class Latency(msgspec.Struct, frozen=True):
    """What the verdict took after the last spoken sample, in ms by stage."""

    hangover_ms: Milliseconds
    """The silence that had to pass before the utterance was over: ``speech.hangover_ms``."""
    queue_ms: Annotated[float, _says(minimum=0)]
    """Waiting for the model."""
    compute_ms: Annotated[float, _says(minimum=0)]
    """The model's run."""


class UtteranceData(msgspec.Struct, frozen=True):
    """Payload of an utterance or partial event."""

    call: CallRef
    speaker: Speaker
    utterance: Utterance
    emotion: Emotion
    quality: Quality
    model: ModelRef
    latency: Latency


class StateData(msgspec.Struct, frozen=True):
    """Payload of the retained state of a live call."""

    call: CallRef
    status: Literal["live"]
    roles: tuple[Role, ...]
    """Who is on the call, by channel."""
    analysed: tuple[Role, ...]
    """Whose emotion is named."""
    notice: bool
    """Whether the person has been told (AI Act art. 50(3))."""
    lawful_basis: str = ""
    """Stated by the operator where a worker's channel is analysed."""


class SpeakerSummary(msgspec.Struct, frozen=True):
    """What one party did in the call; it names no emotion of a role that is not analysed."""

    role: Role
    channel: Count
    """Which channel of the call, from 0."""
    analysed: bool
    """Whether this party's emotion was named."""
    utterances: Count
    """How many times this party spoke, from pause to pause."""
    talk_ms: Milliseconds
    """Time in which this party spoke."""
    silence_ms: Milliseconds
    """The rest of the call."""
    loudness_dbfs: float | None
    """Mean level of the speech, dB relative to full scale; null where nobody spoke."""
    syllables_per_s: Annotated[float, _says(minimum=0)] | None
    """Rough speech rate: syllable nuclei per second of speech; null under 1 s of speech."""
    lost_ms: Milliseconds
    """Media time of this party that never arrived."""
    emotions: dict[EmotionName, Count] = {}
    """Certain verdicts by emotion; empty for a role that is not analysed."""


class EndedData(msgspec.Struct, frozen=True):
    """Payload of the summary of a call."""

    call: CallRef
    duration_ms: Milliseconds
    """How long the call was, on its media clock."""
    utterances: Count
    """Utterance events of the call, all roles."""
    overlap_ms: Milliseconds
    """Both parties speaking at once."""
    reason: Annotated[str, _says(enum=list(REASONS))]
    """``stop``, ``disconnected``, ``idle``, ``draining``, ``error`` or ``withdrawn``."""
    speakers: tuple[SpeakerSummary, ...]


class AlertData(msgspec.Struct, frozen=True):
    """Payload of a compliance alert."""

    call: CallRef
    rule: str
    """Name of the rule that fired."""
    severity: Severity
    role: Role
    """Whose utterances it rests on."""
    message: str
    """One sentence a supervisor can act on."""
    utterances: tuple[Id, ...]
    """Ids of the utterance events behind the alert."""


class AcknowledgementData(msgspec.Struct, frozen=True):
    """Payload of an acknowledgement: somebody has taken care of an alert. When is the event's ``time``."""

    call: CallRef
    alert: Id
    """Id of the alert event."""
    by: Annotated[str, _says(minLength=1, maxLength=80)]
    """Who, as the person or the desk calls itself; 1 to 80 characters."""
    note: Annotated[str, _says(maxLength=1000)] = ""
    """What was done, in the person's words; up to 1000 characters."""


class StatusData(msgspec.Struct, frozen=True):
    """Payload of a node's retained status."""

    node: str
    """Name of the server: ``node`` of its configuration."""
    status: Status
    version: str = ""


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False):
    """Attributes of CloudEvents 1.0 (https://github.com/cloudevents/spec) that every event here carries."""

    specversion: Annotated[str, _says(const="1.0")] = "1.0"
    id: Id
    """Stable: a redelivery carries the same id. De-duplicate by it."""
    source: Annotated[str, _says(format="uri-reference", minLength=1)]
    """Who says so: ``/nodes/<node>`` for a server."""
    subject: str
    """What it is about: the call, the utterance of a party of it, or the node."""
    time: Annotated[str, _says(format="date-time", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    """UTC, RFC 3339, milliseconds."""
    datacontenttype: Annotated[str, _says(const="application/json")] = "application/json"


class _Sequenced(_Envelope, frozen=True, kw_only=True):
    sequence: Annotated[str, _says(pattern=r"^[0-9]{10}(\.[0-9]{5})?$")]
    """Zero-padded number that sorts as text (CloudEvents extension ``sequence``)."""


class UtteranceEvent(_Sequenced, frozen=True, kw_only=True, tag="emotion-streamer.utterance.v1"):
    """Final verdict of an utterance."""

    data: UtteranceData


class PartialEvent(_Sequenced, frozen=True, kw_only=True, tag="emotion-streamer.partial.v1"):
    """Rolling verdict inside a long utterance that is still going on."""

    data: UtteranceData


class StateEvent(_Envelope, frozen=True, kw_only=True, tag="emotion-streamer.state.v1"):
    """A call is live."""

    data: StateData


class EndedEvent(_Envelope, frozen=True, kw_only=True, tag="emotion-streamer.ended.v1"):
    """Summary of a call."""

    data: EndedData


class AlertEvent(_Envelope, frozen=True, kw_only=True, tag="emotion-streamer.alert.v1"):
    """A compliance rule fired."""

    data: AlertData


class AcknowledgementEvent(_Envelope, frozen=True, kw_only=True, tag="emotion-streamer.acknowledgement.v1"):
    """Somebody has taken care of an alert."""

    data: AcknowledgementData


class StatusEvent(_Envelope, frozen=True, kw_only=True, tag="emotion-streamer.status.v1"):
    """A node came, drains or went."""

    data: StatusData


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event of a type that this version does not know; kept whole in ``raw``."""

    type: str
    id: str
    raw: bytes = b""


Event = UtteranceEvent | PartialEvent | StateEvent | EndedEvent | AlertEvent | AcknowledgementEvent | StatusEvent


class EventError(ValueError):
    """A payload that is no event of ours; the message says what is wrong with it."""


class _Probe(msgspec.Struct):
    type: str
    id: str


_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_probe_decoder = msgspec.json.Decoder(_Probe)
_encoder = msgspec.json.Encoder()
_KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in Event.__args__)


def decode(payload: bytes | str) -> Event | UnknownEvent:
    """Read one structured CloudEvent.

    Raises
    ------
    EventError
        The payload is not JSON, lacks a required field, or a known field has the wrong type.
    """
    try:
        return _event_decoder.decode(payload)
    except msgspec.DecodeError as problem:
        raw = payload.encode() if isinstance(payload, str) else payload
        try:
            probe = _probe_decoder.decode(raw)
        except msgspec.DecodeError:
            probe = None
        if probe is not None and probe.type not in _KNOWN:
            return UnknownEvent(type=probe.type, id=probe.id, raw=raw)
        raise EventError(f"got {len(raw)} bytes that are no emotion-streamer event: {problem}") from problem


def encode(event: Event) -> bytes:
    """Return the structured JSON of an event, UTF-8, one line."""
    return _encoder.encode(event)


def event_type(event: Event) -> str:
    """Return the CloudEvents ``type`` of an event."""
    return str(event.__struct_config__.tag)
