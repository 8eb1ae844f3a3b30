"""Signed requests; the vectors are those of the draft and of the vendor's documents, so that two sides must agree."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.http_signature import (
    Flaw,
    Signature,
    authority,
    flaw_in_time,
    is_signed_by,
    parse,
    signature_base,
    valid_until_s,
)

# draft-ietf-httpbis-message-signatures-11, B.1.5 and B.2.5.
DRAFT_KEY = base64.b64decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
DRAFT = (
    'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    {"date": "Tue, 20 Apr 2021 02:07:55 GMT", "@authority": "example.com", "content-type": "application/json"},
)
# The example of the AudioHook protocol's documentation.
VENDOR_KEY = base64.b64decode("TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=")
VENDOR = (
    (
        'sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id" '
        '"audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";'
        'nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created=1641013200;expires=3282026430'
    ),
    "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:",
    {
        "@request-target": "/api/v1/voicebiometrics/ws",
        "@authority": "audiohook.example.com",
        "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
        "audiohook-session-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
        "audiohook-correlation-id": "e160e428-53e2-487c-977d-96989bf5c99d",
        "x-api-key": "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh",
    },
)
VALUE = ":AAAA:"


def parsed(signature_input: str, signature: str = f"sig1={VALUE}") -> Signature:
    found = parse(signature_input, signature)
    assert isinstance(found, Signature), found
    return found


def matches(key: bytes, request: dict[str, str], signature: Signature) -> bool:
    base = signature_base(signature, request.get)
    assert isinstance(base, bytes), base
    return is_signed_by(key, base, signature)


@pytest.mark.parametrize(("key", "vector"), [(DRAFT_KEY, DRAFT), (VENDOR_KEY, VENDOR)], ids=["draft", "vendor"])
def test_the_examples_of_the_standard_and_of_the_vendor_are_right(key: bytes, vector: tuple[str, str, Any]) -> None:
    signature_input, signature, request = vector
    assert matches(key, request, parsed(signature_input, signature))


@pytest.mark.parametrize("changed", VENDOR[2])
def test_a_request_with_one_covered_part_changed_is_not_what_was_signed(changed: str) -> None:
    signature_input, signature, request = VENDOR
    assert not matches(VENDOR_KEY, request | {changed: request[changed] + "x"}, parsed(signature_input, signature))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("1641013200", "1641013201"), ("expires=3282026430", "expires=3282026431"), ('nonce="V', 'nonce="W')],
)
def test_parameters_are_signed_too(was: str, becomes: str) -> None:
    signature_input, signature, request = VENDOR
    assert not matches(VENDOR_KEY, request, parsed(signature_input.replace(was, becomes), signature))


def test_another_key_does_not_match() -> None:
    assert not matches(VENDOR_KEY + b"x", VENDOR[2], parsed(*VENDOR[:2]))


def test_what_is_signed_is_written_anew_from_what_was_understood() -> None:
    spaced = parsed('sig1=(  "a"   "b" ); created=01;  nonce="x\\"\\\\y"')
    assert spaced.parameters == {"created": 1, "nonce": 'x"\\y'}
    base = b'"a": 1\n"b": 2\n"@signature-params": ("a" "b");created=1;nonce="x\\"\\\\y"'
    assert signature_base(spaced, {"a": "1", "b": "2"}.get) == base


def test_a_component_that_the_request_lacks_is_a_flaw() -> None:
    flaw = signature_base(parsed('sig1=("a" "b");created=1'), {"a": "1"}.get)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == "component"
    assert "'b'" in flaw.message


@pytest.mark.parametrize(
    ("signature_input", "signature", "reason"),
    [
        ("", "", "malformed"),
        ('sig1=("a");created=1', "", "malformed"),
        ('sig1=("a");created=1', "sig2=:AAAA:", "malformed"),
        ('sig1=("a");created=1', "sig1=AAAA", "malformed"),
        ('sig1=("a");created=1', "sig1=:A:", "malformed"),
        ('sig1=("a");created=1', "sig1=:AAAA:, sig2=:AAAA:", "malformed"),
        ('sig1="a";created=1', "sig1=:AAAA:", "malformed"),
        ('sig1=("a" "a");created=1', "sig1=:AAAA:", "malformed"),
        ('sig1=("a"x);created=1', "sig1=:AAAA:", "malformed"),
        ('sig1=("a";sf);created=1', "sig1=:AAAA:", "malformed"),
        ('sig1=("a"), sig2=("b")', "sig1=:AAAA:", "malformed"),
        ('sig1=("a");created=1;colour="red"', "sig1=:AAAA:", "malformed"),
        ('sig1=("a");created=1;created=2', "sig1=:AAAA:", "malformed"),
        ('sig1=("a");created="1"', "sig1=:AAAA:", "malformed"),
        ('sig1=("a");created=-1', "sig1=:AAAA:", "malformed"),
        ('sig1=("a");created=1234567890123456', "sig1=:AAAA:", "malformed"),
        ('sig1=("a");keyid=7', "sig1=:AAAA:", "malformed"),
        ('sig1=("ä");created=1', "sig1=:AAAA:", "malformed"),
        ('sig1=("a");alg="hmac-sha1"', "sig1=:AAAA:", "algorithm"),
        ('sig1=("a");alg="rsa-pss-sha512"', "sig1=:AAAA:", "algorithm"),
    ],
)
def test_what_is_no_signature_of_this_kind_is_a_flaw(signature_input: str, signature: str, reason: str) -> None:
    flaw = parse(signature_input, signature)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == reason


CREATED = 1_000_000


@pytest.mark.parametrize(
    ("parameters", "now_s", "reason"),
    [
        ("created=1000000;expires=1000030", CREATED - 3.1, "clock"),
        ("created=1000000;expires=1000030", CREATED - 3, None),
        ("created=1000000;expires=1000030", CREATED, None),
        ("created=1000000;expires=1000030", CREATED + 7, None),
        ("created=1000000;expires=1000030", CREATED + 7.1, "expired"),
        ("created=1000000;expires=1000005", CREATED + 2, None),
        ("created=1000000;expires=1000005", CREATED + 2.1, "expired"),
        ("created=1000000;expires=999999", CREATED, "expired"),
        ("created=1000000", CREATED, None),
        ("created=1000000", CREATED + 7.1, "expired"),
        ("expires=1000030", CREATED, "malformed"),
    ],
)
def test_a_signature_is_good_for_some_seconds(parameters: str, now_s: float, reason: str | None) -> None:
    flaw = flaw_in_time(parsed(f'sig1=("a");{parameters}'), now_s)
    assert (flaw.reason if flaw else None) == reason


@settings(deadline=None)
@given(st.integers(100, 10**9), st.none() | st.integers(-20, 40), st.floats(-20, 20))
def test_a_signature_that_is_good_ends_to_be_so_when_it_says(created: int, life: int | None, later_s: float) -> None:
    end = f";expires={created + life}" if life is not None else ""
    signature = parsed(f'sig1=("a");created={created}{end}')
    is_good = flaw_in_time(signature, created + later_s) is None
    assert is_good == (created - 3 <= created + later_s <= valid_until_s(signature))
    assert valid_until_s(signature) <= created + 7


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("Calls.Example.com", 443, "calls.example.com"),
        ("calls.example.com:443", 443, "calls.example.com"),
        ("calls.example.com:8443", 443, "calls.example.com:8443"),
        ("127.0.0.1:80", 80, "127.0.0.1"),
        ("[::1]:443", 443, "[::1]"),
    ],
)
def test_the_authority_is_the_host_in_small_letters_without_the_usual_port(host: str, port: int, expected: str) -> None:
    assert authority(host, port) == expected


names = st.from_regex(r"[@a-z][a-z-]{0,9}", fullmatch=True)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)


@settings(deadline=None)
@given(st.dictionaries(names, values, max_size=6), values, st.integers(0, 10**15 - 1), st.binary(max_size=80))
def test_whatever_is_signed_in_good_form_is_verified(
    request_parts: dict[str, str], nonce: str, created: int, key: bytes
) -> None:
    written = nonce.replace("\\", "\\\\").replace('"', '\\"')
    parameters = (
        f'({" ".join(f"{chr(34)}{name}{chr(34)}" for name in request_parts)});created={created};nonce="{written}"'
    )
    lines = [f'"{name}": {value}' for name, value in request_parts.items()] + [f'"@signature-params": {parameters}']
    made = base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), "sha256")).decode()
    signature = parsed(f"sig1={parameters}", f"sig1=:{made}:")
    assert signature.text("nonce") == nonce
    assert matches(key, request_parts, signature)


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=9), st.floats(0, 2e9))
def test_no_header_makes_it_raise(signature_input: str, signature: str, value: str, now_s: float) -> None:
    for one, other in ((signature_input, signature), (f"sig1={signature_input}", f"sig1=:{signature}:"), VENDOR[:2]):
        found = parse(one, other)
        if isinstance(found, Signature):
            flaw_in_time(found, now_s)
            base = signature_base(found, lambda _: value)
            assert isinstance(base, bytes)
            assert not is_signed_by(b"key", base, found)
