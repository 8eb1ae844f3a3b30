"""Configuration: `streamer.toml`, overridden by `STREAMER_*` variables, overridden by flags.

One frozen struct per table of the file; the defaults stand here and nowhere else. Every key that is unknown or out of
range is one error that names it. This file must never open a socket or load a model: `streamer check` does that.
"""

from __future__ import annotations

import difflib
import re
import socket
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from streamer.dialect_settings import Bytes, DialectSettings, Seconds, Table
from streamer.dialect_settings import check as check_dialects
from streamer.errors import StreamerError
from streamer.wire.events import Role

ENVIRONMENT_PREFIX = "STREAMER_"
MASK = "****"
NOT_SETTINGS = frozenset({"STREAMER_CONFIG"})
"""Variables with the prefix that are no settings: the file to read."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\sA-Z@?#*]+")

Port = Annotated[int, Meta(ge=0, le=65535)]
Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]
Count = Annotated[int, Meta(ge=1)]


class ConfigError(StreamerError):
    """The configuration cannot be used; the message names the key and what to do."""


class ServerSettings(Table, frozen=True):
    """Where the server listens and how much it takes on."""

    host: str = "127.0.0.1"
    port: Port = 8765
    """0 lets the system choose a free one; the log says which."""
    admin_host: str = ""
    """Address of the admin port, which asks nobody who they are; empty = `host`."""
    admin_port: Port = 9464
    workers: Count = 1
    """Processes that serve calls; with more than 1 another one supervises them."""
    transport: Literal["websockets", "picows"] = "websockets"
    """The library that takes WebSockets off their sockets; picows comes with the extra `picows`."""
    max_calls: Count = 1000
    drain_s: Seconds = 900
    """How long calls may go on after SIGTERM."""
    public_url: str = ""
    """`wss://host[:port]` under which platforms reach this server; signatures are checked against it."""
    open: bool = False
    """Accept calls without a key on an address other than loopback. Say so only behind something that checks."""
    require_key: bool = False
    """Ask for a key on loopback, too: behind a proxy on the same machine all the world comes from there."""
    max_message_bytes: Bytes = 8 * 2**20
    """Larger WebSocket messages end the call with close code 1009."""
    ping_interval_s: Seconds = 20
    """WebSocket pings, so that proxies keep silent calls alive; 0 turns them off."""
    origins: tuple[str, ...] = ()
    """Web pages that may connect, as browsers name them: `https://host[:port]`. None: only pages seen on loopback."""
    auth_failures_per_minute: Annotated[int, Meta(ge=0)] = 20
    """Wrong credentials from one address; beyond, it is answered 429 unseen for a while. 0 = no limit."""
    tls_cert_file: str = ""
    """Certificate chain (PEM) for `wss`; empty = plain WebSocket."""
    tls_key_file: str = ""
    """Its private key; empty = in the certificate's file."""
    tls_client_ca_file: str = ""
    """Authorities of client certificates; one of theirs is then required of every client."""


class MqttTable(Table, frozen=True):
    """The broker."""

    url: str = "mqtt://127.0.0.1:1883"
    version: Literal["5", "3.1.1"] = "5"
    base: str = "emotion"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    """Certificate (PEM) that the server shows to a broker that asks for one."""
    key_file: str = ""
    """Its private key; empty = in the certificate's file."""


class OutboxSettings(Table, frozen=True):
    """The file in which events wait for the broker."""

    path: str = "outbox.sqlite"
    max_rows: Count = 1_000_000
    max_bytes: Annotated[int, Meta(ge=2**20)] = 2 * 2**30
    """Size of the messages as stored; the file is up to a third larger."""
    max_age_s: Annotated[float, Meta(gt=0)] = 604_800


class SpeechSettings(Table, frozen=True):
    """How audio is cut into utterances."""

    vad: str = "webrtc"
    aggressiveness: Annotated[int, Meta(ge=0, le=3)] = 2
    squelch_dbfs: Annotated[float, Meta(ge=-200, le=0)] = -52.0
    """Frames quieter than this (up to 14 dB less for a quiet talker) are silence whatever the VAD says; -200 = off."""
    hangover_ms: Milliseconds = 400
    min_speech_ms: Milliseconds = 250
    max_utterance_ms: Annotated[int, Meta(ge=1000, le=120_000)] = 15_000
    pre_roll_ms: Annotated[int, Meta(ge=0, le=2000)] = 200


class EmotionSettings(Table, frozen=True):
    """What is analysed, by which model, and on what ground."""

    model: str = "telephone"
    analyse: tuple[Role, ...] = (Role.CUSTOMER,)
    lawful_basis: str = ""
    require_notice: bool = False
    partial_every_ms: Milliseconds = 0
    """0 = no partial verdicts."""


class AudioSettings(Table, frozen=True):
    """When a call counts as stalled or dead."""

    stall_ms: Annotated[int, Meta(ge=100)] = 2000
    idle_s: Annotated[float, Meta(gt=0)] = 60
    join_grace_s: Seconds = 5
    """How long a call whose platform opens a stream per party waits, once none carries it, for one to come back."""


class KeySettings(Table, frozen=True):
    """A credential of an integration."""

    id: str
    secret: str = ""
    secret_file: str = ""
    tenant: str = "default"
    dialects: tuple[str, ...] = ()
    """Dialects that this key opens; empty = all."""
    max_calls: Annotated[int, Meta(ge=0)] = 0
    """Calls of this key at the same time; 0 = as many as the server takes."""
    certificate: str = ""
    """A client certificate that opens by itself: its SHA-256 fingerprint, or the common name of its subject."""


class LimitSettings(Table, frozen=True):
    """How much one tenant and one peer may take of the server, and when it has too much to do; see docs/load.md."""

    calls_per_tenant: dict[str, Count] = msgspec.field(default_factory=dict)
    """Tenant to its calls at the same time, whichever of its keys they come in by; who is not named has no limit."""
    max_waiting: Count = 1000
    """Connections that carry no call yet; where one more comes, the one that has waited longest is cut off."""
    connections_per_second: Annotated[int, Meta(ge=0)] = 200
    """Connections that are let in; the others wait their turn, so that a storm does not delay live calls. 0 = all."""
    bytes_per_second: Annotated[int, Meta(ge=0)] = 8 * 2**20
    """What is read of one peer; it is read more slowly, not cut off. 0 = as fast as it comes."""
    messages_per_second: Annotated[int, Meta(ge=0)] = 2000
    """Likewise."""
    shed_lag_ms: Milliseconds = 500
    """Where the event loop is later than this for a while, less is done; 0 = never."""
    shed_queue_ms: Milliseconds = 5000
    """Likewise where utterances wait longer than this for the model; 0 = never."""


class PrivacySettings(Table, frozen=True):
    """How numbers become pseudonyms."""

    salt_file: str = ""
    """File with the secret of the pseudonyms; empty = one made at first start and kept beside the outbox's rows."""
    audit_file: str = ""
    """File to which each start appends what is in force, as a line of JSON; empty = in the log only."""


class LogSettings(Table, frozen=True):
    """What the log looks like."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    flood_lines: Annotated[int, Meta(ge=0)] = 1000
    """Lines of one kind that are written in `flood_s`; the rest are counted, and the count is said. 0 = all."""
    flood_s: Annotated[float, Meta(gt=0)] = 10


class TracingSettings(Table, frozen=True):
    """OpenTelemetry traces; where they go is what the variables `OTEL_*` say."""

    enabled: bool = False


class Settings(Table, frozen=True):
    """The whole configuration."""

    node: str = msgspec.field(default_factory=lambda: socket.gethostname() or "node")
    server: ServerSettings = ServerSettings()
    mqtt: MqttTable = MqttTable()
    outbox: OutboxSettings = OutboxSettings()
    speech: SpeechSettings = SpeechSettings()
    emotion: EmotionSettings = EmotionSettings()
    audio: AudioSettings = AudioSettings()
    dialects: DialectSettings = DialectSettings()
    limits: LimitSettings = LimitSettings()
    privacy: PrivacySettings = PrivacySettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    keys: tuple[KeySettings, ...] = ()


Tree = dict[str, Any]


def load(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Build the settings from a file, the environment and flags, later ones winning.

    Parameters
    ----------
    path
        The file, or None for defaults only.
    environment
        Variables; those with the prefix `STREAMER_` count.
    flags
        Dotted keys (``server.port``) to values; None means "not given".

    Raises
    ------
    ConfigError
        The file cannot be read, or a key is unknown or has a value that cannot be.
    """
    merged = _read(path) if path else {}
    for key, value in _from_environment(environment).items():
        _put(merged, key, value)
    for key, value in flags.items():
        if value is not None:
            _put(merged, key, value)
    try:
        settings = msgspec.convert(merged, Settings)
    except msgspec.ValidationError as problem:
        raise ConfigError(_explain(problem, path)) from problem
    _check(settings)
    return settings


def _read(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise ConfigError(f"{path}: no such file; name another with --config or leave it out for defaults") from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path}: cannot be read: {problem}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: not valid TOML: {problem}") from problem


def _put(table: Tree, key: str, value: object) -> None:
    """Set a dotted key in nested tables."""
    *folders, leaf = key.split(".")
    for folder in folders:
        inner = table.setdefault(folder, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{folder}: expected a table, got {inner!r}")
        table = inner
    table[leaf] = value


def _leaves(struct: type[msgspec.Struct], prefix: str = "") -> dict[str, Any]:
    """Return every dotted key of a struct and its annotation."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(struct, include_extras=True).items():
        if name.startswith("__"):
            continue
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            found |= _leaves(hint, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = hint
    return found


def _from_environment(environment: Mapping[str, str]) -> Tree:
    known = {
        ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): (key, hint)
        for key, hint in _leaves(Settings).items()
        if key != "keys"
    }
    values: Tree = {}
    for name, text in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in NOT_SETTINGS:
            continue
        if name not in known:
            raise ConfigError(f"environment: unknown setting {name}; `streamer check --print` lists what there is")
        key, hint = known[name]
        values[key] = _parse(name, text, hint)
    return values


def _parse(name: str, text: str, hint: Any) -> object:  # noqa: ANN401 - an annotation can be anything
    """Read a variable's text as its setting's type: text as it is, lists by comma, the rest as TOML."""
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    origin = get_origin(plain)
    if origin is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    if plain is str or origin in {Literal, typing.Union, types.UnionType}:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"environment: {name}={text!r} is no {getattr(plain, '__name__', 'value')}") from problem


def _explain(problem: msgspec.ValidationError, path: Path | None) -> str:
    """Turn msgspec's sentence about `$.server.port` into one about `server.port`."""
    text, _, place = str(problem).partition(" - at `$.")
    where = f"{path}: " if path else "configuration: "
    key = place.rstrip("`")
    if unknown := re.search(r"unknown field `(.+)`", text):
        name = f"{key}.{unknown[1]}" if key else unknown[1]
        close = difflib.get_close_matches(name, [*_leaves(Settings), "keys"], n=1)
        return f"{where}{name}: unknown key" + (f"; did you mean {close[0]}?" if close else "")
    return f"{where}{key}: {text}" if key else f"{where}{text}"


def _check(settings: Settings) -> None:
    """Refuse what no single key shows."""
    others = [role for role in settings.emotion.analyse if role is not Role.CUSTOMER]
    if others and not settings.emotion.lawful_basis.strip():
        raise ConfigError(
            f"emotion.analyse: names {', '.join(others)}, whose audio carries a worker's voice; inferring workers' "
            "emotions is prohibited in the EU (AI Act art. 5(1)(f)). State emotion.lawful_basis, or leave the role out"
        )
    if settings.server.open and settings.server.require_key:
        raise ConfigError("server.open: contradicts server.require_key; a key is either asked for or it is not")
    _check_server(settings.server)
    if settings.dialects.audiosocket.tls and not settings.server.tls_cert_file:
        raise ConfigError(
            "dialects.audiosocket.tls: there is no TLS without server.tls_cert_file, whose certificate it shows"
        )
    _check_keys(settings)
    _check_limits(settings)
    try:
        check_dialects(settings.dialects)
    except ValueError as problem:
        raise ConfigError(str(problem)) from problem


def _check_server(server: ServerSettings) -> None:
    for origin in server.origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"server.origins: {origin!r} is no origin as browsers send it; write scheme, host and, where it is not "
                'the usual one, port, in small letters and without a slash at the end: "https://desk.example.com"'
            )
    for name in ("tls_key_file", "tls_client_ca_file"):
        if getattr(server, name) and not server.tls_cert_file:
            raise ConfigError(f"server.{name}: is of no use without server.tls_cert_file; without it there is no TLS")


def _check_keys(settings: Settings) -> None:
    seen: set[str] = set()
    for key in settings.keys:
        if not key.id:
            raise ConfigError("keys: an id is empty; calls without a key have that one")
        if key.id in seen:
            raise ConfigError(f"keys: id {key.id!r} stands twice")
        seen.add(key.id)
        if key.secret and key.secret_file:
            raise ConfigError(f"keys: {key.id!r} needs either secret or secret_file, not both")
        if not (key.secret or key.secret_file or key.certificate):
            raise ConfigError(f"keys: {key.id!r} needs either secret or secret_file, or a certificate")
        if key.certificate and not settings.server.tls_client_ca_file:
            raise ConfigError(
                f"keys: {key.id!r} names a certificate, but clients are asked for one only where "
                "server.tls_client_ca_file says whose certificates are good"
            )


def _check_limits(settings: Settings) -> None:
    dialects = (settings.dialects.plivo, settings.dialects.exotel, settings.dialects.audiosocket)
    tenants = {"default", *(key.tenant for key in settings.keys), *(dialect.tenant for dialect in dialects)}
    for tenant in settings.limits.calls_per_tenant:
        if tenant not in tenants:
            raise ConfigError(
                f"limits.calls_per_tenant: no key and no platform has the tenant {tenant!r}; there is "
                + ", ".join(sorted(tenants))
            )


def read_secret(secret: str, file: str, what: str) -> str:
    """Return a secret given in place or as a file's content without the line end.

    Raises
    ------
    ConfigError
        The file cannot be read or is empty.
    """
    if not file:
        return secret
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{what}: cannot read {file}: {problem}") from problem
    if not content:
        raise ConfigError(f"{what}: {file} is empty")
    return content


def masked(settings: Settings) -> Tree:
    """Return the settings as plain tables with every secret replaced by stars."""
    tables: Tree = msgspec.to_builtins(settings)
    audiohook = tables["dialects"]["audiohook"]
    unsigned = set(audiohook["unsigned_keys"])
    audiohook["unsigned_keys"] = (MASK,) * len(unsigned)
    for key in tables["keys"]:
        if key["secret"]:
            key["secret"] = MASK
        if key["id"] in unsigned:  # without a signature the API key is all that is asked for
            key["id"] = MASK
    for dialect in tables["dialects"].values():
        if dialect.get("token"):
            dialect["token"] = MASK
    scheme, mark, rest = tables["mqtt"]["url"].rpartition("@")
    if mark:
        tables["mqtt"]["url"] = f"{scheme.partition('://')[0]}://{MASK}@{rest}"
    return tables
