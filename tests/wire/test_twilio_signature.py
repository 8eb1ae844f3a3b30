"""The signature of an upgrade."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.twilio_signature import candidate_urls, signature, signature_algorithm, signature_matches

TOKEN = "12345"
URL = "wss://calls.example.com/twilio"

# Made with `openssl dgst -binary -sha1 -hmac` and `base64`, so that two implementations must agree.
SHA1 = "KYJx6UwE4CTkBArlqaZlEvivWvM="
SHA256 = "IutIuwY5zGqtJpwQ2eoEpLRULnjQDGrg7OW0H6P2kVk="


def test_the_signature_is_the_hmac_of_the_url() -> None:
    assert signature(TOKEN, URL) == SHA1
    assert signature(TOKEN, URL, "sha256") == SHA256


@pytest.mark.parametrize(
    ("settings", "algorithm"),
    [
        ("", "sha1"),
        (" ", "sha1"),
        ("key=SK1,algorithm=HMAC_SHA256", "sha256"),
        ("algorithm=hmac_sha256, key=SK1", "sha256"),
        ("key=SK1,algorithm=HMAC_SHA1", "sha1"),
        ("key=SK1,algorithm=HMAC_MD5", None),
        ("key=SK1", None),
        ("=,=;", None),
    ],
)
def test_the_settings_header_names_the_algorithm(settings: str, algorithm: str | None) -> None:
    assert signature_algorithm(settings) == algorithm


@pytest.mark.parametrize(
    ("public_url", "host", "urls"),
    [
        ("wss://calls.example.com", "10.0.0.7:8765", [URL, "wss://calls.example.com:443/twilio"]),
        ("https://calls.example.com/", "x", [URL, "wss://calls.example.com:443/twilio"]),
        ("wss://calls.example.com:443", "x", ["wss://calls.example.com:443/twilio", URL]),
        ("wss://example.com/voice/", "x", ["wss://example.com/voice/twilio", "wss://example.com:443/voice/twilio"]),
        ("http://[::1]:8765", "x", ["ws://[::1]:8765/twilio", "ws://[::1]/twilio"]),
        (
            "",
            "calls.example.com",
            [
                URL,
                "wss://calls.example.com:443/twilio",
                "ws://calls.example.com/twilio",
                "ws://calls.example.com:80/twilio",
            ],
        ),
        ("", "[::1]", ["wss://[::1]/twilio", "wss://[::1]:443/twilio", "ws://[::1]/twilio", "ws://[::1]:80/twilio"]),
    ],
)
def test_the_url_is_the_public_one_or_the_host_headers(public_url: str, host: str, urls: list[str]) -> None:
    assert candidate_urls(public_url, host, "/twilio") == urls


@pytest.mark.parametrize("public_url", ["calls.example.com", "ftp://calls.example.com", "wss://"])
def test_a_public_url_that_is_none_is_refused(public_url: str) -> None:
    with pytest.raises(ValueError, match=r"server\.public_url"):
        candidate_urls(public_url, "", "/twilio")


@given(st.sampled_from(["a", "b", "c"]), st.integers(0, 1), st.sampled_from(["sha1", "sha256"]))
def test_whoever_signed_whichever_url_is_found(key: str, which: int, algorithm: str) -> None:
    auth_tokens = {"a": "first", "b": "second", "c": "third"}
    urls = candidate_urls("wss://calls.example.com", "", "/twilio")
    header = signature(auth_tokens[key], urls[which], algorithm)
    assert signature_matches(auth_tokens, urls, header, algorithm) == key


@pytest.mark.parametrize("header", ["", "no", SHA256, SHA1[:-1], "ü", "\ud800", signature("", URL)])
def test_nobody_signed_anything_else(header: str) -> None:
    assert signature_matches({"a": TOKEN, "empty": ""}, [URL], header) is None


def test_the_signature_of_another_url_is_none_of_ours() -> None:
    assert signature_matches({"a": TOKEN}, [URL], signature(TOKEN, URL + "?x=1")) is None


@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters()), st.text(alphabet=st.characters()))
def test_no_header_makes_it_raise(host: str, target: str, header: str) -> None:
    urls = candidate_urls("", host, target)
    assert signature_matches({"a": TOKEN}, urls, header, signature_algorithm(header) or "sha1") is None
