"""Who comes in at /audiohook, and as whom; requests are signed here as the vendor's builder does it."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.auth import NOBODY, Gate, Key, Keyring, Pass, Refusal, Upgrade
from streamer.config import ConfigError, Settings
from streamer.dialect_settings import AudioHookSettings, DialectSettings
from streamer.platforms import PATHS
from streamer.platforms.audiohook import PLATFORM, gate, reader
from streamer.wire.events import Fault, Role, Start

NOW_S = 1_795_326_900.0
API_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
GENESYS = Key(id=API_KEY, secret=SECRET, tenant="acme", dialects=("audiohook",))
OTHER = Key(id="second-key", secret=base64.b64encode(b"of another customer").decode(), tenant="shop", dialects=())
NAMES = {
    "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
    "audiohook-session-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "audiohook-correlation-id": "e160e428-53e2-487c-977d-96989bf5c99d",
}
COVERED = ("@request-target", "@authority", *NAMES, "x-api-key")


def signed(
    api_key: str = API_KEY,
    secret: str = SECRET,
    *,
    covered: tuple[str, ...] = COVERED,
    target: str = "/audiohook",
    authority: str = "calls.example.com",
    **changes: Any,
) -> dict[str, str]:
    """Return the headers of a request as Genesys signs it, some of its parameters changed; `...` leaves one out."""
    headers = {**NAMES, "x-api-key": api_key}
    values = {"@request-target": target, "@authority": authority, "host": authority, **headers}
    given = {
        "keyid": api_key,
        "nonce": "VGhpc0lzQVVuaXF1ZU5vbmNl",
        "alg": "hmac-sha256",
        "created": int(NOW_S),
        "expires": int(NOW_S) + 30,
    } | changes
    said = "".join(
        f";{name}={value}" if isinstance(value, int) else f';{name}="{value}"'
        for name, value in given.items()
        if value is not ...
    )
    listed = " ".join(f'"{name}"' for name in covered) + ")" + said
    lines = [f'"{name}": {values[name]}' for name in covered] + [f'"@signature-params": ({listed}']
    made = base64.b64encode(hmac.digest(base64.b64decode(secret), "\n".join(lines).encode(), "sha256")).decode()
    return {
        "host": authority,
        **headers,
        "signature-input": f"sig1=({listed}",
        "signature": f"sig1=:{made}:",
    }


def settings_with(**audiohook: Any) -> Settings:
    return Settings(dialects=DialectSettings(audiohook=AudioHookSettings(**audiohook)))


def gate_of(
    *keys: Key, public_url: str = "", now_s: list[float] | None = None, key_needed: bool = True, **audiohook: Any
) -> Gate:
    clock = now_s or [NOW_S]
    return gate(
        Keyring(keys, key_needed=key_needed, public_url=public_url), settings_with(**audiohook), lambda: clock[0]
    )


def upgrade(headers: Mapping[str, str], target: str = "/audiohook") -> Upgrade:
    return Upgrade(dialect="audiohook", target=target, headers=headers)


def refused(decision: Pass | Refusal) -> str:
    """Return the reason of a refusal, which takes its time and keeps its secrets."""
    assert isinstance(decision, Refusal)
    assert decision.status is HTTPStatus.UNAUTHORIZED
    assert decision.after_s == 0.5
    for secret in (API_KEY, SECRET, OTHER.id, OTHER.secret):
        assert secret not in decision.message
    return decision.reason


def test_it_is_in_the_table_at_its_path() -> None:
    assert PATHS["/audiohook"] is PLATFORM
    settings = Settings()
    assert PLATFORM.ping_interval_s(settings) == 0
    assert PLATFORM.max_message_bytes(settings) > 65_535


class TestSignature:
    """Who has signed with a client secret of ours comes in."""

    def test_the_right_signature_opens_as_its_keys_tenant(self) -> None:
        decide = gate_of(OTHER, GENESYS)
        assert decide(upgrade(signed())) == Pass(tenant="acme", key_id=API_KEY)
        assert decide(upgrade(signed(OTHER.id, OTHER.secret))) == Pass(tenant="shop", key_id="second-key")

    def test_a_key_that_is_there_must_be_used_even_on_loopback(self) -> None:
        assert refused(gate_of(GENESYS, key_needed=False)(upgrade({}))) == "missing"

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            (signed(secret=OTHER.secret), "wrong"),
            (signed(api_key="not-a-key-of-ours"), "wrong"),
            (signed() | {"audiohook-session-id": NAMES["audiohook-correlation-id"]}, "wrong"),
            (signed() | {"audiohook-organization-id": NAMES["audiohook-correlation-id"]}, "wrong"),
            (signed() | {"host": "elsewhere.example.com"}, "wrong"),
            (signed() | {"x-api-key": OTHER.id}, "keyid"),
            (signed(keyid=OTHER.id), "keyid"),
            (signed(keyid=...), "keyid"),
            (signed(target="/elsewhere"), "wrong"),
            ({name: value for name, value in signed().items() if name != "signature"}, "malformed"),
            ({name: value for name, value in signed().items() if name != "signature-input"}, "malformed"),
            ({name: value for name, value in signed().items() if name != "x-api-key"}, "missing"),
            ({name: value for name, value in signed().items() if name != "audiohook-correlation-id"}, "component"),
            (signed() | {"audiohook-correlation-id": ""}, "component"),
            (signed(alg="hmac-sha512"), "algorithm"),
            (signed(colour="red"), "malformed"),
        ],
    )
    def test_any_other_is_refused_after_the_same_time(self, headers: dict[str, str], reason: str) -> None:
        assert refused(gate_of(GENESYS, OTHER)(upgrade(headers))) == reason

    @pytest.mark.parametrize("left_out", COVERED)
    def test_all_six_components_must_be_covered(self, left_out: str) -> None:
        fewer = tuple(name for name in COVERED if name != left_out)
        assert refused(gate_of(GENESYS)(upgrade(signed(covered=fewer)))) == "component"

    def test_more_may_be_covered_in_any_order(self) -> None:
        decide = gate_of(GENESYS)
        assert isinstance(decide(upgrade(signed(covered=(*reversed(COVERED), "host")))), Pass)

    def test_an_unknown_key_and_a_wrong_secret_are_told_apart_by_nothing(self) -> None:
        decide = gate_of(GENESYS)
        assert decide(upgrade(signed(api_key="unknown"))) == decide(upgrade(signed(secret=OTHER.secret)))

    def test_a_key_of_other_dialects_never_matches_whatever_is_signed_with_it(self) -> None:
        native = Key(id="native", secret="no base64!", tenant="t", dialects=())
        decide = gate_of(GENESYS, native)
        assert refused(decide(upgrade(signed("native", "")))) == "wrong"


class TestTime:
    """A signature is good for seconds, and once."""

    @pytest.mark.parametrize(
        ("age_s", "reason"), [(-4, "clock"), (-3, None), (0, None), (7, None), (8, "expired"), (3600, "expired")]
    )
    def test_it_must_be_fresh(self, age_s: int, reason: str | None) -> None:
        decision = gate_of(GENESYS, now_s=[NOW_S + age_s])(upgrade(signed()))
        assert (None if isinstance(decision, Pass) else refused(decision)) == reason

    @pytest.mark.parametrize("expires", [NOW_S - 1, NOW_S, NOW_S + 2])
    def test_it_must_not_have_expired(self, expires: float) -> None:
        assert refused(gate_of(GENESYS)(upgrade(signed(expires=int(expires))))) == "expired"

    def test_it_must_say_when_it_was_made(self) -> None:
        assert refused(gate_of(GENESYS)(upgrade(signed(created=...)))) == "malformed"

    @pytest.mark.parametrize("nonce", [..., "", "x" * 21])
    def test_it_needs_a_nonce_of_22_characters(self, nonce: Any) -> None:
        assert refused(gate_of(GENESYS)(upgrade(signed(nonce=nonce)))) == "nonce"
        assert isinstance(gate_of(GENESYS)(upgrade(signed(nonce="x" * 22))), Pass)

    def test_a_nonce_is_taken_once_as_long_as_it_is_good_and_then_no_longer_remembered(self) -> None:
        now_s = [NOW_S]
        decide = gate_of(GENESYS, OTHER, now_s=now_s)
        assert isinstance(decide(upgrade(signed())), Pass)
        assert isinstance(decide(upgrade(signed(OTHER.id, OTHER.secret))), Pass)
        for later_s in (0, 3, 7):
            now_s[0] = NOW_S + later_s
            assert refused(decide(upgrade(signed()))) == "replayed"
        now_s[0] = NOW_S + 8
        assert refused(decide(upgrade(signed()))) == "expired"
        assert isinstance(decide(upgrade(signed(created=int(NOW_S) + 8))), Pass)

    def test_a_refused_signature_does_not_use_up_its_nonce(self) -> None:
        decide = gate_of(GENESYS)
        assert refused(decide(upgrade(signed(secret=OTHER.secret)))) == "wrong"
        assert isinstance(decide(upgrade(signed())), Pass)


class TestPublicUrl:
    """What the platform signed is what it knows, not what a proxy made of it."""

    @pytest.mark.parametrize(
        ("public_url", "authority", "target"),
        [
            ("wss://calls.example.com", "calls.example.com", "/audiohook"),
            ("https://Calls.Example.com:443/", "calls.example.com", "/audiohook"),
            ("wss://calls.example.com:8443", "calls.example.com:8443", "/audiohook"),
            ("wss://example.com/voice/", "example.com", "/voice/audiohook"),
            ("ws://127.0.0.1:80", "127.0.0.1", "/audiohook"),
        ],
    )
    def test_the_configured_one_is_signed_and_the_host_is_not_believed(
        self, public_url: str, authority: str, target: str
    ) -> None:
        headers = signed(authority=authority, target=target) | {"host": "10.0.0.7:8765"}
        assert isinstance(gate_of(GENESYS, public_url=public_url)(upgrade(headers)), Pass)
        assert refused(gate_of(GENESYS)(upgrade(headers))) == "wrong"

    def test_without_it_the_host_is_taken_and_forwarded_headers_never(self) -> None:
        headers = signed(authority="calls.example.com") | {"host": "Calls.Example.com:443"}
        assert isinstance(gate_of(GENESYS)(upgrade(headers)), Pass)
        forged = signed(authority="evil.example.com") | {
            "host": "calls.example.com",
            "x-forwarded-host": "evil.example.com",
        }
        assert refused(gate_of(GENESYS)(upgrade(forged))) == "wrong"

    def test_the_query_is_signed(self) -> None:
        headers = signed(target="/audiohook?queue=7")
        assert isinstance(gate_of(GENESYS)(upgrade(headers, "/audiohook?queue=7")), Pass)
        assert refused(gate_of(GENESYS)(upgrade(headers))) == "wrong"

    @pytest.mark.parametrize("public_url", ["calls.example.com", "ftp://calls.example.com", "wss://"])
    def test_one_that_is_no_url_is_refused_at_the_start(self, public_url: str) -> None:
        with pytest.raises(ConfigError, match="public_url"):
            gate_of(GENESYS, public_url=public_url)


UNSIGNED = {**NAMES, "x-api-key": API_KEY}


class TestUnsigned:
    """Without a signature only a key comes in of which the configuration says so."""

    def test_a_named_key_may(self) -> None:
        decide = gate_of(GENESYS, OTHER, unsigned_keys=(API_KEY,))
        assert decide(upgrade(UNSIGNED)) == Pass(tenant="acme", key_id=API_KEY)
        assert refused(decide(upgrade(UNSIGNED | {"x-api-key": OTHER.id}))) == "unsigned"
        assert refused(decide(upgrade(UNSIGNED | {"x-api-key": "unknown"}))) == "unsigned"

    def test_if_it_is_signed_all_the_same_the_signature_must_be_right(self) -> None:
        decide = gate_of(GENESYS, unsigned_keys=(API_KEY,))
        assert refused(decide(upgrade(signed(secret=OTHER.secret)))) == "wrong"
        assert isinstance(decide(upgrade(signed())), Pass)

    def test_any_other_may_not(self) -> None:
        assert refused(gate_of(GENESYS)(upgrade(UNSIGNED))) == "unsigned"

    def test_one_whose_secret_is_no_base64_can_only_be_unsigned(self) -> None:
        plain = Key(id=API_KEY, secret="none!", tenant="acme", dialects=("audiohook",))
        decide = gate_of(plain, unsigned_keys=(API_KEY,))
        assert isinstance(decide(upgrade(UNSIGNED)), Pass)
        assert refused(decide(upgrade(signed(secret="")))) == "wrong"


class TestConfiguration:
    """What cannot be right is said at the start."""

    def test_without_keys_it_depends_on_where_the_server_listens(self) -> None:
        assert gate_of(key_needed=False)(upgrade({})) == NOBODY
        assert refused(gate_of(key_needed=True)(upgrade(signed()))) == "missing"

    def test_a_client_secret_must_be_base64(self) -> None:
        with pytest.raises(ConfigError, match="base64"):
            gate_of(Key(id="k", secret="none!", tenant="t", dialects=("audiohook",)))

    def test_an_unsigned_key_must_be_one(self) -> None:
        with pytest.raises(ConfigError, match=r"unsigned_keys: for 1 of its 2 ids") as refused_start:
            gate_of(GENESYS, unsigned_keys=(API_KEY, "unknown"))
        assert "unknown" not in str(refused_start.value)
        assert API_KEY not in str(refused_start.value)

    def test_a_label_with_a_meaning_of_its_own_is_refused(self) -> None:
        with pytest.raises(ValueError, match="notice"):
            reader(settings_with(labels=("notice",)))


def test_a_session_takes_its_ids_from_the_headers_and_its_manner_from_the_configuration() -> None:
    read = reader(settings_with(roles={"external": Role.AGENT}, events=True, formats=("L16",), labels=("queue",)))
    dialect = read(upgrade(signed()))
    message = (
        '{"version":"2","type":"open","id":"%s","seq":1,"serverseq":0,"position":"PT0S","parameters":{"organizationId":'
        '"%s","conversationId":"C1","customConfig":{"queue":"claims"},"media":[{"type":"audio","format":"L16",'
        '"channels":["internal","external"],"rate":8000}]}}'
    )
    session, organization = NAMES["audiohook-session-id"], NAMES["audiohook-organization-id"]
    (begun,) = dialect.receive(message % (session, organization))
    assert isinstance(begun, Start)
    assert begun.roles == (Role.UNKNOWN, Role.AGENT)
    assert begun.wants_events
    assert begun.labels == {"queue": "claims"}
    (fault,) = read(upgrade(signed())).receive(message % (organization, organization))
    assert isinstance(fault, Fault)
    assert fault.code == "wrong_id"
    (fault,) = read(upgrade(signed())).receive(message % (session, session))
    assert isinstance(fault, Fault)
    assert fault.code == "wrong_organization"


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["host", *NAMES, "x-api-key", "signature", "signature-input"]), st.text(max_size=40)
    )
)
def test_no_header_opens_by_chance_or_makes_it_raise(changes: dict[str, str]) -> None:
    decide = gate_of(GENESYS)
    headers = {**signed(), **changes}
    decision = decide(upgrade(headers))
    if {name: value.strip() for name, value in headers.items()} != signed() and headers["host"] == signed()["host"]:
        refused(decision)
