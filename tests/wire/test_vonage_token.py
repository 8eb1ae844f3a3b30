"""The token of an upgrade; the first is made with `openssl`, so that two implementations must agree."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.vonage_token import SKEW_S, looks_signed, signer

SECRET = "signature-secret-of-the-account"
SECRETS = {"other": "another-secret", "acme": SECRET}
NOW_S = 1_795_000_000.0
AGE_S = 300.0


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(claims: Any = ..., header: Any = ..., secret: str = SECRET) -> str:
    claims = {"iat": NOW_S, "iss": "Vonage", "api_key": "a1", "jti": "j1"} if claims is ... else claims
    header = {"alg": "HS256", "typ": "JWT"} if header is ... else header
    signed = f"{part(header)}.{part(claims)}"
    signature = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def signed_by(given: str, now_s: float = NOW_S) -> str | None:
    return signer(given, SECRETS, now_s, AGE_S)


def test_a_token_made_elsewhere_is_good() -> None:
    # printf '%s.%s' HEADER CLAIMS | openssl dgst -sha256 -hmac signature-secret-of-the-account -binary | basenc
    made = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3OTUwMDAwMDB9.F9uSSRgbhQDEqi9e5dBDb0cIQQcVEsUjeIZwKVZzcIo"
    assert signed_by(made) == "acme"


def test_a_token_names_whose_secret_signed_it() -> None:
    assert signed_by(token()) == "acme"
    assert signed_by(token(secret="another-secret")) == "other"
    assert signed_by(token(secret="a-third")) is None


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256", "hs256", ""])
def test_no_other_algorithm_is_taken_whatever_the_token_asks_for(algorithm: str) -> None:
    assert signed_by(token(header={"alg": algorithm})) is None


@pytest.mark.parametrize(
    ("after_s", "good"), [(0, True), (AGE_S, True), (AGE_S + SKEW_S + 1, False), (-SKEW_S, True), (-SKEW_S - 1, False)]
)
def test_a_token_is_good_for_a_while(after_s: float, good: bool) -> None:
    assert (signed_by(token(), NOW_S + after_s) == "acme") is good


def test_a_token_that_says_when_it_expires_is_believed() -> None:
    claims = {"iat": NOW_S, "exp": NOW_S + 10}
    assert signed_by(token(claims), NOW_S + 10) == "acme"
    assert signed_by(token(claims), NOW_S + 11 + SKEW_S) is None


@pytest.mark.parametrize(
    "wrong",
    [
        token({}),
        token([]),
        token({"iat": "yesterday"}),
        token({"iat": None}),
        token(header={}),
        token(header=7),
        token() + "x",
        token()[:-1],
        token().rpartition(".")[0] + ".",
        token().replace(".", "", 1),
        token() + "=",
        token().replace(".", ". ", 1),
        "a.b.c",
        "..",
        "",
        "é.é.é",
        "x" * 9000 + token(),
        token({"iat": NOW_S, "x": "x" * 9000}),
    ],
)
def test_a_token_that_is_none_opens_nothing(wrong: str) -> None:
    assert signed_by(wrong) is None


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_token_that_was_changed_anywhere_opens_nothing(place: int, by: int) -> None:
    good = token()
    place %= len(good)
    changed = good[:place] + chr((ord(good[place]) + by) % 256) + good[place + 1 :]
    # The last character of base64 has bits that mean nothing: changing these changes no signature.
    assert signed_by(changed) is None or place == len(good) - 1


@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    assert signed_by(text) is None


def test_a_secret_is_not_taken_for_a_token() -> None:
    assert looks_signed(token())
    assert not looks_signed("a.plain.secret")
    assert not looks_signed("eyes-only")
