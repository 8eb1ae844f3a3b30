"""The tables `[dialects.<name>]` of the configuration: one frozen struct per platform, defaults here and nowhere else.

This file must never read anything: `streamer.config` does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streamer.wire.events import Role
from streamer.wire.fields import ANY_LABEL, RATES_HZ

Seconds = Annotated[float, Meta(ge=0)]
Bytes = Annotated[int, Meta(ge=1024, le=2**30)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class DialectTable(Table, frozen=True):
    """What every platform's table has."""

    ping_interval_s: Seconds = 20
    """WebSocket pings, so that proxies keep silent calls alive; 0 turns them off."""
    max_message_bytes: Bytes = 65_536
    """Larger WebSocket messages end the call with close code 1009."""
    labels: tuple[str, ...] = ()
    """Names of the platform's own fields of a call that may appear in events as labels; all others are dropped."""


class NativeSettings(Table, frozen=True):
    """Our own protocol; its pings and the size of its messages are those of `[server]`."""

    labels: tuple[str, ...] = (ANY_LABEL,)
    """Names of the labels of `start` that may appear in events; `*` = all, for our own clients choose them."""


class TwilioSettings(DialectTable, frozen=True):
    """Twilio Media Streams."""

    roles: dict[str, Role] = msgspec.field(default_factory=lambda: {"inbound": Role.CUSTOMER, "outbound": Role.AGENT})
    """Which party is heard on which track; depends on the leg on which the stream was started."""
    token: str = ""
    token_file: str = ""
    """A secret expected in the `<Parameter name="token">` of the stream; empty = not asked for."""


class SignalWireSettings(TwilioSettings, frozen=True):
    """SignalWire cXML streams; as Twilio."""

    max_message_bytes: Bytes = 262_144
    byte_order: Literal["little", "big"] = "little"
    """Of L16; the vendor's page does not say."""


class TelnyxSettings(TwilioSettings, frozen=True):
    """Telnyx media streaming; as Twilio, the token in `custom_parameters`."""

    max_message_bytes: Bytes = 262_144
    auth_header: Annotated[str, Meta(pattern="^[A-Za-z0-9-]+$")] = "x-telnyx-streaming-auth-token"
    """Header of the upgrade that carries the `stream_auth_token`; `Authorization` takes `Bearer <secret>`."""
    byte_order: Literal["little", "big"] = "little"
    """Of L16."""
    reorder_ms: Annotated[int, Meta(ge=0, le=1000)] = 100
    """How much media may come before a missing chunk is given up."""


class PlivoSettings(TwilioSettings, frozen=True):
    """Plivo audio streams; as Twilio, the token in `extraHeaders`."""

    max_message_bytes: Bytes = 262_144
    auth: Literal["token", "basic", "bearer"] = "token"
    """What lets a stream in where a key is needed: the `token`, or `Authorization` of the upgrade."""
    tenant: str = "default"
    """Whose calls they are that the token lets in; a key says it itself."""
    byte_order: Literal["little", "big"] = "little"
    """Of linear audio."""


class ExotelSettings(DialectTable, frozen=True):
    """Exotel AgentStream."""

    max_message_bytes: Bytes = 262_144
    auth: Literal["basic", "token", "proxy"] = "basic"
    """What lets a stream in where a key is needed: Basic of the URL, the `token`, or whoever is in front of us."""
    tenant: str = "default"
    """Whose calls they are that come in without a key."""
    token: str = ""
    token_file: str = ""
    """A secret expected in the stream's custom parameter `token`; empty = not asked for."""
    role: Role = Role.UNKNOWN
    """Who is heard on a stream of one channel: the protocol does not say."""
    roles: dict[str, Role] = {}
    """Which party is heard on which track, where the stream sends tracks; empty = it sends one channel."""
    byte_order: Literal["little", "big"] = "little"
    """Of linear audio."""


class AsteriskSettings(DialectTable, frozen=True):
    """Asterisk's chan_websocket."""

    ping_interval_s: Seconds = 0
    """Asterisk of before 2026 hangs up on a ping."""
    roles: dict[str, Role] = msgspec.field(default_factory=lambda: {"in": Role.CUSTOMER, "out": Role.AGENT})
    """Which party is heard on which leg; the dialplan or the ARI application gives a socket its `leg`."""
    role: Role = Role.UNKNOWN
    """Who is heard on a socket that says no leg."""
    identity: Literal["variables", "uri"] = "variables"
    """`uri`: the URI's parameters name call and leg where channel variables do not; give them on every call."""
    byte_order: Literal["little", "big"] = "little"
    """Of the slin formats: that of the machine that Asterisk runs on."""


class AudioSocketSettings(Table, frozen=True):
    """Asterisk's AudioSocket, on a TCP port of its own: no path, no header, no secret."""

    host: str = ""
    """Address to listen on; empty = `server.host`."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """0 = off; 8766 is the documented one."""
    tls: bool = False
    """Speak TLS there with the server's certificate, and ask for one where the server does: for a tunnel in front."""
    allow: tuple[str, ...] = ()
    """Addresses and networks (`10.0.0.5`, `10.0.0.0/24`) that may connect beside this machine."""
    tenant: str = "default"
    """In whose topics the calls appear."""
    role: Role = Role.CUSTOMER
    """Who is heard: the protocol does not say."""
    join: bool = False
    """Streams with one UUID are one call."""


class AudioCodesSettings(DialectTable, frozen=True):
    """AudioCodes Bot API in streaming mode."""

    max_message_bytes: Bytes = 262_144
    participants: dict[str, Role] = msgspec.field(default_factory=lambda: {"caller": Role.CUSTOMER})
    """Who is heard as which participant; their order is that of the channels."""
    byte_order: Literal["little", "big"] = "little"
    """Of the lpcm16 formats."""


class JambonzSettings(DialectTable, frozen=True):
    """jambonz' verbs `listen` and `stream`."""

    max_message_bytes: Bytes = 2 * 2**20
    """A flush of the module's send buffer: up to 5 s of both parties at 48 kHz."""
    roles: tuple[Role, Role] = (Role.CUSTOMER, Role.AGENT)
    """Who is heard on the two channels of `mixType` stereo: the leg on which the verb runs, then the other."""
    mono_role: Role = Role.CUSTOMER
    """Who is heard with `mixType` mono: that leg's party. Of `mixed` nobody can say."""


class FreeSwitchSettings(DialectTable, frozen=True):
    """FreeSWITCH's mod_audio_fork and mod_audio_stream."""

    max_message_bytes: Bytes = 2 * 2**20
    """As for jambonz."""
    roles: tuple[Role, Role] = (Role.CUSTOMER, Role.AGENT)
    """Who is heard on the two channels of a stereo stream, where address and metadata do not say."""
    mono_role: Role = Role.UNKNOWN
    """Likewise on a single channel, which may be one party or both mixed: the wire does not tell."""
    sample_rate: Annotated[int, Meta(ge=8000, le=48000)] = 8000
    """Likewise."""
    channels: Annotated[int, Meta(ge=1, le=2)] = 1
    """Likewise."""
    call_field: str = "call"
    """Field of address or metadata that names the call, beside `call` and `callSid`."""
    call_header: str = ""
    """Header of the upgrade that does, where the address does not; empty = none."""
    metadata_wait_ms: Annotated[int, Meta(ge=0, le=10_000)] = 1000
    """How much audio may come before the call is given an id of our own making."""


class VonageSettings(DialectTable, frozen=True):
    """Vonage Voice API WebSockets."""

    call_header: str = "call-id"
    """Header of the NCCO's endpoint that names the call."""
    role: Role = Role.UNKNOWN
    """Who is heard: the audio is the mix of all who speak."""
    byte_order: Literal["little", "big"] = "little"
    """Of the samples; the vendor's pages do not say."""
    token_age_s: Seconds = 300
    """How long after its making a token that Vonage signed lets in."""


class AudioHookSettings(DialectTable, frozen=True):
    """Genesys Cloud AudioHook."""

    ping_interval_s: Seconds = 0
    """The platform pings in its own messages, every 5 s."""
    max_message_bytes: Bytes = 131_072
    """Above the protocol's own limit of 65535 characters, so that this one is answered in its words."""
    roles: dict[str, Role] = msgspec.field(default_factory=lambda: {"external": Role.CUSTOMER, "internal": Role.AGENT})
    """Which party is heard on which channel."""
    formats: tuple[Literal["PCMU", "L16"], ...] = ("PCMU", "L16")
    """Which formats are taken from what is offered, the preferred one first."""
    byte_order: Literal["little", "big"] = "little"
    """Of L16."""
    events: bool = False
    """Return each verdict to the platform as an `event`."""
    event_type: str = "x-emotion"
    """Type of its entity."""
    unsigned_keys: tuple[str, ...] = ()
    """Ids of keys that open without a signature: then the API key alone is the secret."""


class DialectSettings(Table, frozen=True):
    """One table per telephony platform."""

    native: NativeSettings = NativeSettings()
    audiohook: AudioHookSettings = AudioHookSettings()
    twilio: TwilioSettings = TwilioSettings()
    signalwire: SignalWireSettings = SignalWireSettings()
    telnyx: TelnyxSettings = TelnyxSettings()
    plivo: PlivoSettings = PlivoSettings()
    exotel: ExotelSettings = ExotelSettings()
    asterisk: AsteriskSettings = AsteriskSettings()
    audiosocket: AudioSocketSettings = AudioSocketSettings()
    audiocodes: AudioCodesSettings = AudioCodesSettings()
    jambonz: JambonzSettings = JambonzSettings()
    freeswitch: FreeSwitchSettings = FreeSwitchSettings()
    vonage: VonageSettings = VonageSettings()


def check(dialects: DialectSettings) -> None:
    """Refuse what no single key shows.

    Raises
    ------
    ValueError
        The message names the key, from `dialects` on.
    """
    _known("audiohook.roles", dialects.audiohook.roles, {"external", "internal"}, "channel", "AudioHook")
    _known("twilio.roles", dialects.twilio.roles, {"inbound", "outbound"}, "track", "Twilio")
    _known("signalwire.roles", dialects.signalwire.roles, {"inbound", "outbound"}, "track", "SignalWire")
    _known("telnyx.roles", dialects.telnyx.roles, {"inbound", "outbound"}, "track", "Telnyx")
    _known("plivo.roles", dialects.plivo.roles, {"inbound", "outbound"}, "track", "Plivo")
    _known("exotel.roles", dialects.exotel.roles, {"inbound", "outbound"}, "track", "Exotel")
    if not dialects.audiocodes.participants:
        raise ValueError('dialects.audiocodes.participants names nobody; name at least one, as caller = "customer"')
    rate_hz = dialects.freeswitch.sample_rate
    if rate_hz not in RATES_HZ:
        raise ValueError(f"dialects.freeswitch.sample_rate: got {rate_hz}; one of {', '.join(map(str, RATES_HZ))}")


def _known(key: str, given: Collection[str], known: set[str], what: str, whose: str) -> None:
    """Refuse a name that a platform does not have."""
    for name in given:
        if name not in known:
            raise ValueError(f"dialects.{key}: unknown {what} {name!r}; {whose} has {' and '.join(sorted(known))}")
